"""A training in a process of its own, with a Monitor in it, watched and steered by its socket."""

from __future__ import annotations

import json
import os
import signal
import stat
from pathlib import Path

import pytest

from lrtui.messages import (
    Checkpoint,
    Hold,
    Pause,
    Release,
    Resume,
    Rewind,
    Scale,
    Snapshots,
    Start,
    State,
    Steered,
    Step,
    Stop,
)
from lrtui.sources.trainings import Training
from tests.monitor.trainings import Running, Viewer, script, step_in, training, until

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("any_device")]


def fit(out: Path, steps: int = 100_000, seconds: float = 0.001) -> list[str]:
    return [script("monitored"), str(steps), str(seconds), str(out)]


def schedule(step: int) -> float:
    """The schedule's rate of a step, from 1 up."""
    return 0.1 / (1 + 0.001 * (step - 1))


def test_every_command_takes_effect_at_the_step_that_is_told(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with training(*fit(out)) as running:
        viewer = running.viewer()
        assert viewer.greeting.name == "fit"
        assert viewer.greeting.pid == running.process.pid
        assert viewer.greeting.folder == str(Path.cwd())
        held = viewer.tell(Hold(lr=0.05))
        scaled = viewer.tell(Scale(by=0.5))
        kept = viewer.tell(Checkpoint())
        released = viewer.tell(Release())
        halved = viewer.tell(Scale(by=0.5))
        paused = viewer.tell(Pause())
        stepped = viewer.tell(Step())
        until(lambda: viewer.read() and at(viewer) == stepped.step + 1, "one step")
        resumed = viewer.tell(Resume())
        stopped = viewer.tell(Stop())
        viewer.read_all()
        ended = viewer.ended()
        assert running.wait() == 0
        assert "ended after" in running.output()
        assert not running.sockets()
    found = json.loads(out.read_text())
    assert (stepped.step, resumed.step) == (paused.step, paused.step + 1)
    assert ended is not None
    assert (ended.outcome, ended.step) == ("stopped", stopped.step)
    assert len(found["rates"]) == stopped.step
    for step, (lr, bias_lr) in enumerate(found["rates"], 1):
        wanted = schedule(step)
        if held.step < step <= scaled.step:
            wanted = 0.05
        elif scaled.step < step <= released.step:
            wanted = 0.025
        elif step > halved.step:
            wanted = schedule(step) / 2
        assert lr == pytest.approx(wanted, rel=1e-12)
        assert bias_lr == pytest.approx(wanted / 5, rel=1e-12)
    # A checkpoint and the schedule see the schedule's rate alone.
    assert found["kept"] == [pytest.approx(schedule(kept.step + 1), rel=1e-12)]
    assert found["left"] == pytest.approx(schedule(stopped.step + 1), rel=1e-12)
    losses, rates = viewer.column("loss"), viewer.column("lr")
    assert [*losses] == [*range(1, stopped.step + 1)]
    assert [*losses.values()] == pytest.approx(found["losses"])
    assert [*rates.values()] == pytest.approx([lr for lr, _ in found["rates"]])
    doubles = viewer.column("double")
    assert [*doubles.values()] == pytest.approx([2 * loss for loss in found["losses"]])


def at(viewer: Viewer) -> int:
    return max(viewer.column("loss"), default=0)


def test_all_viewers_hear_who_did_what_and_so_does_the_journal(tmp_path: Path) -> None:
    with training(*fit(tmp_path / "out")) as running:
        one, other = running.viewer(), running.viewer()
        told = one.tell(Hold(lr=0.03))
        other.wait_for(lambda: bool(steered(other)), "news of the other")
        heard = steered(other)[0]
        assert (heard.step, heard.text, heard.answers) == (told.step, told.text, 0)
        assert told.text == (
            "rate held at 0.03; it is the largest of 2 groups, the others keep their ratio to it, "
            "down to 0.006"
        )
        assert f"pid {os.getpid()}" in heard.asked_by
        late = running.viewer()
        late.wait_for(lambda: bool(steered(late)) and len(late.column("loss")) > 50, "history")
        assert steered(late)[0] == heard
        assert min(late.column("loss")) == 1
        journal = running.socket().with_suffix(".journal")
        lines = [json.loads(line) for line in journal.read_text().splitlines()]
        assert [(line["step"], line["text"]) for line in lines] == [(told.step, told.text)]


def steered(viewer: Viewer) -> list[Steered]:
    return [message for message in viewer.messages if isinstance(message, Steered)]


def test_going_back_brings_weights_schedule_and_loss_back(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with training(*fit(out)) as running:
        viewer = running.viewer()
        viewer.wait_for(lambda: len(snapshots(viewer)) >= 2, "snapshots")
        blown = viewer.tell(Hold(lr=1.7))  # past the limit: the loss grows
        viewer.wait_for(lambda: at(viewer) > blown.step + 20, "a spike")
        back = viewer.tell(Rewind())
        assert back.done
        to = step_in(back.text)
        # Not at half of what blew it up: at half of what it had there.
        assert back.lr == pytest.approx(schedule(to + 1) / 2, rel=1e-3)
        assert "the order of the data is not rewound" in back.text
        viewer.tell(Release())
        wrong = viewer.tell(Rewind(step=10**9))
        assert not wrong.done
        assert wrong.text.startswith("no snapshot of step 1,000,000,000; there are: ")
        viewer.wait_for(lambda: at(viewer) > wrong.step + 5, "more steps")
        viewer.tell(Stop())
        assert running.wait() == 0
        viewer.read_all()
    losses = json.loads(out.read_text())["losses"]
    assert to <= blown.step
    # The step after it starts from the weights that the step after the snapshot started from.
    assert losses[back.step] == pytest.approx(losses[to], rel=1e-5)
    assert not losses[back.step - 1] <= 2 * losses[back.step]  # far off, or not finite any more


def snapshots(viewer: Viewer) -> list[int]:
    found = [message for message in viewer.messages if isinstance(message, Snapshots)]
    return found[-1].steps if found else []


def test_what_cannot_be_asked_is_refused(tmp_path: Path) -> None:
    with training(*fit(tmp_path / "out")) as running:
        viewer = running.viewer()
        refused = viewer.tell(Start(run=2, lr=0.1, steps=10, speed=None))
        assert not refused.done
        assert "cannot be asked" in refused.text


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_training_that_is_killed_leaves_a_socket_that_is_cleared(
    number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lrtui.sources.trainings import find

    with training(*fit(tmp_path / "out")) as running:
        monkeypatch.setenv("LRTUI_DIR", str(running.folder))
        viewer = running.viewer()
        assert [each.name for each in here(running, find())] == ["fit"]
        running.process.send_signal(number)
        running.wait()
        viewer.read_all()  # the end of the stream, and no word about it
        assert viewer.ended() is None
        assert len(running.sockets()) == 1
        assert here(running, find()) == []
        assert running.sockets() == []


def here(running: Running, found: list[Training]) -> list[Training]:
    """Those of one test: others may run beside it."""
    return [each for each in found if each.path.parent == running.folder]


def test_folder_and_socket_are_for_their_owner_alone(tmp_path: Path) -> None:
    with training(*fit(tmp_path / "out")) as running:
        path = running.socket()
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_folder_that_others_can_open_is_refused_and_training_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir(mode=0o755)
    command = fit(tmp_path / "out", steps=20)
    with training(*command, env={"LRTUI_DIR": str(folder)}) as running:
        assert running.wait() == 0
        said = running.output()
    assert f"cannot be watched: {folder} can be opened by others" in said
    assert "Traceback" not in said
    assert "ended after 20" in said


def test_a_journal_on_a_full_disk_is_told_once_and_steering_goes_on(tmp_path: Path) -> None:
    code = (
        "import torch, lrtui, time\n"
        "w = torch.nn.Parameter(torch.ones(2)); o = torch.optim.SGD([w], 0.1)\n"
        "m = lrtui.Monitor(o, journal='/dev/full')\n"
        "while not m.should_stop:\n"
        "    w.grad = 0 * w.detach(); o.step(); m.step(1.0); time.sleep(0.001)\n"
    )
    with training("-c", code) as running:
        viewer = running.viewer()
        assert viewer.tell(Hold(lr=0.03)).done
        assert viewer.tell(Hold(lr=0.02)).done
        assert viewer.tell(Stop()).done
        assert running.wait() == 0
        viewer.read_all()
    said = [m.text for m in viewer.messages if hasattr(m, "text") and not hasattr(m, "answers")]
    assert len(said) == 1
    assert "/dev/full is not complete: No space left on device; steering goes on" in said[0]


def test_states_tell_what_the_schedule_asks_for(tmp_path: Path) -> None:
    with training(*fit(tmp_path / "out")) as running:
        viewer = running.viewer()
        viewer.tell(Hold(lr=0.5))

        def states() -> list[State]:
            return [m for m in viewer.messages if isinstance(m, State) and m.held is not None]

        viewer.wait_for(lambda: bool(states()), "a state that tells of it")
        assert (states()[-1].lr, states()[-1].held) == (0.5, 0.5)
        scheduled = states()[-1].scheduled
        assert scheduled is not None
        assert 0.01 < scheduled <= 0.1
