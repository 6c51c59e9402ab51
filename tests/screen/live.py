"""A training that is not ours, without one: its messages, computed here."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lrtui.messages import (
    AnyMessage,
    Command,
    Ended,
    Greeting,
    Progress,
    Ranks,
    Started,
    State,
)
from lrtui.screen.app import LrtuiApp
from lrtui.screen.control.controller import Controller
from lrtui.screen.main_screen import MainScreen
from lrtui.sources.fake import FakeSource

OFFERS = ("pause", "step", "hold", "scale", "release", "stop")
"""What every Monitor offers; with a model there is ``rewind``, with a function ``checkpoint``."""

Losses = Sequence[float | None]


def falling(steps: int, since: float = 5.0, until: float = 2.0, seed: int = 0) -> list[float]:
    """Return the noisy losses of a healthy training."""
    rng = np.random.default_rng(seed)
    at = np.arange(steps)
    mean = until + (since - until) * np.exp(-4 * at / steps)
    return [float(v) for v in mean * np.exp(0.04 * rng.standard_normal(steps))]


def after_an_overflow() -> list[float | None]:
    """Return losses that fall, overflow to 1e37, are not finite for 40 steps, and fall again."""
    before: list[float | None] = [*falling(600)]
    rise = [2.0 * 10 ** (4.0 * i) for i in range(1, 10)]
    return [*before, *rise, *([None] * 40), *falling(900, 3.0, 1.8, seed=1)]


def told(
    losses: Losses | None,
    *,
    lrs: Sequence[float] | None = None,
    steps: int = 0,
    offers: Sequence[str] = OFFERS,
    ranks: int = 1,
    groups: int = 1,
    lowest: float | None = None,
    **scalars: Losses,
) -> list[AnyMessage]:
    """Return what a training tells of itself.

    Args:
        losses: at each step; ``None`` where no loss is known.
        lrs: the rate in force at each step, 0.01 where it does not move.
        steps: as many as there are, where no loss is known.
        offers: what can be asked of it.
        ranks: processes that train together.
        groups: groups of parameters that have a rate.
        lowest: the smallest rate of these.
        scalars: others by name.
    """
    column = losses if losses is not None else [None] * steps
    rates = lrs if lrs is not None else [0.01] * len(column)
    greeting = Greeting(
        program="lrtui test",
        pid=7,
        folder="/",
        title="train.py · pid 7 · AdamW",
        capabilities=list(offers),
        name="train.py",
        since=1.0,
        ranks=ranks,
    )
    messages: list[AnyMessage] = [
        greeting,
        Started(run=1, lr=rates[0], steps=None, optimizer="AdamW"),
        State(run=1, step=0, paused=False, speed=None, lr=rates[0], groups=groups, lowest=lowest),
        Progress(
            run=1,
            steps=0,
            scalars={"loss": [*column], "lr": [*rates], **{k: [*v] for k, v in scalars.items()}},
            seconds=len(column) / 50,
            no_loss=losses is None,
        ),
    ]
    if ranks > 1:
        done = [len(column) - 3 * (rank == 2) for rank in range(ranks)]
        paces = [50.0 if rank != 2 else 31.0 for rank in range(ranks)]
        messages.append(Ranks(run=1, steps=done, paces=paces))
    return messages


def ended(step: int, loss: float | None, outcome: str = "done") -> Ended:
    """Return the end of a training."""
    return Ended(run=1, outcome=outcome, step=step, loss=loss, reason="all steps taken")  # type: ignore[arg-type]


def live_app(*messages: AnyMessage) -> LrtuiApp:
    """Return the app that watches a training; frames come when a test asks for them."""

    def answer(command: Command) -> list[AnyMessage]:
        return []

    controller = Controller(FakeSource(messages, answer), [], speed=None)
    return LrtuiApp(MainScreen(controller, fps=0.001), "textual-dark")
