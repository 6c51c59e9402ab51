"""How a training is named on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from lrtui.messages import Greeting
from lrtui.sources import trainings
from lrtui.sources.trainings import NoTraining, Training, choose


def called(pid: int, name: str) -> Training:
    hello = Greeting(program="", pid=pid, folder="/", title="", capabilities=[], name=name)
    return Training(Path(f"/there/{pid}.sock"), hello)


@pytest.mark.parametrize(
    ("target", "pid"), [("1", 1), ("light.py", 1), ("light", 1), ("heavy", 2), ("heavy.py", 3)]
)
def test_a_name_may_leave_its_extension_out(
    target: str, pid: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [called(1, "light.py"), called(2, "heavy"), called(3, "heavy.py")]
    monkeypatch.setattr(trainings, "find", lambda: found)
    monkeypatch.delenv("LRTUI_DIR", raising=False)
    assert choose(target).pid == pid


def test_what_begins_like_a_name_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainings, "find", lambda: [called(1, "light.py")])
    with pytest.raises(NoTraining, match="no training is called 'li'"):
        choose("li")
