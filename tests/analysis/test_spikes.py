"""Rises of a noisy loss: found, over, or never over, and what is said of them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from lrtui.analysis.spikes import (
    LEVEL_WINDOW,
    HighNorm,
    Level,
    NormWatch,
    Spike,
    SpikeWatch,
    find_raise,
)
from lrtui.messages import Greeting, ProblemFacts, Progress, Started, State, Steered
from lrtui.session.run import Run
from lrtui.session.session import Session

rng = np.random.default_rng(5)
NOISE = rng.normal(size=20_000)


def watch(losses: Sequence[float | None], portion: int = 7) -> Spike | None:
    watched = SpikeWatch()
    for first in range(0, len(losses), portion):
        part = losses[first : first + portion]
        watched.add(range(first, first + len(part)), part)
    return watched.last


def noisy(level: float, first: int, end: int, deviation: float = 0.2) -> list[float | None]:
    told: list[float | None] = (level * (1 + deviation * NOISE[first:end])).tolist()
    return told


def training(
    losses: Sequence[float | None], rates: Sequence[float] | None = None, full_batch: bool = False
) -> tuple[Session, Run]:
    """A training that is not ours, as its messages tell it."""
    session = Session()
    session.apply(
        Greeting(program="", pid=1, folder="/", title="train.py", capabilities=[], since=1.0)
    )
    started = Started(run=1, lr=0.1, steps=None, optimizer="AdamW", full_batch=full_batch)
    session.apply(started)
    for first in range(0, len(losses), 50):
        scalars = {"loss": [*losses[first : first + 50]]}
        if rates is not None:
            scalars["lr"] = [*rates[first : first + 50]]
        session.apply(Progress(run=1, steps=first, scalars=scalars, seconds=0.1))
    run = session.current
    assert run is not None
    return session, run


def test_a_language_model_whose_rate_jumps_is_found() -> None:
    """From 3.3 to 4.2: a third above its level, which three times the level never was."""
    told = [*noisy(3.3, 0, 500, 0.03), *noisy(4.2, 500, 540, 0.03)]
    spike = watch(told)
    assert spike is not None
    assert 498 <= spike.step <= 502
    assert spike.times == pytest.approx(4.2 / 3.3, rel=0.05)
    assert spike.over is None


def test_noise_is_no_spike() -> None:
    assert watch(noisy(1.0, 0, 20_000)) is None
    heavy, found = SpikeWatch(), set()
    for step, loss in enumerate(np.exp(0.8 * NOISE).tolist()):  # as of single samples
        heavy.add([step], [loss])
        found.add(heavy.last.step if heavy.last else None)
    assert len(found - {None}) <= 2


def test_one_bad_batch_is_no_spike() -> None:
    told: list[float | None] = [*noisy(1.0, 0, 1000)]
    for at in range(200, 1000, 50):
        told[at] = 1e6
    told[500] = None
    assert watch(told) is None


def test_a_spike_is_over_once_the_loss_is_back() -> None:
    told = [*noisy(1.0, 0, 300), *noisy(5.0, 300, 360), *noisy(1.0, 360, 600)]
    spike = watch(told)
    assert spike is not None
    assert spike.over is not None
    assert 60 <= spike.over <= 75
    assert spike.times > 5
    assert watch(told, 1) == watch(told, 600) == spike


def test_another_one_after_it_is_measured_by_the_same_level() -> None:
    told = [*noisy(1.0, 0, 300), *noisy(5.0, 300, 360), *noisy(1.0, 360, 400)]
    spike = watch([*told, *noisy(9.0, 400, 430)])
    assert spike is not None
    assert 398 <= spike.step <= 401
    assert spike.level == pytest.approx(1.0, rel=0.1)


def test_levels_that_are_zero_negative_or_without_noise() -> None:
    assert watch([1.0] * 300) is None
    assert watch([1.0, *[0.0] * 300]) is None
    assert watch([1.0, *[0.0] * 300, *[1e-9] * 20]) is None
    assert watch([1.0, *[0.0] * 300, *[0.5] * 20]) is not None
    mostly_zero = np.where(NOISE[:5000] > 1, 0.3, 0.0).tolist()
    assert watch([1.0, *mostly_zero]) is None
    below_zero = [0.0, *(-1000 + NOISE[:500]).tolist()]
    assert watch(below_zero) is None
    assert watch([*below_zero, *(-950 + NOISE[500:540]).tolist()]) is None
    spike = watch([*below_zero, *(-800 + NOISE[500:540]).tolist()])
    assert spike is not None
    assert "-800, before it was -1e+03" in spike.in_words()


def test_a_training_that_is_not_ours_is_judged_as_one_of_mini_batches() -> None:
    """A healthy loss was "falling, swinging: 28 rises in 50 steps", and a bad batch a spike."""
    told = (np.linspace(2, 1, 1000) * (1 + 0.3 * NOISE[:1000])).clip(0.01).tolist()
    told[960] = 40.0
    words = {training(told[:count])[1].verdict()[0] for count in range(400, 1001, 50)}
    assert words <= {"falling", "level", "cannot tell yet"}
    smooth = (np.exp(-np.arange(1000) / 300) * (1 + 0.2 * (-1.0) ** np.arange(1000))).tolist()
    assert training(smooth, full_batch=True)[1].verdict()[0] == "falling, swinging"


@pytest.mark.parametrize("first", ["start", "level"])
def test_ruined_by_a_rate_it_is_above_its_level_for_as_long_as_it_is(first: str) -> None:
    told = [*noisy(0.3, 0, 600), *noisy(1.6, 600, 1900, 0.02)]
    if first == "level":  # it began higher, and fell to its level
        told[:20] = [3.0] * 20
    rates = [0.1] * 595 + [0.5] * 1305
    _, run = training(told[:650], rates)
    verdict, evidence = run.verdict()
    assert verdict == "spike"
    _, run = training(told, rates)
    verdict, evidence = run.verdict()
    assert verdict == f"above its {first}"
    assert evidence == (
        "since step 600, as the rate rose from 0.1 to 0.5: 1.583, ×5.26 its level before"
    )
    assert run.live is not None
    assert run.live.spike is run.spikes.last


def test_a_rate_raised_again_amid_a_rise_is_told_of_it() -> None:
    told = [*noisy(0.3, 0, 600), *noisy(1.6, 600, 700), *noisy(200, 700, 750)]
    _, run = training(told, [0.1] * 595 + [0.5] * 103 + [5.0] * 52)
    assert "as the rate rose from 0.1 to 5: 19" in run.verdict()[1]


def test_the_change_of_the_rate_is_known_without_a_column_of_it() -> None:
    session, run = training(noisy(0.3, 0, 600))
    session.apply(Steered(run=1, command="hold", text="", asked_by="t", lr=0.7, step=599, at=1.0))
    session.apply(
        Progress(run=1, steps=600, scalars={"loss": [*noisy(1.6, 600, 650)]}, seconds=0.1)
    )
    verdict, evidence = run.verdict()
    assert verdict == "spike"
    assert "since step 600, as the rate rose from 0.1 to 0.7: " in evidence


def test_without_a_change_of_the_rate_none_is_named() -> None:
    _, run = training([*noisy(0.3, 0, 600), *noisy(1.6, 600, 640)], [0.1] * 640)
    assert "rate" not in run.verdict()[1]


def test_what_came_back_is_told_from_where_it_came_back() -> None:
    told = [*noisy(0.5, 0, 600), *[None] * 100, *noisy(0.5, 600, 900, 0.05)]
    _, run = training(told[:690])
    assert run.verdict() == ("diverged", "not finite since step 600")
    _, run = training(told)
    verdict, evidence = run.verdict()
    assert verdict == "level"
    assert evidence.endswith(" for 144 steps")


def test_a_rise_that_goes_on_is_rising() -> None:
    told = [*noisy(0.5, 0, 300, 0.1), *(0.5 * 1.1 ** np.arange(60)).tolist()]
    verdict, evidence = training(told)[1].verdict()
    assert verdict == "rising"
    assert "its level before" in evidence


def test_at_the_beginning_of_a_long_run_nothing_is_level() -> None:
    """The networks of edge and spiral stand still before they learn: "level" at 1 % of the run."""
    for steps, word in ((4000, "cannot tell yet"), (300, "level"), (None, "level")):
        session = Session()
        session.apply(ProblemFacts(name="edge", weights=9, samples=20))
        session.apply(Started(run=1, lr=0.1, steps=steps))
        told: list[float | None] = [0.5] * 80
        session.apply(Progress(run=1, steps=0, scalars={"loss": told}, seconds=1.0))
        assert session.current is not None
        verdict, evidence = session.current.verdict()
        assert verdict == word
        assert evidence.endswith("; 79 of 4,000 steps") == (steps == 4000)


def test_the_mini_batches_of_the_lab_are_watched_and_its_whole_batches_are_not() -> None:
    for batch, looked in ((10, True), (None, False)):
        session = Session()
        session.apply(ProblemFacts(name="sine", weights=9, samples=64, batch=batch))
        session.apply(Started(run=1, lr=0.1, steps=None))
        session.apply(State(run=1, step=0, paused=False, speed=None, lr=0.1))
        told = [*noisy(1.0, 0, 300), *noisy(9.0, 300, 300 + LEVEL_WINDOW)]
        session.apply(Progress(run=1, steps=0, scalars={"loss": told}, seconds=1.0))
        assert session.current is not None
        assert (session.current.spikes.last is not None) == looked


# --- gradient norms -----------------------------------------------------------------------


def highs(norms: Sequence[float | None]) -> list[HighNorm]:
    """All alarms of some gradient norms."""
    watched = NormWatch()
    found: list[HighNorm] = []
    for step, norm in enumerate(norms):
        watched.add(step, norm)
        if watched.last is not None and watched.last not in found:
            found.append(watched.last)
    return found


def test_the_level_is_that_of_the_last_values() -> None:
    level = Level()
    for end in (1, 2, 63, 64, 500):
        level.add(NOISE[len(level.ordered) if end < 100 else 300 : end].tolist())
    last = NOISE[372:500]
    assert level.ordered == sorted(last.tolist())
    middle = np.sort(last)[64]
    assert level.median == middle
    assert level.deviation == pytest.approx(1.4826 * np.sort(np.abs(last - middle))[64])


def test_norms_that_vary_by_tens_of_percent_are_no_alarm() -> None:
    assert highs(np.exp(0.3 * NOISE).tolist()) == []
    wide = np.exp(0.5 * NOISE[:1000])
    wide[500] = 20.0  # its logarithm is six deviations above
    assert highs(wide.tolist()) == []


def test_one_norm_far_above_its_level_is_an_alarm_at_once() -> None:
    norms: list[float | None] = np.exp(0.1 * NOISE[:600]).tolist()
    norms[300] = 2.9  # ten deviations, but not three times the level
    norms[400] = 9.0
    norms[440] = 9.0  # within 50 steps of the last: the same event
    norms[500:503] = [None, math.inf, 0.0]
    (found,) = highs(norms)
    assert found.step == 400
    assert found.level == pytest.approx(1, rel=0.05)
    assert found.times == pytest.approx(9, rel=0.05)
    assert found.in_words() == f"gradient norm ×{found.times:.3g} its level"


def test_norms_that_stay_high_are_one_alarm_and_become_the_level() -> None:
    norms = np.exp(0.1 * NOISE[:1200])
    norms[300:] *= 10
    norms[1000] *= 10
    assert [found.step for found in highs(norms.tolist())] == [300, 1000]


@pytest.mark.parametrize(
    ("at", "cause"), [(500, "bad batch"), (490, "bad batch"), (489, ""), (None, "")]
)
def test_the_cause_of_a_spike_is_a_high_norm_at_its_beginning(at: int | None, cause: str) -> None:
    losses = [*noisy(1.0, 0, 500, 0.05), *noisy(3.0, 500, 540, 0.05)]
    norms = np.exp(0.1 * NOISE[:540])
    if at is not None:
        norms[at] = 30
    for portion in (1, 7, 100):
        watched = SpikeWatch()
        for first in range(0, 540, portion):
            part = losses[first : first + portion]
            steps = range(first, first + len(part))
            watched.add(steps, part, norms[first : first + portion].tolist())
        assert watched.last is not None
        assert watched.last.step == 500
        assert watched.last.cause == cause
        watched.last.raised = (499, 0.1, 0.2)
        assert watched.last.cause == "rate raised"


@pytest.mark.parametrize(
    ("rates", "found"),
    [
        ([0.1, 0.1, 0.1, 0.1], None),
        ([0.4, 0.3, 0.2, 0.1], None),
        ([0.1, 0.1, 0.105, 0.1], None),
        ([0.1, 0.1, 0.5, 0.5], (11, 0.1, 0.5)),
        ([0.1, 0.1, 0.5, 0.1], (11, 0.1, 0.5)),  # for a single step
        ([0.4, 0.1, 0.2, 0.3], (11, 0.1, 0.3)),
        ([0.1, 0.2, 0.1, 0.9], (12, 0.1, 0.9)),
        ([0.0, 0.1, 0.2, 0.3], (10, 0.0, 0.3)),
    ],
)
def test_a_raise_is_found_even_if_it_lasted_for_one_step(
    rates: list[float], found: tuple[int, float, float] | None
) -> None:
    assert find_raise(range(10, 14), rates) == found
