"""Recognises the loss and the learning rate of a log by the names of its scalars."""

from __future__ import annotations

import re
from functools import lru_cache

HELD_OUT = {"val", "valid", "validation", "eval", "evaluation", "test", "dev", "holdout", "heldout"}
TRAINING = {"train", "training", "trainer", "tr"}
NEUTRAL = TRAINING | {"step", "iter", "batch", "running", "total", "metrics", "lm", "charts", "avg"}
LIKE_LOSS = {"nll", "ce", "xent", "bpb", "bpc", "objective", "cost", "mse", "perplexity", "ppl"}

Rank = tuple[int, ...]
"""Of several names, the one with the smallest rank is taken."""


def words_of(name: str) -> list[str]:
    """Return the words of a scalar's name: ``train/epochLoss`` has three."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name[:200])
    return [word for word in re.split(r"[^a-z0-9]+", apart.lower()) if word]


def is_held_out(name: str) -> bool:
    """Return whether a scalar is measured on held-out data."""
    return not HELD_OUT.isdisjoint(words_of(name))


def loss_rank(name: str) -> Rank | None:
    """Return the rank of a name as that of the training loss; ``None`` if it is not."""
    if name == "train/loss":
        return (0,)
    words = words_of(name)
    if any(word in ("loss", "losses") for word in words):
        kind = 1
    elif words and words[-1].endswith("loss"):
        kind = 2
    elif not LIKE_LOSS.isdisjoint(words):
        kind = 3
    else:
        return None
    if {"scale", "scaler", "weight", "coef"} & {*words}:
        return None
    by_epoch = "epoch" in words
    others = [w for w in words if w not in NEUTRAL | {"loss", "losses", "epoch"}]
    return (kind + 3 * is_held_out(name), len(others), by_epoch, len(words))


@lru_cache(1 << 10)
def is_training_loss(name: str) -> bool:
    """Return whether a scalar may be the loss on the training's own data."""
    return loss_rank(name) is not None and not is_held_out(name)


def rate_rank(name: str) -> Rank | None:
    """Return the rank of a name as that of the learning rate; ``None`` if it is not."""
    words = words_of(name)
    if {"momentum", "weight", "decay", "beta", "mult", "scale"} & {*words}:
        return None
    spelled = "learning" in words and "rate" in words
    if spelled or "lr" in words or "learningrate" in words:
        return (len(words) - spelled,)
    return None


def is_gradient_norm(name: str) -> bool:
    """Return whether a scalar is the norm of all gradients."""
    words = {*words_of(name)}
    has_both = bool({"grad", "gradient", "gradients"} & words) and "norm" in words
    others = words - NEUTRAL - {"grad", "gradient", "gradients", "norm", "global", "l2", "2", "0"}
    return "gnorm" in words or "gradnorm" in words or (has_both and not others)


def is_worth_seeing(name: str) -> bool:
    """Return whether a scalar is preferred where room is short: a loss, or held-out data."""
    return is_held_out(name) or loss_rank(name) is not None
