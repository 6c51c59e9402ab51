"""Measures the sharpness of a training whose steps all see the same data.

The largest eigenvalue of the Hessian of the loss, which is preconditioned for Adam: steps along its
eigenvector grow where it exceeds the optimizer's threshold over the rate. Products with the Hessian
are central differences of the gradient of a recorded step, as a second derivative does not exist
for every network.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence

import torch
from torch import Tensor
from torch.optim import SGD, Adam, AdamW, Optimizer

from lrtui import messages as msg
from lrtui.messages.optimizer import OptimizerName
from lrtui.monitor.entries import run_forward
from lrtui.monitor.saved_state import parameters_of
from lrtui.monitor.tape import Tape

AGREEMENT = 0.02
"""Largest relative difference between the eigenvalue and that by differences half as long: it is
larger where gradients are too coarse."""

FINE = (torch.float32, torch.float64)
"""Types that gradients must have; their differences in mixed precision were off by 18 %."""

NAMES: dict[type[Optimizer], OptimizerName] = {SGD: "sgd", Adam: "adam", AdamW: "adamw"}
"""Optimizers whose threshold is known."""


class Sharpness:
    """Measures repeatedly, each time from the last eigenvector."""

    def __init__(self) -> None:
        """Start without an eigenvector."""
        self._vector: Tensor | None = None
        self._generator = torch.Generator().manual_seed(0)

    def measure(
        self, tape: Tape, optimizer: Optimizer, weights: Sequence[Tensor]
    ) -> dict[str, float] | None:
        """Measure at some weights; leaves the parameters near them.

        Args:
            tape: of one step.
            optimizer: its optimizer.
            weights: one for each of its parameters.

        Returns:
            The eigenvalue, its error and the threshold; ``None`` if they cannot be known, as before
            Adam's first step, at weights that are not finite and in mixed precision.
        """
        # Only here, as few trainings see all data at each step.
        from lrtui.trainer.measure.curvature import (
            DIFFERENCE_STEP,
            FRESH_NOISE,
            MAX_COLD_PRODUCTS,
            MAX_WARM_PRODUCTS,
            leading_eigenpair,
            preconditioner,
        )

        pairs = zip(parameters_of(optimizer), weights, strict=True)
        trained = [(p, w) for p, w in pairs if p.requires_grad]
        parameters, threshold = [p for p, _ in trained], threshold_of(optimizer)
        mixed = any(is_on for entry in tape.entries for _, is_on, _ in entry.autocast)
        if mixed or not all(p.dtype in FINE for p in parameters):
            return None
        scale = preconditioner(optimizer, parameters)  # type: ignore[arg-type]
        if scale is None or threshold is None:
            return None
        length = math.sqrt(sum(float(w.square().sum()) for _, w in trained)) or 1.0

        def product(v: Tensor, share: float = 1.0) -> Tensor:
            step = share * DIFFERENCE_STEP * length / float((scale * v).norm())
            ends = [gradient_at(tape, trained, s * scale * v) for s in (step, -step)]
            return scale * (ends[0] - ends[1]) / (2 * step)

        start = torch.randn(len(scale), generator=self._generator).to(scale)
        start, most = start / start.norm(), MAX_COLD_PRODUCTS
        if self._vector is not None and len(self._vector) == len(scale):
            start, most = self._vector + FRESH_NOISE * start, MAX_WARM_PRODUCTS
        value, error, vector = result_of(leading_eigenpair(product, start, most))
        again = float(vector @ product(vector, 0.5))
        if not abs(again - value) <= AGREEMENT * abs(value) + error:  # nor if not finite
            self._vector = None
            return None
        self._vector = vector
        return {"sharpness": value, "error": error, "threshold": threshold}


def threshold_of(optimizer: Optimizer) -> float | None:
    """Return the largest stable product of rate and sharpness, ``None`` if it is not known.

    It is known of SGD, Adam and AdamW where all weights have the same settings.
    """
    group, *others = optimizer.param_groups
    name = NAMES.get(type(optimizer))
    options = ("lr", "momentum", "betas", "nesterov", "dampening", "maximize")
    same = all(each.get(option) == group.get(option) for each in others for option in options)
    if name is None or not same or group.get("dampening") or group["maximize"]:
        return None
    if name == "sgd":
        kind: OptimizerName = "nesterov" if group["nesterov"] else "sgd"
        return msg.Optimizer(name=kind, momentum=float(group["momentum"])).threshold
    first, second = group["betas"]
    return msg.Optimizer(name=name, betas=(float(first), float(second))).threshold


def gradient_at(tape: Tape, trained: Sequence[tuple[Tensor, Tensor]], offset: Tensor) -> Tensor:
    """Return the gradient of the recorded loss at some weights plus an offset, shape [n].

    ``trained`` has the parameters, each with its weights.
    """
    parts = torch.split(offset, [w.numel() for _, w in trained])
    for (p, w), part in zip(trained, parts, strict=True):
        p.detach().copy_(w + part.view(w.shape).to(w.dtype))
    tape.before.restore()  # what modules count and average
    with torch.enable_grad():
        loss = torch.stack(
            [each.reshape(()) for each in run_forward(tape.entries, grad=True)]
        ).sum()
        found = torch.autograd.grad(loss, [p for p, _ in trained], allow_unused=True)
    filled = (
        torch.zeros_like(w) if g is None else g for g, (_, w) in zip(found, trained, strict=True)
    )
    return torch.cat([g.detach().reshape(-1) for g in filled])


def result_of(
    steps: Generator[None, None, tuple[float, float, Tensor]],
) -> tuple[float, float, Tensor]:
    """Run a generator to its end; return its result."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            value, error, vector = end.value
            return value, error, vector
