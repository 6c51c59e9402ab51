"""Sharpness, held against all eigenvalues of the Hessian in float64."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from lrtui.messages import Optimizer, OptimizerName, ProblemFacts
from lrtui.problems.problem import Objective, Problem, count, pair_batches, trained
from lrtui.trainer.measure.curvature import (
    Allowance,
    Curvature,
    central_differences,
    double_backward,
    leading_eigenpair,
)
from lrtui.trainer.training import Training

pytestmark = pytest.mark.slow

x = torch.linspace(-1, 1, 20)[:, None]
chebyshev = torch.cos(4 * torch.acos(x))
images = torch.sin(torch.arange(16.0 * 36)).view(16, 1, 6, 6)
classes = torch.arange(16) % 3
sequences = torch.sin(torch.arange(60.0)).view(6, 5, 2)
labels = torch.cos(torch.arange(6.0))[:, None]


class Attention(nn.Module):
    """Self-attention in torch's fused form, whose gradient has no derivative on the CPU."""

    def __init__(self) -> None:
        super().__init__()
        self.inside = nn.Linear(2, 12)
        self.head = nn.Linear(4, 1)

    def forward(self, x: Tensor) -> Any:
        q, k, v = self.inside(x)[:, None].chunk(3, dim=-1)
        h = nn.functional.scaled_dot_product_attention(q, k, v)
        return self.head(h[:, 0].mean(dim=1))


class Recurrent(nn.Module):
    """A recurrent layer and what reads its last state."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.GRU(2, 5, batch_first=True)
        self.head = nn.Linear(5, 1)

    def forward(self, x: Tensor) -> Any:
        return self.head(self.cell(x)[0][:, -1])


class Once(torch.autograd.Function):
    """A sine whose gradient cannot be differentiated."""

    @staticmethod
    def forward(context: Any, x: Tensor) -> Tensor:
        context.save_for_backward(x)
        return x.sin()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(context: Any, gradient: Tensor) -> Any:
        (x,) = context.saved_tensors
        return gradient * x.cos()


class Sine(nn.Module):
    """A layer of sines: plain, or such that double backward fails."""

    def __init__(self, once: bool) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(1, 6), nn.Linear(6, 1)
        self.sine = Once.apply if once else torch.sin

    def forward(self, x: Tensor) -> Any:
        return self.second(self.sine(self.first(x)))


def net(*widths: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for a, b in pairwise(widths):
        layers += [nn.Linear(a, b), nn.Tanh()]
    return nn.Sequential(*layers[:-1])


def frozen() -> nn.Module:
    model = net(1, 6, 6, 1)
    model[0].weight.requires_grad_(False)
    return model


class Ignoring(nn.Module):
    """A model with weights that its prediction does not depend on."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = net(1, 6, 1)
        self.nothing = nn.Parameter(torch.ones(2))

    def forward(self, x: Tensor) -> Any:
        return self.inner(x)


def problem(
    make: Callable[[], nn.Module],
    x: Tensor = x,
    y: Tensor = chebyshev,
    loss: Callable[..., Tensor] = nn.functional.mse_loss,
) -> Problem:
    return Problem(
        facts=ProblemFacts(name="test", weights=count(trained(make()))),
        seed=0,
        make_model=make,
        loss=lambda model, batch: loss(model(batch[0]), batch[1]),
        batches=pair_batches(x, y, None, 0),
        probe=(x, y),
    )


PROBLEMS = {
    "line": problem(lambda: nn.Linear(1, 1)),
    "net": problem(lambda: net(1, 12, 12, 1)),
    "convolution": problem(
        lambda: nn.Sequential(nn.Conv2d(1, 3, 3), nn.Tanh(), nn.Flatten(), nn.Linear(48, 3)),
        images,
        classes,
        nn.functional.cross_entropy,
    ),
    "batch norm": problem(
        lambda: nn.Sequential(nn.Linear(1, 6), nn.BatchNorm1d(6), nn.Tanh(), nn.Linear(6, 1))
    ),
    "frozen": problem(frozen),
    "unused": problem(Ignoring),
    "recurrent": problem(Recurrent, sequences, labels),
}
EDGE = problem(lambda: net(1, 32, 32, 1))


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def exact(problem: Problem, model: nn.Module, scale: Tensor | None = None) -> float:
    """The largest eigenvalue of the Hessian in float64, which the model is moved to and back."""
    objective = Objective(model, problem.loss)
    named = {k: p for k, p in objective.named_parameters() if p.requires_grad}
    sizes = [p.numel() for p in named.values()]
    buffers = {k: b.detach().clone().double() for k, b in objective.named_buffers()}
    batch = [t.double() if t.is_floating_point() else t for t in problem.probe]
    held = {k: p.detach().double() for k, p in objective.named_parameters() if not p.requires_grad}

    def loss(flat: Tensor) -> Any:
        parts = torch.split(flat, sizes)
        weights = {k: w.view(p.shape) for (k, p), w in zip(named.items(), parts, strict=True)}
        copies = {k: b.clone() for k, b in buffers.items()}
        return functional_call(objective, {**weights, **held, **copies}, (batch,))

    flat = torch.cat([p.detach().double().reshape(-1) for p in named.values()])
    hessian = torch.autograd.functional.hessian(loss, flat)  # type: ignore[no-untyped-call]
    if scale is not None:
        hessian = scale[:, None] * hessian * scale
    return float(torch.linalg.eigvalsh(hessian)[-1])


def measured(curvature: Curvature, training: Training) -> tuple[float, float, int]:
    """The sharpness where a training is, its error, and how many products it took."""
    *nothing, result = curvature.measure(training.model, training.optimizer)
    assert set(nothing) == {None}
    assert result is not None
    return (*result, len(nothing))


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_largest_eigenvalue_as_the_training_goes_on(name: str) -> None:
    problem = PROBLEMS[name]
    curvature = Curvature(problem)
    training = Training(problem, 0.1, Optimizer())
    for _ in range(5):
        value, error, products = measured(curvature, training)
        truth = exact(problem, training.model)
        assert value == pytest.approx(truth, rel=0.003)
        assert abs(value - truth) <= error + 1e-4 * truth
        assert error <= 0.011 * truth
        training.steps(30)
    assert products <= 3
    assert curvature._methods[0] is double_backward
    assert curvature._is_chosen


def test_adam_sees_the_hessian_preconditioned() -> None:
    problem = PROBLEMS["net"]
    names: tuple[OptimizerName, ...] = ("adam", "adamw")
    for name in names:
        optimizer = Optimizer(name=name, betas=(0.9, 0.99))
        training = Training(problem, 0.01, optimizer)
        curvature = Curvature(problem)
        assert list(curvature.measure(training.model, training.optimizer)) == []
        training.steps(50)
        value, error, _ = measured(curvature, training)
        states = [training.optimizer.state[p] for p in training.model.parameters()]
        v = torch.cat([s["exp_avg_sq"].double().reshape(-1) for s in states]) / (1 - 0.99**50)
        truth = exact(problem, training.model, (v.sqrt() + 1e-8) ** -0.5)
        assert value == pytest.approx(truth, rel=0.005)
        assert abs(value - truth) <= error + 1e-4 * truth


def test_weight_decay_is_not_curvature() -> None:
    training = Training(PROBLEMS["line"], 0.1, Optimizer(weight_decay=0.5))
    value, _, _ = measured(Curvature(PROBLEMS["line"]), training)
    assert value == pytest.approx(exact(PROBLEMS["line"], training.model), rel=1e-3)


def test_where_double_backward_fails_it_is_not_tried_again() -> None:
    plain, once = problem(lambda: Sine(False)), problem(lambda: Sine(True))
    curvature = Curvature(once)
    training = Training(once, 0.1, Optimizer())
    for _ in range(2):
        value, _, _ = measured(curvature, training)
        same = plain.model()
        same.load_state_dict(training.model.state_dict())
        assert value == pytest.approx(exact(plain, same), rel=0.005)
        training.steps(20)
    calls = 0
    loss = once.loss

    def counted(model: nn.Module, batch: Any) -> Tensor:
        nonlocal calls
        calls += 1
        return loss(model, batch)

    once.loss = counted
    *_, products = measured(curvature, training)
    assert calls == 2 * products


def test_fused_attention_is_measured_by_its_plain_form() -> None:
    attention = problem(Attention, sequences, labels)
    curvature = Curvature(attention)
    training = Training(attention, 0.1, Optimizer())
    training.steps(30)
    value, _, _ = measured(curvature, training)
    way = curvature._methods[0]
    weights = [p.detach().clone().requires_grad_() for p in training.model.parameters()]
    loss = curvature._loss(training.model, [k for k, _ in training.model.named_parameters()])
    assert way is not double_backward
    assert way is not central_differences
    near = central_differences(loss, weights)
    rows = [near(row) for row in torch.eye(count(weights))]
    truth = torch.linalg.eigvalsh(torch.stack(rows).double())[-1].item()
    assert value == pytest.approx(truth, rel=0.01)


def test_dropout_draws_one_mask_and_the_run_notices_nothing() -> None:
    dropout = problem(
        lambda: nn.Sequential(
            nn.Linear(1, 8), nn.BatchNorm1d(8), nn.Dropout(0.4), nn.Tanh(), nn.Linear(8, 1)
        )
    )
    undisturbed = Training(dropout, 0.1, Optimizer()).steps(40)
    training, curvature = Training(dropout, 0.1, Optimizer()), Curvature(dropout)
    losses: list[float] = []
    values = []
    for _ in range(40):
        losses += training.steps(1)
        state = {k: v.clone() for k, v in training.model.state_dict().items()}
        *_, result = curvature.measure(training.model, training.optimizer)
        values.append(result)
        assert all(torch.equal(v, state[k]) for k, v in training.model.state_dict().items())
    assert losses == undisturbed
    again = [Curvature(dropout).measure(training.model, training.optimizer) for _ in range(2)]
    first, second = (list(pieces)[-1] for pieces in again)
    assert first == second


def test_the_training_may_go_on_between_two_pieces() -> None:
    training, still = (Training(EDGE, 0.1, Optimizer()) for _ in range(2))
    pieces = Curvature(EDGE).measure(training.model, training.optimizer)
    results = []
    for piece in pieces:
        results.append(piece)
        training.step()
    assert results[-1] == list(Curvature(EDGE).measure(still.model, still.optimizer))[-1]


def test_no_number_where_the_weights_are_not_finite() -> None:
    training, curvature = Training(PROBLEMS["net"], 0.1, Optimizer()), Curvature(PROBLEMS["net"])
    value, _, _ = measured(curvature, training)
    weights = [p.detach().clone() for p in training.model.parameters()]
    with torch.no_grad():
        for p in training.model.parameters():
            p.fill_(torch.nan)
    assert set(curvature.measure(training.model, training.optimizer)) <= {None}
    with torch.no_grad():
        for p, w in zip(training.model.parameters(), weights, strict=True):
            p.copy_(w)
    assert measured(curvature, training)[0] == pytest.approx(value, rel=1e-3)


def test_a_larger_eigenvalue_is_found_from_the_vector_of_another() -> None:
    """Eigenvectors change places while the vector found last is exactly the old leading one."""
    flat = problem(lambda: nn.Linear(1, 1))
    curvature = Curvature(flat)
    curvature._vector = torch.eye(40)[0]
    values = torch.linspace(0.1, 5, 40)
    values[0] = 9.0
    values[1] = 11.0

    def find() -> float:
        start, most = curvature._start(torch.ones(40))
        work = leading_eigenpair(lambda v: values * v, start, most)
        try:
            while True:
                next(work)
        except StopIteration as stop:
            value, _, curvature._vector = stop.value
            return float(value)

    assert max(find() for _ in range(8)) == pytest.approx(11, rel=1e-3)


def test_lanczos_ends_with_the_exact_eigenvalue_of_a_small_matrix() -> None:
    rng = torch.Generator().manual_seed(0)
    a = torch.randn(6, 6, generator=rng, dtype=torch.float64)
    matrix = a + a.T - 3 * torch.eye(6)
    work = leading_eigenpair(lambda v: matrix @ v, torch.ones(6, dtype=torch.float64), 20)
    pieces = 0
    try:
        while True:
            next(work)
            pieces += 1
    except StopIteration as stop:
        value, error, vector = stop.value
    assert pieces < 6
    truth = torch.linalg.eigvalsh(matrix)[-1].item()
    assert abs(value - truth) <= error + 1e-9
    assert vector.norm().item() == pytest.approx(1)
    assert (matrix @ vector - value * vector).norm().item() == pytest.approx(error, abs=1e-9)


def test_measurements_keep_to_their_share_of_the_time() -> None:
    allowance = Allowance(share=0.04)
    now = work = 0.0
    cost = 0.002
    while now < 10:
        if now >= allowance.due:
            now += cost
            work += cost
            allowance.charge(cost, now)
            cost = 0.003
        now += 0.0001
    assert work / now == pytest.approx(0.04, rel=0.02)


@pytest.mark.slow
def test_sharpness_rises_to_two_over_the_rate_and_stays() -> None:
    training, curvature = Training(EDGE, 0.1, Optimizer()), Curvature(EDGE)
    products = []
    found = {}
    for step in range(4000):
        if step % 50 == 0:
            found[step], _, some = measured(curvature, training)
            products.append(some)
        training.step()
    last = np.array([0.1 * value for step, value in found.items() if step >= 3000])
    assert found[0] == pytest.approx(12.1, abs=0.1)
    assert 1.97 <= np.median(last) <= 2.04
    # Each, too, but for a few after a moment in which the loss jumped.
    assert np.mean((last >= 1.97) & (last <= 2.04)) >= 0.8
    assert np.abs(last - 2).max() <= 0.05
    assert np.mean(products[1:]) < 2.5
