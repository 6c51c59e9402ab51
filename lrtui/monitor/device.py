"""Numbers that are still on a device: brought to the CPU together, without waiting for any."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Raw = tuple[Any, ...]
"""A row as training left it: some of its numbers may be tensors on a device."""


class DeviceRows:
    """Collects rows in the thread that trains, and copies their tensors when it is told to.

    Attributes:
        waiting: rows that were not copied yet.
    """

    def __init__(self) -> None:
        """Start without a row."""
        self.waiting: list[Raw] = []

    def copy(self) -> Callable[[], list[Raw] | None]:
        """Begin to copy the rows that wait.

        Returns:
            A function that any thread may call: the rows with numbers in place of tensors, ``None``
            as long as the device has not got there.
        """
        rows, self.waiting = self.waiting, []
        tensors = [value for row in rows for value in flat(row) if isinstance(value, Tensor)]
        where = tensors[0].device if tensors else torch.device("cpu")
        alike = [t.reshape(()).to(where, torch.float32, non_blocking=True) for t in tensors]
        stacked = torch.stack(alike) if alike else torch.zeros(0)
        done = None
        if stacked.is_cuda:
            host = torch.empty(len(tensors), dtype=torch.float32, pin_memory=True)
            host.copy_(stacked, non_blocking=True)
            done = torch.cuda.Event()  # type: ignore[no-untyped-call]
            done.record()
        else:
            host = stacked.cpu()

        def arrived() -> list[Raw] | None:
            if done is not None and not done.query():  # type: ignore[no-untyped-call]
                return None
            numbers = iter(host.tolist())
            return [
                tuple(
                    {name: pick(v, numbers) for name, v in value.items()}
                    if isinstance(value, dict)
                    else pick(value, numbers)
                    for value in row
                )
                for row in rows
            ]

        return arrived


def flat(row: Raw) -> list[Any]:
    """Return the values of a row, those of its further scalars after the others."""
    *values, others = row
    return [*values, *others.values()]


def pick(value: Any, numbers: Any) -> Any:  # noqa: ANN401
    """Return the next number in place of a tensor."""
    return next(numbers) if isinstance(value, Tensor) else value
