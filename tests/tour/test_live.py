"""The tour of a training that it starts itself."""

from __future__ import annotations

import os
import time
from pathlib import Path

import psutil
import pytest

from lrtui.tour.script import Scene, read_script, scene
from tests.terminal import named, terminal


def test_its_script_names_a_training_and_what_to_wait_for() -> None:
    scenes = read_script("live")
    assert scenes[0] == Scene("training", "language-model")
    assert [s.text for s in scenes if s.verb == "until" and s.text] == ["room", "tried", "spike"]
    with pytest.raises(ValueError, match="the script of a training is needed"):
        scene("training")


def trainings() -> list[psutil.Process]:
    """Return the trainings that tours of this process have started."""
    return named("language_model", psutil.Process().children(recursive=True))


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_person_takes_over_and_the_training_ends_with_the_tour() -> None:
    with terminal("tour", "live", "--pace", "12") as lab:
        lab.wait_for("T asks what a try takes", 60)  # of a training that takes its time
        lab.wait_for("tried on the same 100 steps", 60)
        assert trainings()
        lab.type("7")
        lab.read(3)
        assert "A, twice" not in lab.text
        lab.type("\x1b")
        lab.read(1)
        lab.type("q")
        assert lab.wait_for_end() == 0
        end = time.monotonic() + 20
        while trainings():
            assert time.monotonic() < end
            time.sleep(0.1)


@pytest.mark.slow
def test_a_script_that_does_not_start_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "broken.py"
    path.write_text("import torch\nraise SystemExit('no data here')\n")
    tour = tmp_path / "tour.txt"
    tour.write_text(f"training {path}\nsay hello\nwait 1\n")
    with terminal("tour", str(tour), env={"LRTUI_DIR": os.devnull}) as lab:
        assert lab.wait_for_end() == 2
        assert "the training of the tour did not start: no data here" in lab.text
