"""Copies numbers from a device to the CPU in batches, without synchronizing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

Raw = tuple[Any, ...]
"""A row as recorded: some of its numbers may be tensors on a device."""

MAX_WAITING = 512
"""Rows that wait for a copy; one more starts it."""

Batch = Callable[[], list[Raw] | None]
"""Returns rows copied from a device, ``None`` until they have arrived."""


def number_of(value: Any) -> float | Tensor:
    """Return a number; a tensor on a device stays there, copied."""
    if isinstance(value, Tensor) and not value.is_cpu:
        return value.detach().clone()
    return float(value)


class DeviceRows:
    """Rows whose tensors have not been copied yet; for the training thread."""

    def __init__(self) -> None:
        """Start empty."""
        self.waiting: list[Raw] = []

    def copy(self) -> Batch:
        """Start to copy the waiting rows; any thread may call the result."""
        rows, self.waiting = self.waiting, []
        by_device: dict[torch.device, list[Tensor]] = {}
        for tensor in tensors_of(rows):
            by_device.setdefault(tensor.device, []).append(tensor)
        copies = {device: start_copy(device, found) for device, found in by_device.items()}
        # Devices in place of tensors, so that no device memory is held.
        places = [tuple(map(place, row)) for row in rows]

        def arrived() -> list[Raw] | None:
            numbers = {device: read() for device, read in copies.items()}
            if any(column is None for column in numbers.values()):
                return None
            columns = {device: iter(column or ()) for device, column in numbers.items()}
            return [tuple(fill(value, columns) for value in row) for row in places]

        return arrived


def start_copy(device: torch.device, tensors: list[Tensor]) -> Callable[[], list[float] | None]:
    """Start to copy one-element tensors; the result returns their values, ``None`` until ready."""
    stacked = torch.stack([tensor.reshape(()).to(torch.float32) for tensor in tensors])
    # torch.cuda and torch.xpu have events; elsewhere the copy synchronizes.
    module: Any = getattr(torch, device.type, None)
    if not (hasattr(module, "Event") and hasattr(module, "current_stream")):
        numbers = stacked.cpu().tolist()
        return lambda: numbers
    host = torch.empty(len(tensors), dtype=torch.float32, pin_memory=device.type == "cuda")
    host.copy_(stacked, non_blocking=True)
    done = module.Event()
    done.record(module.current_stream(device))  # the current device may be another one

    def read(source: Tensor = stacked) -> list[float] | None:  # keeps it alive until it is copied
        return host.tolist() if done.query() else None

    return read


def tensors_of(rows: list[Raw]) -> Iterator[Tensor]:
    """Yield the tensors of rows, in order."""
    for row in rows:
        for value in row:
            if isinstance(value, dict):
                yield from (each for each in value.values() if isinstance(each, Tensor))
            elif isinstance(value, Tensor):
                yield value


def place(value: Any) -> Any:
    """Return a value of a row with each tensor replaced by its device."""
    if isinstance(value, dict):
        return {name: place(each) for name, each in value.items()}
    return value.device if isinstance(value, Tensor) else value


def fill(value: Any, columns: dict[torch.device, Iterator[float]]) -> Any:
    """Return a value of a row with each device replaced by the next number copied from it."""
    if isinstance(value, dict):
        return {name: fill(each, columns) for name, each in value.items()}
    return next(columns[value]) if isinstance(value, torch.device) else value
