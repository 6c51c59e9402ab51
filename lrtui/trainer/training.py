"""One run of any problem: a model, an optimizer, one batch per step."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator

import torch
from torch import Tensor

from lrtui.messages import Optimizer
from lrtui.problems.problem import Batch, Problem, ProblemError, count, trained
from lrtui.trainer import optimizers

MAX_REPORTED_WEIGHTS = 100
"""Most weights of a model whose weights are reported one by one."""

STEPS_PER_SYNC = 50
"""Steps between two readings of losses from a device, as each reading synchronizes."""


class Training:
    """A run, step by step, as one would write it in a notebook.

    The graph of a reported loss serves the next step, so that a step costs one forward and one
    backward pass although the loss after the last step is known as well.

    Attributes:
        model: in training.
        optimizer: torch's.
        loss: at the current weights, on the batch of the next step.
        steps_per_sync: best number of steps to take at a time.
        factor: the schedule's at the next step.
    """

    def __init__(
        self,
        problem: Problem,
        lr: float,
        optimizer: Optimizer,
        factors: Iterator[float] | None = None,
    ) -> None:
        """Start at the initial weights.

        Args:
            problem: of the run.
            lr: peak learning rate.
            optimizer: settings of its optimizer.
            factors: of the schedule on the rate at each step, ``None`` for a constant rate.

        Raises:
            ProblemError: the loss cannot be trained; says why.
        """
        self.model = problem.model()
        self.steps_per_sync = 1 if problem.device == "cpu" else STEPS_PER_SYNC
        self._loss = problem.loss
        self._batches = problem.batches()
        self._parameters = trained(self.model)
        if not self._parameters:
            raise ProblemError("the model has no weights that can be trained")
        if optimizer.name == "own" and problem.own_optimizer:
            self.optimizer = problem.own_optimizer(self._parameters, lr)
        else:
            self.optimizer = optimizers.make(optimizer, self._parameters, lr)
        # Groups may have rates of their own, which keep their ratios.
        self._ratios = [group["lr"] / lr for group in self.optimizer.param_groups]
        self._factors = factors
        self.factor = next(factors) if factors else 1.0
        self.lr = lr
        needed = inspect.signature(type(self.optimizer).step).parameters.get("closure")
        self._needs_closure = needed is not None and needed.default is inspect.Parameter.empty
        self._reports_weights = count(self._parameters) <= MAX_REPORTED_WEIGHTS
        self.batch: Batch = self._next_batch()
        self._graph = check_loss(self._loss(self.model, self.batch))
        self.loss = self._graph.item()

    @property
    def lr(self) -> float:
        """The peak learning rate; may be changed between two steps."""
        return self._lr

    @lr.setter
    def lr(self, lr: float) -> None:
        self._lr = lr
        for group, ratio in zip(self.optimizer.param_groups, self._ratios, strict=True):
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(ratio * lr * self.factor)
            else:
                group["lr"] = ratio * lr * self.factor

    def step(self) -> float:
        """Take one step and return the loss at the new weights."""
        self._advance()
        self.loss = self._graph.item()
        return self.loss

    def steps(self, count: int) -> list[float]:
        """Take steps and return the loss after each, up to the first non-finite one.

        The losses are read from the device together.
        """
        if count == 1:
            return [self.step()]
        graphs: list[Tensor] = []
        for _ in range(count):
            self._advance()
            graphs.append(self._graph.detach())
        # To the CPU first, as not every device has float64.
        losses: list[float] = torch.stack(graphs).cpu().double().tolist()
        end = next((i for i, loss in enumerate(losses) if not math.isfinite(loss)), count - 1)
        self.loss = losses[end]
        return losses[: end + 1]

    def _advance(self) -> None:
        """Take one step, and compute the next loss without reading it."""
        if self._needs_closure:
            self.optimizer.step(self._closure)  # type: ignore[arg-type]
        else:
            self._graph.backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()
            self.optimizer.zero_grad()
        if self._factors is not None:
            self.factor = next(self._factors)
            self.lr = self._lr
        self.batch = self._next_batch()
        self._graph = self._loss(self.model, self.batch)

    def _closure(self) -> Tensor:
        """Compute loss and gradient, for an optimizer that evaluates them within a step."""
        self.optimizer.zero_grad()
        loss = self._loss(self.model, self.batch)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    def _next_batch(self) -> Batch:
        return next(self._batches)

    def weights(self) -> list[float]:
        """Return the weights if they are few, else an empty list."""
        if not self._reports_weights:
            return []
        return [float(w) for p in self._parameters for w in p.detach().flatten().tolist()]


def check_loss(loss: object) -> Tensor:
    """Return the first loss of a run as a scalar.

    Raises:
        ProblemError: it cannot be trained; says why.
    """
    if not isinstance(loss, Tensor):
        raise ProblemError(f"the loss is {type(loss).__name__}, not a tensor")
    if loss.numel() != 1:
        raise ProblemError(f"the loss has the shape {tuple(loss.shape)}, and a scalar is needed")
    if not loss.requires_grad:
        raise ProblemError("the loss does not depend on any weight that can be trained")
    if not math.isfinite(loss.item()):
        raise ProblemError(f"the loss is {loss.item():g} before the first step")
    return loss.squeeze()
