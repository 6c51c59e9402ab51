"""A device that is not there: tensors whose numbers arrive late, and that nobody may wait for.

``late(tensor)`` moves a tensor to it. Whatever would make a real device synchronise raises an
error: ``item``, ``float``, ``bool``, a copy to the CPU that waits. A copy that does not wait leaves
NaN on the CPU until an event after it is done, which takes ``DELAY`` seconds.
"""

from __future__ import annotations

import os
import time
from typing import Any, Self

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

DELAY = 0.03
"""Seconds that a copy takes to arrive."""

ENVIRONMENT = "LRTUI_TEST_LATE"
"""Set where scripts are to train on this device."""

aten = torch.ops.aten
pending: list[tuple[float, Tensor, Tensor]] = []
"""Copies on their way: when they arrive, from where and to where."""


class Synchronised(RuntimeError):
    """Something waited for the device."""


class LateTensor(Tensor):
    """A tensor on the device; its numbers are kept in ``inner``."""

    inner: Tensor  # type: ignore[assignment]

    @staticmethod
    def __new__(cls, inner: Tensor) -> Self:  # noqa: ANN001, RUF100
        made = Tensor._make_wrapper_subclass(
            cls, inner.shape, dtype=inner.dtype, device=torch.device("meta"), requires_grad=False
        )
        made.inner = inner
        return made

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if func in (aten._local_scalar_dense.default, aten.equal.default, aten.nonzero.default):
            raise Synchronised(str(func))
        if func is aten.copy_.default and not isinstance(args[0], cls):
            if not kwargs.get("non_blocking") and not (len(args) > 2 and args[2]):
                raise Synchronised("a copy that waits")
            args[0].fill_(float("nan"))
            pending.append((time.monotonic() + DELAY, args[1].inner.clone(), args[0]))
            return args[0]
        if func is aten._to_copy.default:
            if (where := kwargs.get("device")) is not None and torch.device(where).type == "cpu":
                raise Synchronised("a copy that waits")
            kwargs.pop("device", None)
        inner = func(
            *tree_map(lambda x: x.inner if isinstance(x, cls) else x, args),
            **{
                name: value
                for name, value in tree_map(
                    lambda x: x.inner if isinstance(x, cls) else x, kwargs
                ).items()
                if name != "device"
            },
        )
        if isinstance(args[0] if args else None, cls) and inner is args[0].inner:
            return args[0]  # in place
        return tree_map(lambda x: cls(x) if isinstance(x, Tensor) else x, inner)

    def __repr__(self, **_: object) -> str:  # type: ignore[override]
        return f"late({self.inner})"


class Event:
    """Done once all copies that were begun before it have arrived."""

    def record(self, stream: object) -> None:
        self.copies = [*pending]

    def query(self) -> bool:
        if any(at > time.monotonic() for at, _, _ in self.copies):
            return False
        for copy in self.copies:
            copy[2].copy_(copy[1])
            pending[:] = [each for each in pending if each is not copy]
        return True


class Module:
    """What ``torch.cuda`` is to a real device."""

    Event = Event
    streams: tuple[torch.device, ...] = ()

    @classmethod
    def current_stream(cls, device: torch.device) -> object:
        cls.streams += (device,)
        return object()


torch.meta = Module  # type: ignore[attr-defined]


class Move(torch.autograd.Function):
    """Moves a tensor there, and its gradient back."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        return LateTensor(tensor.detach().clone())

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        (gradient,) = gradients
        return gradient.inner if isinstance(gradient, LateTensor) else gradient


def late(tensor: Tensor) -> Tensor:
    """Return a tensor on the device."""
    return Move.apply(tensor)  # type: ignore[no-untyped-call, no-any-return]


def perhaps_late(tensor: Tensor) -> Tensor:
    """Return a tensor on the device where the environment asks for that."""
    return late(tensor) if os.environ.get(ENVIRONMENT) else tensor
