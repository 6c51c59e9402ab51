"""The command line: one clear line and exit code 2 for whatever it cannot take."""

from __future__ import annotations

import subprocess
import sys

import pytest

from lrtui import __version__
from lrtui.cli import main


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--lr", "0"], "more than 0"),
        (["--lr", "-1"], "more than 0"),
        (["--lr", "nan"], "finite number"),
        (["--lr", "inf"], "finite number"),
        (["--lr", "1e999"], "too large"),
        (["--lr", "1e-999"], "too small"),
        (["--lr", "abc"], "'abc' is not a number"),
        (["--lr", ""], "a learning rate is needed"),
        (["--lr", "0.1", "--lr", "0,7"], "'0,7' is not a number"),
        (["--lr", "1_0"], "not a number"),
        (["--lr"], "expected one argument"),
        (["--steps", "0"], "whole number from 1"),
        (["--steps", "1.5"], "whole number"),
        (["--steps", "9999999999"], "to 1,000,000,000"),
        (["--points", "1"], "whole number from 2"),
        (["--points", "100001"], "to 100,000"),
        (["--seed", "-1"], "whole number from 0"),
        (["--seed", "x" * 500], "whole number"),
        (["--every", "0"], "whole number from 1"),
        (["--fps", "0"], "whole number from 1"),
        (["--fps", "61"], "to 60"),
        (["--speed", "0"], "steps a second"),
        (["--speed", "fast"], "or max"),
        (["--speed", "nan"], "or max"),
        (["--noise", "pink"], "'pink'"),
        (["--nois", "uniform"], "unrecognized arguments"),
        (["--frobnicate"], "unrecognized arguments"),
        (["stray"], "unrecognized arguments"),
        (["--lr", "0.1", "sweep"], "unrecognized arguments: sweep"),
        (["sweep", "--lr", "0.1"], "unrecognized arguments"),
        (["sweep", "--count", "0"], "whole number from 1"),
        (["sweep", "--from", "2", "--to", "1"], "--from is larger than --to"),
        (["sweep", "--from", "abc"], "not a number"),
    ],
)
def test_bad_input(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert err.startswith("lrtui: ")
    assert err.count("\n") == 1
    assert len(err) < 200


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["--version"])
    assert exit_.value.code == 0
    assert capsys.readouterr().out == f"lrtui {__version__}\n"


def test_help_shows_every_option_and_examples(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        main(["--help"])
    out = capsys.readouterr().out
    for option in ("lr", "steps", "speed", "points", "noise", "seed", "every", "fps", "plain"):
        assert f"--{option}" in out
    assert "examples:" in out
    assert all(len(line) <= 80 for line in out.splitlines())


def test_a_python_file_called_torch_beside_the_user_is_not_torch(tmp_path: object) -> None:
    from pathlib import Path

    assert isinstance(tmp_path, Path)
    (tmp_path / "torch.py").write_text("raise SystemExit('not torch')")
    done = subprocess.run(
        [sys.executable, "-P", "-m", "lrtui", "--plain", "--steps", "1"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
