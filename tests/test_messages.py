"""The wire protocol: what is written can be read, and what is malformed is an error."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrtui.messages import (
    LARGEST,
    PROTOCOL,
    AnyCommand,
    AnyMessage,
    Checkpoint,
    Ended,
    Failed,
    Greeting,
    GridResult,
    Heat,
    Hold,
    LineScene,
    Outcome,
    Pause,
    Printed,
    Progress,
    Quadratic,
    Ranks,
    Release,
    Resume,
    Rewind,
    Rewound,
    Scale,
    Seek,
    SetLr,
    SetSpeed,
    Snapshots,
    Start,
    Started,
    State,
    Steered,
    Step,
    Stop,
    Sweep,
    SweepResult,
    Watch,
    decode_command,
    decode_message,
    encode,
)

positive = st.floats(min_value=1e-300, allow_nan=False, allow_infinity=False)
ids = st.integers(0, 10**6)
runs = st.integers(1, 10**6)
counts = st.integers(0, 10**9)
many = st.integers(1, 10**9)
numbers = st.floats(-LARGEST, LARGEST)
nullable = st.none() | numbers
speeds = st.none() | positive


@st.composite
def scenes(draw: st.DrawFn) -> LineScene:
    pairs = draw(st.lists(st.tuples(numbers, numbers), min_size=2, max_size=5))
    x, y = zip(*pairs, strict=True)
    return LineScene(x=[*x], y=[*y], true_weights=draw(st.tuples(numbers, numbers)))


@st.composite
def quadratics(draw: st.DrawFn) -> Quadratic:
    d = draw(st.integers(1, 4))
    vectors = st.lists(numbers, min_size=d, max_size=d)
    return Quadratic(
        eigenvalues=sorted(draw(st.lists(st.floats(1e-38, LARGEST), min_size=d, max_size=d))),
        eigenvectors=draw(st.lists(vectors, min_size=d, max_size=d)),
        minimum=draw(vectors),
        min_loss=draw(st.floats(0, LARGEST)),
        start=draw(vectors),
    )


@st.composite
def sweeps(draw: st.DrawFn) -> SweepResult:
    rows = draw(st.lists(st.tuples(positive, nullable, st.none() | counts), min_size=1, max_size=4))
    lrs, losses, settled_at = zip(*rows, strict=True)
    return SweepResult(lrs=[*lrs], steps=draw(many), losses=[*losses], settled_at=[*settled_at])


@st.composite
def heat_maps(draw: st.DrawFn) -> GridResult:
    lrs = draw(st.lists(positive, min_size=1, max_size=3))
    momenta = draw(st.lists(st.floats(0, 0.99), min_size=1, max_size=3))

    def rows(cells: st.SearchStrategy[Any]) -> list[list[Any]]:
        row = st.lists(cells, min_size=len(lrs), max_size=len(lrs))
        return draw(st.lists(row, min_size=len(momenta), max_size=len(momenta)))

    return GridResult(
        lrs=lrs,
        momenta=momenta,
        steps=draw(many),
        losses=rows(nullable),
        settled_at=rows(st.none() | counts),
        finished=rows(st.booleans()),
    )


@st.composite
def reports(draw: st.DrawFn) -> Progress:
    count = draw(st.integers(1, 5))
    column = st.lists(nullable, min_size=count, max_size=count)
    d = draw(st.integers(0, 3))
    weights = st.lists(nullable, min_size=d, max_size=d)
    gaps = st.lists(counts, min_size=count, max_size=count, unique=True).map(sorted)
    return Progress(
        run=draw(runs),
        steps=draw(counts | gaps),
        scalars={"loss": draw(column), **draw(st.dictionaries(st.text(), column, max_size=2))},
        seconds=draw(st.floats(0, 1e9)),
        weights=draw(weights),
        trajectory=draw(st.lists(weights, max_size=count)),
    )


commands = st.one_of(
    st.builds(Start, id=ids, run=runs, lr=positive, steps=many, speed=speeds, paused=st.booleans()),
    st.builds(SetLr, id=ids, lr=positive),
    st.builds(SetSpeed, id=ids, speed=speeds),
    st.builds(Pause, id=ids),
    st.builds(Resume, id=ids),
    st.builds(Step, id=ids),
    st.builds(
        Sweep,
        lrs=st.lists(positive, min_size=1),
        steps=many,
        schedule=st.sampled_from(["constant", "onecycle", "warmup:7"]),
    ),
    st.builds(
        Heat,
        lrs=st.lists(positive, min_size=1),
        momenta=st.lists(st.floats(0, 0.99), min_size=1),
        steps=many,
    ),
    st.builds(
        Seek,
        chapters=st.integers(-9, 9),
        reports=st.integers(-9, 9),
        step=st.none() | counts,
        end=st.booleans(),
    ),
    st.builds(Watch, id=ids),
    st.builds(Hold, id=ids, lr=positive),
    st.builds(Scale, id=ids, by=st.floats(1e-9, 1e9)),
    st.builds(Rewind, id=ids, step=st.none() | counts, by=st.floats(1e-9, 1e9)),
    st.sampled_from([Release(id=1), Checkpoint(id=2), Stop(id=3)]),
)
messages = st.one_of(
    st.builds(
        Greeting,
        program=st.text(),
        pid=counts,
        folder=st.text(),
        title=st.text(),
        capabilities=st.lists(st.text()),
    ),
    scenes(),
    quadratics(),
    sweeps(),
    heat_maps(),
    st.builds(Rewound, run=runs),
    reports(),
    st.builds(Started, run=runs, lr=positive, steps=st.none() | many, optimizer=st.text()),
    st.builds(
        State,
        run=runs,
        step=counts,
        paused=st.booleans(),
        speed=speeds,
        lr=positive,
        asked_by=st.text(),
        answers=ids,
    ),
    st.builds(
        Ended,
        run=runs,
        outcome=st.sampled_from(get_args(Outcome)),
        step=counts,
        loss=nullable,
        reason=st.text(),
    ),
    st.builds(
        Steered,
        run=runs,
        step=counts,
        command=st.text(),
        text=st.text(),
        done=st.booleans(),
        lr=positive,
        asked_by=st.text(),
        at=st.floats(0, 1e10),
        answers=ids,
    ),
    st.builds(
        Ranks, run=runs, steps=st.just([7, 9]), paces=st.just([0.5, 0.0]), ended=st.just([1])
    ),
    st.builds(Snapshots, run=runs, steps=st.lists(counts), before=counts),
    st.builds(Printed, text=st.text()),
    st.builds(Failed, reason=st.text(), details=st.lists(st.text())),
)


@given(commands)
def test_commands_survive_the_wire(command: AnyCommand) -> None:
    line = encode(command)
    assert b"\n" not in line
    assert decode_command(line) == command


@given(messages)
def test_messages_survive_the_wire_as_one_line(message: AnyMessage) -> None:
    line = encode(message)
    assert b"\n" not in line
    assert "type" in json.loads(line)
    assert decode_message(line) == message


@given(messages, st.text(min_size=9), st.recursive(st.none() | st.integers(), st.lists))
@pytest.mark.slow
def test_a_field_that_a_newer_peer_adds_is_ignored(
    message: AnyMessage, name: str, value: object
) -> None:
    newer = json.dumps({**json.loads(encode(message)), f"new {name}": value}).encode()
    assert decode_message(newer) == message


def test_a_message_or_command_that_only_a_newer_peer_knows_is_ignored() -> None:
    newer = b'{"type":"premonition","step":3,"value":{"error":0.1}}'
    assert decode_message(newer) is None
    assert decode_command(newer) is None


def test_a_greeting_of_a_newer_peer_can_be_read() -> None:
    greeting = Greeting(program="p", pid=1, folder="/", title="t", capabilities=["fly", "pause"])
    newer = json.loads(encode(greeting)) | {"protocol": PROTOCOL + 7}
    found = decode_message(json.dumps(newer).encode())
    assert isinstance(found, Greeting)
    assert (found.protocol, found.capabilities) == (PROTOCOL + 7, ["fly", "pause"])


def test_what_is_not_finite_is_null() -> None:
    report = Progress(
        run=1,
        steps=9,
        scalars={"loss": [1.5, math.inf, math.nan]},
        weights=[-math.inf, 0.0],
        seconds=0.1,
    )
    line = json.loads(encode(report))
    assert line["scalars"] == {"loss": [1.5, None, None]}
    assert line["weights"] == [None, 0.0]
    found = decode_message(encode(report))
    assert isinstance(found, Progress)
    assert found.losses == [1.5, None, None]


def report(**changes: Any) -> Progress:
    fields: dict[str, Any] = {"run": 1, "steps": 3, "scalars": {"loss": [2.0, 1.0]}, "seconds": 1.0}
    return Progress(**fields | changes)


def test_the_steps_of_a_report_follow_each_other_or_have_gaps() -> None:
    assert [*report().numbered()] == [3, 4]
    assert (report().first, report().last) == (3, 4)
    gaps = report(steps=[10, 25])
    assert [*gaps.numbered()] == [10, 25]
    assert (gaps.first, gaps.last) == (10, 25)


def quadratic(**changes: Any) -> Quadratic:
    fields: dict[str, Any] = {
        "eigenvalues": [1.0, 2.0],
        "eigenvectors": [[1.0, 0.0], [0.0, 1.0]],
        "minimum": [0.0, 0.0],
        "min_loss": 0.5,
        "start": [3.0, 4.0],
    }
    return Quadratic(**fields | changes)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: report(scalars={}), "without a loss"),
        (lambda: report(scalars={"loss": []}), "without a loss"),
        (lambda: report(scalars={"loss": [1.0], "lr": [0.1, 0.1]}), "different lengths"),
        (lambda: report(steps=[1, 2, 3]), "different lengths"),
        (lambda: report(steps=[2, 2]), "do not ascend"),
        (lambda: report(steps=[9, 2]), "do not ascend"),
        (lambda: report(trajectory=[[]] * 3), "longer than its losses"),
        (lambda: report(weights=[1.0], trajectory=[[1.0, 2.0]]), "of other weights"),
        (lambda: quadratic(eigenvalues=[1.0]), "different lengths"),
        (lambda: quadratic(eigenvectors=[[1.0], [2.0]]), "different lengths"),
        (lambda: quadratic(start=[1.0]), "different lengths"),
        (lambda: quadratic(eigenvalues=[2.0, 1.0]), "do not ascend"),
        (lambda: LineScene(x=[1.0, 2.0], y=[1.0], true_weights=(3.0, 2.0)), "different lengths"),
        (
            lambda: SweepResult(lrs=[0.1], steps=1, losses=[], settled_at=[None]),
            "different lengths",
        ),
    ],
)
def test_columns_that_do_not_fit_are_an_error(make: Callable[[], AnyMessage], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make()


def test_columns_that_do_not_fit_are_an_error_on_the_wire_too() -> None:
    line = encode(report()).replace(b'"steps":3', b'"steps":[3]')
    with pytest.raises(ValueError, match="different lengths"):
        decode_message(line)


@given(st.binary())
def test_rubbish_is_a_value_error(line: bytes) -> None:
    for decode in (decode_command, decode_message):
        try:
            decode(line)
        except ValueError as error:
            assert str(error)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"null",
        b"{}",
        b'{"type":7}',
        b'{"type":"start"}',
        b'{"type":"set_lr","lr":0}',
        b'{"type":"set_lr","lr":"0.1"}',
        b'{"type":"set_lr","lr":1e999}',
        b'{"type":"pause","id":-1}',
        b'{"type":"start","run":0,"lr":0.1,"steps":1,"speed":null}',
        b'{"type":"sweep","lrs":[],"steps":1}',
    ],
)
def test_malformed_commands_are_an_error(line: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode_command(line)


@pytest.mark.parametrize(
    "line",
    [
        b'{"type":"started","run":1,"lr":0.1}',
        b'{"type":"ended","run":1,"outcome":"won","step":1,"loss":1,"reason":""}',
        b'{"type":"progress","run":1,"steps":-1,"scalars":{"loss":[1]},"seconds":0}',
        b'{"type":"progress","run":1,"steps":0,"scalars":{"loss":[1e39]},"seconds":0}',
        b'{"type":"state","run":1,"step":0,"paused":false,"speed":0,"lr":0.1}',
    ],
)
def test_malformed_messages_are_an_error(line: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode_message(line)


def test_nesting_without_end_is_told() -> None:
    deep = b'{"type":"printed","text":' + b"[" * 100_000
    for decode in (decode_message, decode_command):
        with pytest.raises(ValueError, match=r"\w"):
            decode(b'{"type":"new","x":' + deep)
