"""Every rate from the same start, beside the run that is watched: as many at a time as possible.

The rates are trained together by ``torch.func``: one copy of the weights for each, stacked, and
one pass for all. A batch of rates is believed only once one of its rates has come to the same
losses as a run alone. What cannot be trained so is trained one rate after another.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter

import torch
from torch import Tensor
from torch.func import functional_call, grad_and_value, vmap

from lrtui.messages import LARGEST, Optimizer, Swept
from lrtui.problems.problem import Batch, Objective, Problem
from lrtui.run.theory import Theory
from lrtui.trainer.aside import Aside
from lrtui.trainer.training import Training

PIECE = 0.005
"""Seconds of work between two yields, unless one step alone takes longer."""

CHUNK = 32
"""Rates of a network that are trained together: perceptrons are quickest so, small convolutions
with half as many, by a fifth."""

FEW = 100
"""Weights of a model all of whose rates are trained together."""

HEAVY = 0.002
"""Seconds of a step from which on rates are trained one by one.

What is saved by training them together is the time that Python takes, little by then.
"""

CHECKED = 30
"""Steps of one rate that are compared with those of a run alone."""

ALIKE = 1e-3
"""Largest difference of two losses that count as the same, as a share of what the loss moved."""

ROUNDING = 100
"""Rounding errors by which two losses that count as the same may differ besides."""

TELLING = 0.01
"""Share of the first loss by which a rate has to move it for a comparison to tell anything."""

BLOCK = 128
"""Steps whose losses are read from the device together; more than are compared."""

ADAM_EPSILON = 1e-8
"""What torch adds to the denominator of Adam."""

Stack = dict[str, Tensor]
"""Tensors of a model by name, a copy for each of r rates: their shapes are [r, ...]."""

Each = Callable[[Stack, Stack], Tensor]
"""Returns the loss of one rate from its weights and its buffers."""

Gradient = Callable[[Each, Stack, Stack], tuple[Tensor, Sequence[Tensor | None]]]
"""Returns the loss of each rate, shape [r], and its gradient with respect to its weights."""


@dataclass(frozen=True)
class Fate:
    """What became of one rate.

    Attributes:
        loss: the last one, which may be anything but finite.
        settled_at: first step of the last unbroken stretch under the target, if it ends in one.
        taken: steps.
    """

    loss: float
    settled_at: int | None
    taken: int


@dataclass(frozen=True)
class Alone:
    """The first steps of one rate, trained alone, that others are held against.

    Attributes:
        lr: learning rate.
        losses: from the start on.
        seconds: what the quickest step took.
    """

    lr: float
    losses: list[float]
    seconds: float


def sweep(
    problem: Problem,
    lrs: Sequence[float],
    steps: int,
    optimizer: Optimizer,
    seconds: float | None,
) -> Iterator[Swept | None]:
    """Train one run at each learning rate, all from the same start and on the same batches.

    What is random in a training going on meanwhile stays as it is.

    Args:
        problem: what is trained.
        lrs: learning rates.
        steps: steps of each run.
        optimizer: what takes the steps.
        seconds: of work where the rates have to be trained one by one, ``None`` for as many as it
            takes.

    Yields:
        ``None`` after each small piece of work, then the result.

    Raises:
        ProblemError: the problem cannot be trained; says why.
    """
    aside = Aside(problem.device)
    work = _sweep(problem, lrs, steps, optimizer, seconds)
    result = None
    while result is None:
        until = perf_counter() + PIECE
        with aside:
            while result is None and perf_counter() < until:
                result = next(work)
        yield result


def _sweep(
    problem: Problem,
    lrs: Sequence[float],
    steps: int,
    optimizer: Optimizer,
    seconds: float | None,
) -> Iterator[Swept | None]:
    """Train the rates in the first way that works for them; see ``sweep``."""
    fates: Sequence[Fate] | None = None
    first = None
    if optimizer.name != "own" or not problem.own_optimizer:
        alone = yield from train_alone(problem, lrs, steps, optimizer)
        first = alone.losses[0]
        if alone.seconds < HEAVY:
            for gradient in (gradient_of_sum, gradient_of_each):
                try:
                    fates = yield from train_together(
                        problem, lrs, steps, optimizer, gradient, alone
                    )
                except (
                    Exception
                ):  # anything at all: a person's model sees tensors it was not made for
                    continue
                if fates is not None:
                    break
    together = fates is not None
    if fates is None:
        fates, first = yield from train_one_by_one(problem, lrs, steps, optimizer, seconds)
    finished = [fate.taken >= steps or not is_told(fate.loss) for fate in fates]
    size = len(lrs) if problem.facts.weights <= FEW else CHUNK
    if not together:
        how = "one by one"
        if not all(finished):
            how += f", {sum(finished):,} of {len(lrs):,} in {seconds:g} s"
    elif len(lrs) <= size:
        how = f"{len(lrs):,} rates in one batch"
    else:
        how = f"{len(lrs):,} rates in chunks of {size}"
    yield Swept(
        lrs=list(lrs),
        steps=steps,
        losses=[fate.loss if is_told(fate.loss) else None for fate in fates],
        settled_at=[fate.settled_at for fate in fates],
        taken=[] if all(finished) else [fate.taken for fate in fates],
        first_loss=first if first is not None and is_told(first) else None,
        optimizer=optimizer,
        how=how,
    )


def is_told(loss: float) -> bool:
    """Return whether a loss is finite, in the range of the numbers that messages tell."""
    return abs(loss) <= LARGEST


def target_of(problem: Problem) -> float:
    """Return the loss from which on a run counts as settled, minus infinity if there is none."""
    if problem.facts.target is not None:
        return problem.facts.target
    if problem.quadratic is not None:
        return Theory.of(problem.quadratic).settled_loss
    return -math.inf


def train_alone(
    problem: Problem, lrs: Sequence[float], steps: int, optimizer: Optimizer
) -> Generator[None, None, Alone]:
    """Take the first steps of a rate at which the loss moves and does not rise, alone.

    Where it rises, rounding errors may grow as well, and nothing could be compared.

    Yields:
        ``None`` after each step.

    Returns:
        The steps, as far as the loss stayed below twice the first.
    """
    ordered = sorted(lrs)
    low, high = 0, len(ordered)
    best: Alone | None = None
    while low < high:
        middle = (low + high) // 2
        training = Training(problem, ordered[middle], optimizer)
        losses = [training.loss]
        quickest = math.inf
        bound = losses[0] + abs(losses[0])
        while len(losses) <= min(steps, CHECKED):
            begun = perf_counter()
            (loss,) = steps_of(training, 1)
            quickest = min(quickest, perf_counter() - begun)
            yield
            if not loss <= bound:
                break
            losses.append(loss)
        run = Alone(ordered[middle], losses, quickest)
        if len(losses) <= min(steps, CHECKED) or losses[-1] > losses[0]:
            high = middle
            best = best or run
        else:
            best = run
            if losses[0] - losses[-1] >= TELLING * abs(losses[0]):
                break
            low = middle + 1
    assert best is not None
    return best


def steps_of(training: Training, count: int) -> list[float]:
    """Take steps and return the loss after each; not a number where the model refuses to go on.

    Some do at weights that are not finite any more.
    """
    try:
        return training.steps(count)
    except Exception:  # anything: it is a person's model
        return [math.nan]


def train_together(
    problem: Problem,
    lrs: Sequence[float],
    steps: int,
    optimizer: Optimizer,
    gradient: Gradient,
    alone: Alone,
) -> Generator[None, None, list[Fate] | None]:
    """Train all rates, many at a time.

    Yields:
        ``None`` after each step.

    Returns:
        What became of each rate, ``None`` where that is not what becomes of it alone.
    """
    size = len(lrs) if problem.facts.weights <= FEW else CHUNK
    chunks = [range(first, min(first + size, len(lrs))) for first in range(0, len(lrs), size)]
    # The one that can be checked comes first.
    chunks.sort(key=lambda chunk: all(lrs[i] != alone.lr for i in chunk))
    fates: dict[int, Fate] = {}
    for chunk in chunks:
        some = [lrs[i] for i in chunk]
        told = yield from train_chunk(problem, some, steps, optimizer, gradient, alone)
        if told is None:
            return None
        fates.update(zip(chunk, told, strict=True))
    return [fates[i] for i in range(len(lrs))]


def train_chunk(
    problem: Problem,
    lrs: Sequence[float],
    steps: int,
    optimizer: Optimizer,
    gradient: Gradient,
    alone: Alone,
) -> Generator[None, None, list[Fate] | None]:
    """Train some rates, all in one batch.

    The gradient of the sum of the losses with respect to the weights of one rate is the gradient
    of that rate's own loss, so each takes the steps that it would take alone.

    Yields:
        ``None`` after each step.

    Returns:
        What became of each rate, ``None`` where that is not what becomes of it alone.
    """
    # In this order, which is that of a run alone, all of it draws the same random numbers.
    model = problem.model()
    objective = Objective(model, problem.loss)
    batches = problem.batches()
    weights, flat, lr = stacked_weights(objective, lrs)
    buffers = stacked_buffers(objective, len(lrs))
    update = stacked_update(optimizer, flat, lr)
    target = target_of(problem)
    recent: list[Tensor] = []
    since = torch.full((len(lrs),), -1)

    for step in range(steps + 1):
        batch = next(batches)

        def each(weights: Stack, buffers: Stack, batch: Batch = batch) -> Tensor:
            loss: Tensor = functional_call(objective, (weights, buffers), (batch,))
            return loss.reshape(())

        losses, parts = gradient(each, weights, buffers)
        recent.append(losses)
        if step == len(alone.losses) - 1 and alone.lr in lrs:
            mine = torch.stack(recent)[:, lrs.index(alone.lr)]
            if not alike(mine, alone.losses):
                return None
        if len(recent) == BLOCK or step == steps:
            block = torch.stack(recent).cpu()
            note_settled(since, block <= target, step - len(recent) + 1)
            recent.clear()
            if not block[-1].isfinite().any():
                break
        if step < steps:
            update(joined(parts, weights))
        yield
    return [
        Fate(loss, k if k >= 0 else None, steps)
        for loss, k in zip(block[-1].tolist(), since.tolist(), strict=True)
    ]


def alike(losses: Tensor, alone: Sequence[float]) -> bool:
    """Return whether a rate that was trained with others came to the losses of a run alone.

    Args:
        losses: of the rate, shape [k], in the precision that they were computed in.
        alone: the k losses of the run alone.
    """
    expected = torch.tensor(alone, dtype=torch.float64)
    moved = (expected - expected[0]).abs().cummax(dim=0).values
    rounding = ROUNDING * torch.finfo(losses.dtype).eps * expected.abs().cummax(dim=0).values
    differences = (losses.cpu().double() - expected).abs()
    return bool((differences <= ALIKE * moved + rounding).all())


def note_settled(since: Tensor, under: Tensor, first: int) -> None:
    """Record from which step on each rate has been under the target.

    Args:
        since: that step, -1 where the rate is above it; changed in place. Shape [r].
        under: whether it was under it at each step, shape [steps, r].
        first: step of the first row.
    """
    # Rows after the last one above the target; all of them where there is none above it.
    stretch = under.flip(0).int().cumprod(dim=0).sum(dim=0)
    begun = first + len(under) - stretch
    since[:] = torch.where(
        stretch == 0, -1, torch.where((stretch == len(under)) & (since >= 0), since, begun)
    )


def stacked_weights(objective: Objective, lrs: Sequence[float]) -> tuple[Stack, Tensor, Tensor]:
    """Return a copy of the weights for each rate; frozen ones stay with the model.

    Args:
        objective: whose weights they are.
        lrs: r learning rates.

    Returns:
        The copies by name; all of them as one vector, whose memory they share, so that an
        optimizer takes a step of all in a few operations; and the rate of each of its elements.

    Raises:
        TypeError: the weights are not all of one type.
    """
    named = {name: p for name, p in objective.named_parameters() if p.requires_grad}
    if len({(p.dtype, p.device) for p in named.values()}) > 1:
        raise TypeError("weights of different types")
    copies = [p.detach().expand(len(lrs), *p.shape) for p in named.values()]
    flat = torch.cat([copy.reshape(-1) for copy in copies])
    rates = torch.tensor(lrs, dtype=flat.dtype, device=flat.device)
    lr = torch.cat([rates.repeat_interleave(p.numel()) for p in named.values()])
    views = torch.split(flat.detach(), [copy.numel() for copy in copies])
    return (
        {name: v.view(c.shape) for name, v, c in zip(named, views, copies, strict=True)},
        flat,
        lr,
    )


def stacked_buffers(objective: Objective, count: int) -> Stack:
    """Return copies of what a model keeps besides its weights, such as running averages."""
    return {
        name: b.detach().expand(count, *b.shape).clone() for name, b in objective.named_buffers()
    }


def joined(parts: Sequence[Tensor | None], weights: Stack) -> Tensor:
    """Return a gradient as one vector, zero for weights that a loss does not depend on."""
    return torch.cat(
        [
            (torch.zeros_like(w) if part is None else part).reshape(-1)
            for part, w in zip(parts, weights.values(), strict=True)
        ]
    )


def gradient_of_sum(
    each: Each, weights: Stack, buffers: Stack
) -> tuple[Tensor, Sequence[Tensor | None]]:
    """Return losses and gradients by one backward pass from the sum of the losses."""
    # Detached, but of the same memory: leaves of a new graph at each step.
    leaves = {name: w.detach().requires_grad_() for name, w in weights.items()}
    losses: Tensor = vmap(each, randomness="same")(leaves, buffers)
    parts = torch.autograd.grad(losses.sum(), list(leaves.values()), allow_unused=True)
    return losses.detach(), parts


def gradient_of_each(
    each: Each, weights: Stack, buffers: Stack
) -> tuple[Tensor, Sequence[Tensor | None]]:
    """Return losses and gradients by a backward pass that is itself batched: slower.

    Recurrent layers need it.
    """
    parts, losses = vmap(grad_and_value(each), randomness="same")(weights, buffers)
    return losses, list(parts.values())


def stacked_update(optimizer: Optimizer, weights: Tensor, lr: Tensor) -> Callable[[Tensor], None]:
    """Return what takes a step of torch's optimizers, elementwise.

    Sources: the formulas in the documentation of torch.optim.SGD, Adam and AdamW.

    Args:
        optimizer: which one; ``own`` is taken for SGD, as it is in a run.
        weights: changed in place, shape [n].
        lr: learning rate of each, shape [n].

    Returns:
        A function that takes the gradient, shape [n].
    """
    decay, momentum = optimizer.weight_decay, optimizer.momentum
    first_beta, second_beta = optimizer.betas
    mean, square = torch.zeros_like(weights), torch.zeros_like(weights)
    shrunk = 1 - lr * decay
    k = 0

    def sgd(gradient: Tensor) -> None:
        if decay:
            gradient = gradient.add(weights, alpha=decay)
        if momentum:
            mean.mul_(momentum).add_(gradient)
            nesterov = optimizer.name == "nesterov"
            gradient = gradient.add(mean, alpha=momentum) if nesterov else mean
        weights.addcmul_(lr, gradient, value=-1)

    def adam(gradient: Tensor) -> None:
        nonlocal k
        k += 1
        if optimizer.name == "adamw":
            weights.mul_(shrunk)
        elif decay:
            gradient = gradient.add(weights, alpha=decay)
        mean.lerp_(gradient, 1 - first_beta)
        square.mul_(second_beta).addcmul_(gradient, gradient, value=1 - second_beta)
        root = square.sqrt().div_(math.sqrt(1 - second_beta**k)).add_(ADAM_EPSILON)
        weights.addcmul_(lr, mean / root, value=-1 / (1 - first_beta**k))

    return adam if optimizer.is_adaptive else sgd


def train_one_by_one(
    problem: Problem,
    lrs: Sequence[float],
    steps: int,
    optimizer: Optimizer,
    seconds: float | None,
) -> Generator[None, None, tuple[list[Fate], float | None]]:
    """Train one rate after another, coarse to fine, until the time is up.

    Yields:
        ``None`` after each step.

    Returns:
        What became of each rate, and the first loss.
    """
    target = target_of(problem)
    fates: dict[int, Fate] = {}
    first = math.nan
    left = math.inf if seconds is None else seconds
    # Every 64th, then each halfway between two of them, and so on.
    for i in sorted(range(len(lrs)), key=lambda i: -((i + 1) & -(i + 1))):
        if left <= 0:
            break
        begun = perf_counter()
        training = Training(problem, lrs[i], optimizer)
        left -= perf_counter() - begun
        first = loss = training.loss
        taken = 0
        since = 0 if loss <= target else None
        while taken < steps and left > 0 and math.isfinite(loss):
            begun = perf_counter()
            for loss in steps_of(training, min(training.burst, steps - taken)):
                taken += 1
                since = None if not loss <= target else taken if since is None else since
            left -= perf_counter() - begun
            yield
        fates[i] = Fate(loss, since, taken)
    unbegun = Fate(first, None, 0)
    return [fates.get(i, unbegun) for i in range(len(lrs))], first
