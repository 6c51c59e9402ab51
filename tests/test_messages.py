"""The one vocabulary: what is written can be read, and rubbish is told."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrtui.messages import (
    MOST,
    AnyCommand,
    AnyMessage,
    Ended,
    Failed,
    Pause,
    Printed,
    Progress,
    Resume,
    SetRate,
    SetSpeed,
    Start,
    Started,
    Step,
    Stop,
    decode_command,
    decode_message,
    encode,
)

positive = st.floats(min_value=1e-300, allow_nan=False, allow_infinity=False)
runs = st.integers(1, 10**6)
counts = st.integers(0, 10**9)
losses = st.none() | st.floats(0, MOST)
weights = st.none() | st.floats(-MOST, MOST)
pairs = st.tuples(weights, weights)

commands = st.one_of(
    st.builds(
        Start, run=runs, rate=positive, steps=st.integers(1, 10**9), speed=st.none() | positive
    ),
    st.builds(SetRate, positive),
    st.builds(SetSpeed, st.none() | positive),
    st.sampled_from([Pause(), Resume(), Step(), Stop()]),
)
messages = st.one_of(
    st.builds(Started, run=runs, rate=positive, steps=st.integers(1, 10**9)),
    st.builds(
        Progress,
        run=runs,
        rate=positive,
        step=counts,
        losses=st.lists(losses, min_size=3),
        weights=pairs,
        path=st.lists(pairs, max_size=3),
        seconds=positive,
    ),
    st.builds(
        Ended,
        run=runs,
        outcome=st.sampled_from(["done", "diverged", "stopped", "failed"]),
        step=counts,
        loss=losses,
        reason=st.text(),
    ),
    st.builds(Printed, st.text()),
    st.builds(Failed, st.text(), st.lists(st.text())),
)


@given(commands)
def test_commands_survive_the_wire(command: AnyCommand) -> None:
    assert decode_command(encode(command)) == command


@given(messages)
def test_messages_survive_the_wire_as_one_line(message: AnyMessage) -> None:
    line = encode(message)
    assert b"\n" not in line
    assert "type" in json.loads(line)
    assert decode_message(line) == message


def test_what_is_not_finite_is_null() -> None:
    line = encode(
        Progress(
            run=1,
            rate=50.0,
            step=9,
            losses=[1.5, math.inf, math.nan],
            weights=(-math.inf, 0.0),
            seconds=0.1,
        )
    )
    assert json.loads(line)["losses"] == [1.5, None, None]
    assert json.loads(line)["weights"] == [None, 0.0]


@given(st.binary())
def test_rubbish_is_told_and_nothing_else_happens(line: bytes) -> None:
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
        b'{"type":"start"}',
        b'{"type":"fly"}',
        b'{"type":"set_rate","rate":0}',
        b'{"type":"set_rate","rate":"0.1"}',
        b'{"type":"pause","extra":1}',
        b'{"type":"start","run":0,"rate":0.1,"steps":1,"speed":null}',
    ],
)
def test_malformed_commands_are_refused(line: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode_command(line)
