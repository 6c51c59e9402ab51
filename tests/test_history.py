"""The past of a training, bounded, with no spike lost."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrtui.analysis.history import MAX_BUCKETS, MAX_SCALARS, History, Row, extremes, progress
from lrtui.messages import AnyMessage, Progress, State, decode_message, encode
from lrtui.monitor.publisher import Began, Publisher
from lrtui.session.session import Session


def row(step: int, loss: float) -> Row:
    return Row(step, loss, 0.1, 0.1, {})


def test_up_to_its_capacity_every_row_is_kept() -> None:
    history = History()
    rows = [row(step, math.sin(step)) for step in range(1, MAX_BUCKETS + 1)]
    for i in range(0, len(rows), 7):
        history.add(rows[i : i + 7])
    assert history.rows() == rows


@pytest.mark.slow
def test_a_long_past_is_bounded_even_and_has_its_spikes() -> None:
    rng = np.random.default_rng(0)
    losses = 1 + 0.1 * rng.standard_normal(300_000)
    losses[[5, 77_777, 299_998]] = [50.0, math.nan, 60.0]
    losses[123_456] = -9.0
    history = History()
    for i in range(0, len(losses), 1000):
        history.add([row(step + 1, losses[step]) for step in range(i, i + 1000)])
    kept = history.rows()
    steps = [found.step for found in kept]
    assert len(kept) <= 2 * MAX_BUCKETS + 1
    assert steps[-1] == 300_000
    assert steps == sorted(set(steps))
    assert {6, 77_778, 299_999, 123_457} <= {*steps}
    # As dense at the beginning as at the end.
    counts, _ = np.histogram(steps, bins=10, range=(1, 300_000))
    assert counts.min() > 0.8 * counts.max()


@given(st.lists(st.floats(allow_infinity=False), min_size=1, max_size=500), st.integers(1, 50))
def test_extremes_keep_the_smallest_and_the_largest(losses: list[float], most: int) -> None:
    rows = [row(step, loss) for step, loss in enumerate(losses, 1)]
    kept = extremes(rows, most)
    assert len(kept) <= 2 * most + 1 or len(kept) == len(rows)
    assert kept[-1] == rows[-1]
    assert [found.step for found in kept] == sorted({found.step for found in kept})
    known = [loss for loss in losses if not math.isnan(loss)]
    told = [found.loss for found in kept]
    if known:
        assert min(known) in told
    if len(known) == len(losses):
        assert max(known) in told
    else:
        assert any(map(math.isnan, told))


def test_rows_become_a_message_that_can_be_read() -> None:
    rows = [
        Row(4, 1.5, 0.1, 0.1, {"accuracy": 0.5}),
        Row(5, math.nan, 0.05, 0.1, {}),
        Row(7, math.inf, 0.05, 0.1, {"accuracy": math.nan}),
    ]
    message = progress(1, rows, 2.5, no_loss=False)
    assert decode_message(encode(message)) == message
    assert message.steps == [4, 5, 7]
    assert message.scalars == {
        "loss": [1.5, None, None],
        "lr": [0.1, 0.05, 0.05],
        "scheduled": [0.1, 0.1, 0.1],
        "accuracy": [0.5, None, None],
    }
    assert progress(1, rows[:2], 0.0, no_loss=False).steps == 4
    assert "scheduled" not in progress(1, rows[:1], 0.0, no_loss=False).scalars


def test_of_more_scalars_than_can_be_shown_the_first_are_told() -> None:
    others = {f"scalar {number}": float(number) for number in range(MAX_SCALARS + 5)}
    told = progress(1, [Row(1, 1.0, 0.1, 0.1, others)], 0.0, no_loss=False).scalars
    assert [*told] == ["loss", "lr", *[*others][:MAX_SCALARS]]


def test_what_nobody_knows_is_not_told_as_a_number() -> None:
    rows = [Row(step, math.nan, None, None, {}) for step in (1, 2)]
    message = progress(1, rows, 0.0, no_loss=True)
    assert message.no_loss
    assert [*message.scalars] == ["loss"]
    assert decode_message(encode(message)) == message


def publisher() -> Publisher:
    return Publisher(Began("train.py", "SGD", full_batch=False))


def told(messages: Iterable[AnyMessage], name: str) -> list[tuple[int, float | None]]:
    """The values of a scalar, in the order of the messages."""
    found = []
    for message in messages:
        if isinstance(message, Progress):
            column = message.scalars.get(name, [None] * len(message.losses))
            found += [pair for pair in zip(message.numbered(), column, strict=True) if pair[1]]
    return found


def test_one_validation_loss_in_500_steps_is_never_thinned_away() -> None:
    rng = np.random.default_rng(1)
    made = publisher()
    sent: list[AnyMessage] = []
    expected = []
    for begin in range(0, 40_000, 2000):  # as a quick training has it between two reports
        for step in range(begin + 1, begin + 2001):
            others = {"grad_norm": 1.0}
            if step % 500 == 0:
                others["val_loss"] = 1 / step
                expected.append((step, 1 / step))
            made.outbox.append((step, float(rng.random()), 0.1, 0.1, others))
        sent += [m for m, _, _ in made.collect(paused=False, watched=True)]
    assert told(sent, "val_loss") == expected
    assert all(len(m.losses) < 300 for m in sent if isinstance(m, Progress))
    kept = made.history(State(run=1, step=40_000, paused=False, speed=None, lr=0.1))
    assert told(kept, "val_loss") == expected
    made.outbox.append(Began("train.py", "SGD", full_batch=False))
    made.collect(paused=False, watched=True)
    kept = made.history(State(run=2, step=0, paused=False, speed=None, lr=0.1))
    assert told(kept, "val_loss") == expected


def test_validation_losses_of_each_step_are_thinned_like_others() -> None:
    made = publisher()
    for step in range(1, 20_001):
        made.outbox.append((step, math.sin(step), 0.1, 0.1, {"val_loss": math.cos(step)}))
    sent = [m for m, _, _ in made.collect(paused=False, watched=True)]
    assert 100 < len(told(sent, "val_loss")) <= 201
    kept = made.history(State(run=1, step=20_000, paused=False, speed=None, lr=0.1))
    assert len(told(kept, "val_loss")) <= 2 * MAX_BUCKETS + 1


@pytest.mark.parametrize("at_once", [True, False])
def test_what_is_evaluated_after_a_step_is_shown_at_that_step(at_once: bool) -> None:
    made = publisher()
    sent: list[AnyMessage] = []
    for step in range(1, 31):
        made.outbox.append((step, 1 / step, 0.1, 0.1, {"grad_norm": 2.0}))
        if step % 10 == 0:
            if not at_once:
                sent += [m for m, _, _ in made.collect(paused=False, watched=True)]
            made.outbox.append((step, None, None, None, {"eval_loss": step / 8}))
    sent += [m for m, _, _ in made.collect(paused=False, watched=True)]
    expected = [(10, 1.25), (20, 2.5), (30, 3.75)]
    assert told(sent, "eval_loss") == expected
    kept = made.history(State(run=1, step=30, paused=False, speed=None, lr=0.1))
    for messages in (sent, kept):
        session = Session()
        greeting = made.greeting(30, ())
        for message in (greeting, *messages):
            session.apply(decode_message(encode(message)) or message)
        run = session.current
        assert run is not None
        assert run.series is not None
        assert run.live is not None
        assert [*run.series.recent_steps] == [*range(1, 31)]
        assert run.step == 30
        at, losses = run.live.scalars["eval_loss"].curve()
        assert [*zip(at, losses, strict=True)] == expected
        assert run.live.scalars["grad_norm"].count == 30
        assert run.live.validations[0][1] == "eval 3.75"


def test_what_is_evaluated_where_no_loss_is_known_is_a_scalar() -> None:
    made = publisher()
    for step in range(1, 31):
        made.outbox.append((step, None, 0.1, 0.1, {}))
        made.outbox.append((step, None, None, None, {"eval_loss": float(step)}))
    session = Session()
    session.apply(made.greeting(30, ()))
    for message, _, _ in made.collect(paused=False, watched=True):
        session.apply(decode_message(encode(message)) or message)
    run = session.current
    assert run is not None
    assert run.live is not None
    assert (run.step, run.series, run.live.scalars["eval_loss"].last) == (30, None, 30.0)
