"""A sweep by several processes that torchrun starts: each tries its share of the rates."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import chain
from typing import TypeVar

from msgspec.structs import replace

from lrtui.messages import SweepResult, decode_message, encode
from lrtui.text.readers import whole

T = TypeVar("T")

KEY = "lrtui sweep {}"
"""Key of each rank's result in the store."""


def rank_and_count() -> tuple[int, int]:
    """Return the rank of this process, and how many torchrun has started; 0 and 1 without it."""
    try:
        rank, count = (int(os.environ[name]) for name in ("RANK", "WORLD_SIZE"))
    except (KeyError, ValueError):
        return 0, 1
    return (rank, count) if 0 <= rank < count and "MASTER_ADDR" in os.environ else (0, 1)


def share_of(values: Sequence[T], rank: int, count: int) -> list[T]:
    """Return the share of a rank: every ``count``-th, so that slow rates are spread evenly."""
    return [*values[rank::count]]


def choose_device() -> None:
    """Restrict this process to one of its machine's devices, by its local rank."""
    seen = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    local = os.environ.get("LOCAL_RANK", "0")
    at = whole(0, 1 << 20)(local)
    os.environ["CUDA_VISIBLE_DEVICES"] = seen[at % len(seen)] if seen else local


def gathered(result: SweepResult | str, rank: int, count: int) -> SweepResult | str | None:
    """Merge the results of all ranks: return them, or why ranks failed, on rank 0; else ``None``.

    ``result`` is that of this rank, or why it failed.
    """
    from torch.distributed.rendezvous import rendezvous

    store, _, _ = next(iter(rendezvous("env://", rank, count)))
    failed = b"!" + result.encode() if isinstance(result, str) else b""
    store.set(KEY.format(rank), failed or encode(result))  # type: ignore[arg-type]
    if rank:
        store.get(KEY.format("done"))  # the store may live in rank 0
        return None
    found: list[SweepResult] = []
    failures: list[str] = []
    for other in range(count):
        data = bytes(store.get(KEY.format(other)))
        message = None if data.startswith(b"!") else decode_message(data)
        if isinstance(message, SweepResult):
            found.append(message)
        else:
            failures.append(f"rank {other}: {data[1:].decode(errors='replace')}")
    store.set(KEY.format("done"), "yes")
    return "\n".join(failures) if failures else together(found)


def together(results: Sequence[SweepResult]) -> SweepResult:
    """Merge the results of shares, in the order of their rates."""
    lrs = [lr for result in results for lr in result.lrs]
    order = sorted(range(len(lrs)), key=lrs.__getitem__)

    def column(parts: Sequence[Sequence[T]]) -> list[T]:
        values = [*chain.from_iterable(parts)]
        return [values[i] for i in order]

    def unless_empty(parts: Sequence[list[T]], usual: T) -> list[T]:
        pairs = zip(parts, results, strict=True)
        return column([part or [usual] * len(result.lrs) for part, result in pairs]) * any(parts)

    return replace(
        results[0],
        lrs=column([result.lrs for result in results]),
        losses=column([result.losses for result in results]),
        settled_at=column([result.settled_at for result in results]),
        taken=unless_empty([result.taken for result in results], results[0].steps),
        failures=unless_empty([result.failures for result in results], ""),
        how=f"{len(lrs)} rates on {len(results)} ranks",
    )
