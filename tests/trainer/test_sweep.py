"""Sweeps, held against loops over torch.optim, one rate at a time."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lrtui.analysis.advice import best_swept
from lrtui.messages import Message, NoResult, Optimizer, ProblemFacts, SweepResult
from lrtui.messages.problem_settings import ProblemSettings
from lrtui.problems.load import load
from lrtui.problems.problem import Objective, Problem, count, pair_batches, trained
from lrtui.session.rate_axis import outcomes
from lrtui.trainer.many import stacked, together
from lrtui.trainer.many import sweep as module
from lrtui.trainer.many import trials as trials_module
from lrtui.trainer.many.stacked import update_settled
from lrtui.trainer.many.sweep import sweep
from lrtui.trainer.many.together import Alone, losses_match, train_alone
from lrtui.trainer.many.trials import Budget, Trials
from lrtui.trainer.measure.probes import start_sharpness
from lrtui.trainer.training import Training

# torch says so where it has to go through the rates one by one within a layer.
pytestmark = pytest.mark.filterwarnings("ignore:There is a performance drop")

LRS = [0.003, 0.01, 0.03, 0.1]
STEPS = 40

x = torch.linspace(-2, 2, 24)[:, None]
y = torch.sin(2 * x)
sequences = torch.sin(torch.arange(60.0)).view(6, 5, 2)
labels = torch.cos(torch.arange(6.0))[:, None]


class Recurrent(nn.Module):
    """A recurrent layer and what reads its last state."""

    def __init__(self, kind: Callable[..., nn.RNNBase] = nn.GRU) -> None:
        super().__init__()
        self.cell = kind(2, 6, batch_first=True)
        self.head = nn.Linear(6, 1)

    def forward(self, x: Tensor) -> Any:
        states, _ = self.cell(x)
        return self.head(states[:, -1])


class Attention(nn.Module):
    """One layer of self-attention, averaged over the sequence."""

    def __init__(self) -> None:
        super().__init__()
        self.inside = nn.Linear(2, 8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.head = nn.Linear(8, 1)

    def forward(self, x: Tensor) -> Any:
        h = self.inside(x)
        return self.head(self.attention(h, h, h, need_weights=False)[0].mean(dim=1))


class Tied(nn.Module):
    """An autoencoder that decodes with the weights it encodes with."""

    def __init__(self) -> None:
        super().__init__()
        self.there = nn.Linear(2, 2)
        self.back = nn.Linear(2, 2)
        self.back.weight = self.there.weight

    def forward(self, x: Tensor) -> Any:
        return self.back(self.there(x))


class Reading(nn.Module):
    """A model that reads a number in its forward pass, which no batch of rates can do."""

    def __init__(self) -> None:
        super().__init__()
        self.line = nn.Linear(1, 1)

    def forward(self, x: Tensor) -> Any:
        prediction = self.line(x)
        return prediction * (2.0 if prediction.sum().item() > 0 else 1.0)


def mlp(*more: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Linear(1, 16), *more, nn.Tanh(), nn.Linear(16, 16), nn.Linear(16, 1))


def frozen() -> nn.Module:
    model = mlp()
    for p in model[0].parameters():  # type: ignore[index]
        p.requires_grad_(False)
    return model


def problem(
    make: Callable[[], nn.Module],
    x: Tensor = x,
    y: Tensor = y,
    size: int | None = None,
    target: float | None = None,
    **more: Any,
) -> Problem:
    return Problem(
        facts=ProblemFacts(name="test", weights=count(trained(make())), target=target),
        seed=0,
        make_model=make,
        loss=lambda model, batch: nn.functional.mse_loss(model(batch[0]), batch[1]),
        batches=pair_batches(x, y, size, 0),
        probe=(x, y),
        **more,
    )


MODELS = {
    "line": problem(lambda: nn.Linear(1, 1)),
    "mlp": problem(mlp),
    "parts": problem(mlp, size=7),
    "dropout": problem(lambda: mlp(nn.Dropout(0.3))),
    "batch norm": problem(lambda: mlp(nn.BatchNorm1d(16)), size=8),
    "batch norm, not training": problem(lambda: mlp(nn.BatchNorm1d(16)).eval()),
    "gru": problem(Recurrent, sequences, labels),
    "lstm": problem(lambda: Recurrent(nn.LSTM), sequences, labels),
    "attention": problem(Attention, sequences, labels),
    "frozen": problem(frozen),
    "tied": problem(Tied, torch.cat([x, y], dim=1), torch.cat([y, x], dim=1)),
}

OPTIMIZERS: dict[str, tuple[Optimizer, Callable[[list[nn.Parameter], float], Any]]] = {
    "sgd": (Optimizer(), lambda p, lr: torch.optim.SGD(p, lr)),
    "momentum": (Optimizer(momentum=0.8), lambda p, lr: torch.optim.SGD(p, lr, momentum=0.8)),
    "nesterov": (
        Optimizer(name="nesterov", momentum=0.8, weight_decay=0.01),
        lambda p, lr: torch.optim.SGD(p, lr, momentum=0.8, nesterov=True, weight_decay=0.01),
    ),
    "decay": (Optimizer(weight_decay=0.1), lambda p, lr: torch.optim.SGD(p, lr, weight_decay=0.1)),
    "adam": (
        Optimizer(name="adam", betas=(0.8, 0.99), weight_decay=0.1),
        lambda p, lr: torch.optim.Adam(p, lr, betas=(0.8, 0.99), weight_decay=0.1),
    ),
    "adamw": (
        Optimizer(name="adamw", weight_decay=0.3),
        lambda p, lr: torch.optim.AdamW(p, lr, weight_decay=0.3),
    ),
}


def solo(problem: Problem, lr: float, make: Callable[..., Any], steps: int = STEPS) -> list[float]:
    """The losses of one rate, as a notebook would find them; one more than there are steps."""
    model = problem.model()
    batches = problem.batches()
    optimizer = make([p for p in model.parameters() if p.requires_grad], lr)
    losses = []
    for _ in range(steps + 1):
        optimizer.zero_grad()
        loss = problem.loss(model, next(batches))
        losses.append(loss.item())
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return losses


def swept(
    problem: Problem,
    lrs: list[float] = LRS,
    steps: int = STEPS,
    optimizer: Optimizer | None = None,
    seconds: float | None = None,
) -> SweepResult:
    *nothing, result = sweep(problem, lrs, steps, optimizer or Optimizer(), seconds)
    assert set(nothing) <= {None}
    assert isinstance(result, SweepResult)
    return result


@pytest.fixture(autouse=True)
def _no_hurry(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A busy machine does not make a model one that is trained one rate after another."""
    monkeypatch.setattr(module, "HEAVY_STEP_SECONDS", 1e9)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_each_rate_ends_where_it_does_alone(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if name not in ("gru", "lstm"):  # the others need no other way than the quick one
        monkeypatch.setattr(module, "gradient_of_each", None)
    result = swept(MODELS[name])
    expected = [solo(MODELS[name], lr, torch.optim.SGD) for lr in LRS]
    assert result.losses == pytest.approx([losses[-1] for losses in expected], rel=1e-3)
    assert result.first_loss == pytest.approx(expected[0][0])
    assert result.how == "4 rates in one batch"
    assert result.taken == []


@pytest.mark.parametrize("kind", OPTIMIZERS)
@pytest.mark.parametrize("name", ["line", "mlp"])
def test_each_optimizer_is_that_of_torch(name: str, kind: str) -> None:
    optimizer, make = OPTIMIZERS[kind]
    result = swept(MODELS[name], optimizer=optimizer)
    expected = [solo(MODELS[name], lr, make)[-1] for lr in LRS]
    assert result.losses == pytest.approx(expected, rel=1e-3)
    assert result.how == "4 rates in one batch"
    assert result.optimizer == optimizer


@pytest.mark.parametrize("name", ["gru", "attention", "dropout", "tied"])
def test_adam_trains_any_model(name: str) -> None:
    optimizer, make = OPTIMIZERS["adamw"]
    result = swept(MODELS[name], optimizer=optimizer)
    expected = [solo(MODELS[name], lr, make)[-1] for lr in LRS]
    assert result.losses == pytest.approx(expected, rel=2e-3)
    assert result.how == "4 rates in one batch"


def test_many_rates_of_a_network_are_trained_in_chunks() -> None:
    lrs = np.geomspace(0.1, 0.001, 40).tolist()
    result = swept(MODELS["mlp"], lrs, steps=20)
    assert result.how == "40 rates in chunks of 32"
    for i in (0, 31, 32, 39):
        assert result.losses[i] == pytest.approx(
            solo(MODELS["mlp"], lrs[i], torch.optim.SGD, 20)[-1], rel=1e-4
        )
    assert swept(MODELS["line"], lrs, steps=20).how == "40 rates in one batch"


def test_a_rate_that_diverges_spoils_no_other() -> None:
    lrs = [0.02, 1e3, 0.05]
    result = swept(MODELS["mlp"], lrs, steps=100)
    expected = [solo(MODELS["mlp"], lr, torch.optim.SGD, 100)[-1] for lr in (0.02, 0.05)]
    assert result.losses[1] is None
    assert [result.losses[0], result.losses[2]] == pytest.approx(expected, rel=1e-3)
    assert result.is_finished(1)


def test_all_rates_may_diverge() -> None:
    result = swept(MODELS["line"], [1e3, 2e3], steps=500)
    assert result.losses == [None, None]
    assert result.settled_at == [None, None]


@pytest.mark.parametrize("one_by_one", [False, True])
def test_settled_from_the_last_time_it_came_under_the_target(
    one_by_one: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if one_by_one:
        monkeypatch.setattr(module, "HEAVY_STEP_SECONDS", 0.0)
    monkeypatch.setattr(together, "STEPS_PER_READ", 33)
    target = 0.65
    noisy = problem(lambda: nn.Linear(1, 1), size=3, target=target)
    result = swept(noisy, steps=100)
    for lr, settled in zip(LRS, result.settled_at, strict=True):
        losses = solo(noisy, lr, torch.optim.SGD, 100)
        above = [k for k, loss in enumerate(losses) if loss > target]
        assert settled == (None if above[-1] == 100 else above[-1] + 1)
    assert any(result.settled_at)
    assert (result.how == "one by one") == one_by_one
    assert swept(MODELS["line"]).settled_at == [None] * 4


def test_settled_is_noted_across_blocks() -> None:
    rows = torch.tensor([[0, 1, 1, 0], [1, 1, 1, 0]]).bool()
    since = torch.tensor([3, 3, -1, 3])
    update_settled(since, rows, 10)
    assert since.tolist() == [11, 3, 10, -1]


def test_a_model_that_reads_numbers_is_trained_one_rate_at_a_time() -> None:
    reading = problem(Reading)
    result = swept(reading)
    assert result.how == "one by one"
    expected = [solo(reading, lr, torch.optim.SGD)[-1] for lr in LRS]
    assert result.losses == pytest.approx(expected)


def test_own_optimizers_take_the_steps_of_a_run() -> None:
    own = problem(mlp, own_optimizer=lambda p, lr: torch.optim.RMSprop(p, lr))
    result = swept(own, optimizer=Optimizer(name="own"))
    assert result.how == "one by one"
    expected = [solo(own, lr, torch.optim.RMSprop)[-1] for lr in LRS]
    assert result.losses == pytest.approx(expected)
    # Another one may still be asked for.
    assert swept(own).losses == pytest.approx(swept(MODELS["mlp"]).losses)


def test_steps_that_take_long_are_not_taken_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HEAVY_STEP_SECONDS", 0.0)
    assert swept(MODELS["mlp"]).how == "one by one"


def test_rates_whose_time_does_not_come_are_unfinished(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(10**6))
    monkeypatch.setattr(trials_module, "perf_counter", lambda: next(clock) * 1e-3)
    monkeypatch.setattr(module, "HEAVY_STEP_SECONDS", 0.0)
    result = swept(MODELS["mlp"], [0.01 * k for k in range(1, 9)], steps=10, seconds=0.0355)
    # 1 ms each for the model and for every step: ten to find out how long one takes, two rates,
    # and three steps of a third.
    assert result.taken == [0, 3, 0, 10, 0, 0, 0, 10]
    assert result.losses[0] == result.first_loss
    assert not result.is_finished(0)
    assert result.is_finished(7)
    assert result.how == "one by one, 2 of 8 in 0.0355 s"
    assert result.losses[7] == pytest.approx(
        solo(MODELS["mlp"], 0.08, torch.optim.SGD, 10)[-1], rel=1e-5
    )


def refusing(error: BaseException, refuses: Callable[[Tensor, nn.Module], bool]) -> Problem:
    """A problem whose loss raises."""

    def loss(model: nn.Module, batch: Any) -> Any:
        value = nn.functional.mse_loss(model(batch[0]), batch[1])
        if refuses(value, model):
            raise error
        return value

    made = problem(lambda: nn.Linear(1, 1))
    made.loss = loss
    return made


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("too much"), "ValueError: too much"),
        (torch.cuda.OutOfMemoryError("no memory"), "OutOfMemoryError: no memory"),
        (SystemExit(3), "it ends the program (sys.exit)"),
    ],
)
def test_a_rate_that_raises_has_failed_and_not_diverged(error: BaseException, said: str) -> None:
    made = refusing(error, lambda value, _: value.item() > 1e4)
    result = swept(made, [0.1, 100.0])
    assert result.failures[0] == ""
    assert result.failures[1].startswith("at step ")
    assert result.failures[1].endswith(said)
    assert result.how.endswith(f"100 failed {result.failures[1]}")
    assert [result.is_finished(i) for i in range(2)] == [True, False]
    assert [verdict for verdict, _ in outcomes(result, None, 40)] == ["falling", "failed"]
    assert best_swept(result) == 0.1


def test_a_rate_that_raises_at_weights_that_are_not_finite_has_diverged() -> None:
    def blown(_: Tensor, model: nn.Module) -> bool:
        return not all(bool(p.isfinite().all()) for p in model.parameters())

    result = swept(refusing(ValueError("NaN in the input"), blown), [0.1, 1e30])
    assert result.failures == []
    assert result.losses[1] is None
    assert result.is_finished(1)


@pytest.mark.parametrize("wrong", ["update", "frozen"])
def test_a_batch_that_trains_otherwise_than_a_run_is_not_believed(
    wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if wrong == "update":
        right = stacked.stacked_update
        monkeypatch.setattr(
            stacked,
            "stacked_update",
            lambda trials, *others: right(
                replace(trials, optimizers=[Optimizer(momentum=0.1)] * len(trials.lrs)), *others
            ),
        )
        name = "mlp"
    else:
        # As if parameters were trained whether they are frozen or not.
        named = Objective.named_parameters
        monkeypatch.setattr(
            Objective,
            "named_parameters",
            lambda self: ((k, p.detach().requires_grad_()) for k, p in named(self)),
        )
        name = "frozen"
    result = swept(MODELS[name])
    assert result.how == "one by one"
    expected = [solo(MODELS[name], lr, torch.optim.SGD)[-1] for lr in LRS]
    assert result.losses == pytest.approx(expected)


def test_alike_within_rounding_and_a_thousandth_of_what_the_loss_moved() -> None:
    alone = [1.0, 0.5, 0.4]
    assert losses_match(torch.tensor([1.0, 0.5003, 0.4003]), alone)
    assert not losses_match(torch.tensor([1.0, 0.5007, 0.4]), alone)
    assert not losses_match(torch.tensor([1.0001, 0.5, 0.4]), alone)
    assert not losses_match(torch.tensor([1.0, torch.nan, 0.4]), alone)


def test_the_rate_that_is_compared_moves_the_loss_and_does_not_blow_up() -> None:
    for lrs in (np.geomspace(1e-14, 0.1, 64).tolist(), np.geomspace(1e-3, 1e9, 64).tolist()):
        alone = finished(train_alone(MODELS["mlp"], trials(lrs), Budget()))
        assert 1e-3 < lrs[alone.at] < 1
    assert len(alone.losses) == together.CHECKED_STEPS + 1
    assert alone.losses == pytest.approx(
        solo(MODELS["mlp"], lrs[alone.at], torch.optim.SGD, together.CHECKED_STEPS)
    )
    assert alone.losses[-1] < 0.99 * alone.losses[0]
    # The best there is where none does both.
    assert finished(train_alone(MODELS["mlp"], trials([1e-9], 5), Budget())).at == 0
    assert len(finished(train_alone(MODELS["mlp"], trials([1e9], 5), Budget())).losses) < 5


def trials(lrs: list[float], steps: int = STEPS) -> Trials:
    return Trials(lrs, [Optimizer()] * len(lrs), steps)


def finished(work: Any) -> Alone:
    try:
        while True:
            next(work)
    except StopIteration as stop:
        assert isinstance(stop.value, Alone)
        return stop.value


@pytest.mark.slow
def test_a_run_does_not_notice_a_sweep_beside_it(capsys: pytest.CaptureFixture[str]) -> None:
    class Noisy(nn.Module):
        """Draws from each of the generators that there are, and prints."""

        def __init__(self) -> None:
            super().__init__()
            self.line = nn.Linear(1, 1)

        def forward(self, x: Tensor) -> Any:
            print("forward")
            noise = random.random() + np.random.rand() + torch.rand(1)
            return self.line(nn.functional.dropout(x, 0.5)) + 0.1 * noise

    rng = problem(Noisy)
    undisturbed = Training(rng, 0.1, Optimizer()).steps(60)
    training = Training(rng, 0.1, Optimizer())
    capsys.readouterr()
    work = sweep(rng, LRS, 200, Optimizer(), None)
    losses = []
    results = []
    for _ in range(60):
        results.append(next(work, None))
        losses.append(training.step())
    assert losses == undisturbed
    assert capsys.readouterr().out == "forward\n" * 60
    results += list(work)
    (result,) = filter(None, results)
    expected = [solo(rng, lr, torch.optim.SGD, 200)[-1] for lr in LRS]
    assert result.losses == pytest.approx(expected, rel=1e-3)


def test_pieces_of_work_are_small() -> None:
    pieces = list(sweep(MODELS["mlp"], LRS, 400, Optimizer(), None))
    assert len(pieces) > 20


@pytest.mark.slow
def test_with_batches_the_slowest_rates_are_not_above_their_start() -> None:
    """The first loss is told of the batch of the last step, or noise says which rate is above."""
    for seed in range(8):
        made = load(ProblemSettings(name="moons", batch=4, seed=seed))
        result = [*sweep(made, [1e-6, 1e-5, 1e-4], 37, Optimizer(), None)][-1]
        assert result is not None
        words = [verdict for verdict, _ in outcomes(result, None, 37)]
        assert "above its start" not in words
        alone = Training(made, 1e-6, Optimizer())
        assert result.losses[0] == pytest.approx(alone.steps(37)[-1], rel=1e-5)
        assert result.first_loss == pytest.approx(result.losses[0], rel=1e-3)


def test_a_sharpness_that_cannot_be_measured_is_told() -> None:
    told: list[Message] = []
    made = refusing(torch.cuda.OutOfMemoryError("no memory"), lambda value, _: True)
    working = problem(lambda: nn.Linear(1, 1))
    assert start_sharpness(made, Training(working, 0.1, Optimizer()), told.append) is None
    assert told == [NoResult(work="sharpness", reason="OutOfMemoryError: no memory")]


def test_rates_in_one_batch_whose_time_is_up_are_unfinished() -> None:
    for seconds in (0.3, 3.0):  # the second one for a busy machine
        result = swept(MODELS["mlp"], [0.01 * k for k in range(1, 9)], steps=10**6, seconds=seconds)
        (taken,) = set(result.taken)
        if taken:
            break
    assert 0 < taken < 10**6
    assert result.how == f"8 rates in one batch, as far as {seconds:g} s of work went"
    assert best_swept(result) is None
    assert result.losses[3] == pytest.approx(
        solo(MODELS["mlp"], 0.04, torch.optim.SGD, taken)[-1], rel=1e-3
    )
    result = swept(MODELS["mlp"], [0.01, 0.1, 1.0], steps=10**6, seconds=1e-9)
    assert [result.is_finished(i) for i in range(3)] == [False] * 3
