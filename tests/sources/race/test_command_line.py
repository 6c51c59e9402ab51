"""Placeholders, and where ``lrtui run`` stands in a command."""

from __future__ import annotations

import shlex

import pytest

from lrtui.sources.race.command_line import filled, placeholders, watched

RUN = "-m lrtui run --save F"


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("python t.py --lr 1", f"python {RUN} t.py --lr 1"),
        ("/usr/bin/python3.12 -u -X dev -W error t.py -m x",
         f"/usr/bin/python3.12 -u -X dev -W error {RUN} t.py -m x"),
        ("python -m a.b --lr 1", f"python {RUN} -m a.b --lr 1"),
        ("python3.13t t.py", f"python3.13t {RUN} t.py"),
        ("uv run --frozen python t.py", f"uv run --frozen python {RUN} t.py"),
        ("env A=1 nice -n 5 python t.py", f"env A=1 nice -n 5 python {RUN} t.py"),
        ("torchrun --standalone --nproc-per-node 2 t.py a",
         f"torchrun --standalone --nproc-per-node 2 {RUN} t.py a"),
        ("torchrun --nproc-per-node=2 -m a.b c",
         "torchrun --nproc-per-node=2 -m lrtui run --save F -m a.b c"),
        ("python -m torch.distributed.run --nnodes 1 t.py",
         f"python -m torch.distributed.run --nnodes 1 {RUN} t.py"),
        ("accelerate launch -m lrtui run t.py", f"accelerate launch {RUN} t.py"),
        ("bin/lrtui run -m a.b", "bin/lrtui run --save F -m a.b"),
    ],
)  # fmt: skip
def test_where_it_stands(command: str, expected: str) -> None:
    assert shlex.join(watched(shlex.split(command), ["--save", "F"])) == expected


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("bash t.sh", "begin that with python or torchrun"),
        ("pythonic t.py", "begin that with python or torchrun"),
        ("python -c pass", "python -c cannot be watched"),
        ("python", "the command has no script"),
        ("python -u -m", "the command has no script"),
        ("torchrun --nproc-per-node 2", "the command has no script"),
    ],
)
def test_where_there_is_no_place_for_it(command: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        watched(shlex.split(command), [])


def test_only_placeholders_are_replaced() -> None:
    command = [
        "--lr={lr}",
        '{"lr": {lr}, "x": {"y": {}}}',
        "{lrs}",
        "{ lr }",
        "{{name}}",
        "{out}/x",
    ]
    assert filled(command, {"lr": "0.1", "name": "{out}", "out": "o"}) == [
        "--lr=0.1", '{"lr": 0.1, "x": {"y": {}}}', "{lrs}", "{ lr }", "{{out}}", "o/x"
    ]  # fmt: skip
    assert placeholders(command) == {"lr", "name", "out"}
