"""Several trainings, logs and saved sessions as one source."""

from __future__ import annotations

import json
import os
import sqlite3
from pathlib import Path

import pytest
from msgspec.structs import replace

from lrtui import messages as msg
from lrtui.session.session import Session
from lrtui.sources.fake import FakeSource
from lrtui.sources.logs.find import logs_in, open_log, short_names
from lrtui.sources.logs.source import LogSource
from lrtui.sources.settings import beside, of_command, of_yaml
from lrtui.sources.several import Several
from lrtui.sources.source import Source
from tests.sources.logs.logs import FILES, REAL, STEPS, curve


def fake(name: str, *messages: msg.AnyMessage) -> FakeSource:
    greeting = msg.Greeting(
        program="lrtui", pid=1, folder="/", title="t", capabilities=["hold"], name=name, since=1.0
    )
    return FakeSource([greeting, *messages], lambda command: [])


def started(run: int = 1, lr: float = 0.1) -> msg.Started:
    return msg.Started(run=run, lr=lr, steps=None, optimizer="SGD")


def progress(first: int, *losses: float, run: int = 1) -> msg.Progress:
    return msg.Progress(run=run, steps=first, scalars={"loss": [*losses]}, seconds=1.0)


def told(source: Source, session: Session | None = None) -> Session:
    """Apply what is said until nothing came three times: a poll may be cut short by its time."""
    session, quiet = session or Session(), 0
    while quiet < 3:
        messages = source.poll()
        quiet = 0 if messages else quiet + 1
        for message in messages:
            session.apply(msg.decode_message(msg.encode(message)) or message)
    return session


def test_each_run_has_a_number_of_its_own_and_none_ends_another() -> None:
    a, b = fake("a", started(), progress(0, 3.0, 2.0)), fake("b", started(lr=0.5), progress(0, 9.0))
    several = Several([a, b])
    session = told(several)
    assert [(run.number, run.label, run.lr) for run in session.runs] == [
        (1, "a", 0.1),
        (2, "b", 0.5),
    ]
    assert all(run.is_on and run.live is not None for run in session.runs)
    b.say(progress(1, 8.0, 7.0))
    a.say(progress(2, 1.0))
    told(several, session)
    assert [curve(run) for run in session.runs] == [
        [(0, 3.0), (1, 2.0), (2, 1.0)],
        [(0, 9.0), (1, 8.0), (2, 7.0)],
    ]


def test_a_command_goes_to_the_training_that_it_is_for() -> None:
    a, b = fake("a", started()), fake("b", started())
    several = Several([a, b])
    told(several)
    several.send(msg.Hold(lr=0.3, id=7, to=2))
    assert a.sent == []
    assert b.sent == [msg.Hold(lr=0.3, id=7)]
    several.send(msg.Hold(lr=0.3))  # for nobody
    assert [len(source.sent) for source in (a, b)] == [0, 1]


def test_the_next_run_of_a_training_ends_the_one_before_and_no_other() -> None:
    a = fake("a", started(), progress(0, 3.0))
    several = Several([a, fake("b", started())])
    session = told(several)
    a.say(started(run=2, lr=0.2), progress(0, 5.0, run=2))
    told(several, session)
    assert [(r.label, r.outcome) for r in session.runs] == [
        ("a", "stopped"),
        ("b", None),
        ("a", None),
    ]
    assert session.runs[2].lr == 0.2
    a.say(started(run=2, lr=0.4))  # told again, as after a lost connection
    told(several, session)
    assert len(session.runs) == 3
    assert session.runs[2].lr == 0.4


def test_what_one_offers_is_offered_while_it_is_in_focus() -> None:
    a, b = fake("a", started()), fake("b", started())
    b._waiting[0] = replace(b._waiting[0], capabilities=["hold", "stop"])
    session = told(Several([a, b]))
    assert not session.offers("stop")
    session.focus = 2
    assert session.offers("stop")


def test_each_is_paused_for_itself() -> None:
    state = msg.State(run=1, step=0, paused=True, speed=None, lr=0.1)
    session = told(Several([fake("a", started(), state), fake("b", started())]))
    assert [session.is_paused(run) for run in session.runs] == [True, False]


def test_a_source_that_fails_ends_its_own_run_alone() -> None:
    a = fake("a", started(), progress(0, 3.0))
    several = Several([a, fake("b", started())])
    session = told(several)
    a.say(msg.Failed(reason="gone"))
    told(several, session)
    assert [(run.outcome, run.reason) for run in session.runs] == [("failed", "gone"), (None, "")]
    assert session.runs[0].loss == 3.0
    assert session.failure == ""


def test_what_comes_later_joins(monkeypatch: pytest.MonkeyPatch) -> None:
    late = [fake("late", started())]
    several = Several([fake("a", started())], ["two logs"], lambda: [late.pop()] if late else [])
    session = told(several)
    assert len(session.runs) == 1
    monkeypatch.setattr("time.monotonic", lambda: 1e9)
    told(several, session)
    assert [run.label for run in session.runs] == ["a", "late"]
    assert session.greeting is not None
    assert session.greeting.title == "2 trainings"


def test_one_slow_source_leaves_time_for_frames_and_all_have_their_turn() -> None:
    order: list[str] = []

    class Slow(FakeSource):
        def poll(self, timeout: float | None = 0) -> list[msg.AnyMessage]:
            import time

            order.append(self.name)
            time.sleep(0.021)
            return super().poll(timeout)

        name = ""

    sources = [Slow([], lambda command: []) for _ in range(4)]
    for name, source in zip("abcd", sources, strict=True):
        source.name = name
    several = Several(sources)
    for polls in range(1, 9):
        several.poll()
        assert len(order) == polls  # one source at a time
    assert "".join(order) == "abcdabcd"


# --- settings -----------------------------------------------------------------------------


def test_yaml_as_trainings_write_it() -> None:
    text = "\n".join(
        [
            "# what was run",
            "lr: 1.0e-3",
            "model:",
            "  depth: 4  # layers",
            "  'name': \"small # one\"",
            "  betas: [0.9, 0.99]",
            "  act:",
            "    kind: relu",
            "data: !!python/object:x",
            "tags:",
            "- a",
            "seed: 1",
            "not yaml",
        ]
    )
    assert of_yaml(text) == {
        "lr": "1.0e-3",
        "model.depth": "4",
        "model.name": "small # one",
        "model.betas": "[0.9, 0.99]",
        "model.act.kind": "relu",
        "seed": "1",
    }


def test_a_command_line_says_what_it_sets() -> None:
    line = "train.py --lr 0.1 --wd=-0.5 --amp --shift -2 model.depth=4 +new=1 data/x.csv -- --no 1"
    assert of_command(line.split()) == {
        "lr": "0.1", "wd": "-0.5", "amp": "yes", "shift": "-2", "model.depth": "4", "new": "1",
    }  # fmt: skip


def test_files_beside_a_log(tmp_path: Path) -> None:
    assert beside(tmp_path) == {}
    (tmp_path / "files").mkdir()
    wandb = "wandb_version: 1\nlr:\n  desc: null\n  value: 0.1\n_wandb:\n  value:\n    x: 1\n"
    (tmp_path / "files" / "config.yaml").write_text(wandb)
    assert beside(tmp_path / "run.wandb") == {"wandb_version": "1", "lr": "0.1"}
    (tmp_path / "config.json").write_text(
        json.dumps({"a": {"b": [1, 2]}, "c": None, "\x1b[2J": 0.5})
    )
    found = beside(tmp_path)
    assert found.pop("a.b") == "[1, 2]"
    assert [*found.values()] == ["0.5"]
    assert "\x1b" not in str(found)
    (tmp_path / "config.json").write_text("{" * 100_000)
    assert beside(tmp_path)["lr"] == "0.1"


def test_databases_hold_a_run_each_with_its_parameters(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE metrics (key, value, timestamp, run_uuid, step, is_nan)")
        database.execute("CREATE TABLE params (key, value, run_uuid)")
        database.execute("CREATE TABLE runs (run_uuid, name, status, lifecycle_stage)")
        for at, (run, name) in enumerate((("1a", "one"), ("2b", "two"), ("3c", "three"))):
            stage = "deleted" if name == "three" else "active"
            status = "FAILED" if name == "one" else "RUNNING"
            database.execute("INSERT INTO runs VALUES (?, ?, ?, ?)", (run, name, status, stage))
            database.execute("INSERT INTO params VALUES ('depth', ?, ?)", (str(at), run))
            for step in range(5):
                row = ("loss", 3.0 - at, 1_700_000_000_000 + at * 10 + step, run, step, 0)
                database.execute("INSERT INTO metrics VALUES (?, ?, ?, ?, ?, ?)", row)
    database.close()
    readers = open_log(path)[0].runs()
    session = told(Several([LogSource(each, [], once=True, name=each.run) for each in readers]))
    found = {run.label: run for run in session.runs}
    assert {name: run.loss for name, run in found.items()} == {"one": 3.0, "two": 2.0}
    depths = {name: run.joined and run.joined.settings for name, run in found.items()}
    assert depths == {"one": {"depth": "0"}, "two": {"depth": "1"}}
    assert {name: run.outcome for name, run in found.items()} == {"one": "failed", "two": "stopped"}


@pytest.mark.parametrize("kind", ["trackio", "mlflow"])
def test_a_database_of_a_real_writer_has_one_run(kind: str) -> None:
    (reader,) = open_log(REAL[kind])[0].runs()
    assert reader.run == {"trackio": "r", "mlflow": "calm-bee"}[kind]


def test_mlflows_folder(tmp_path: Path) -> None:
    run = tmp_path / "mlruns" / "0" / "abc"
    for name, text in {
        "meta.yaml": "run_id: abc\n",
        "metrics/train/loss": "1700000000000 3.0 0\n1700000001000 2.5 1\n1700000002000 nan 2\n17",
        "metrics/lr": "1700000000000 0.1 0\n",
        "params/depth": "4",
        "tags/mlflow.runName": "brave-ant",
    }.items():
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).write_text(text)
    assert logs_in(tmp_path) == [run]
    (run / "meta.yaml").write_text("lifecycle_stage: deleted\n")
    assert logs_in(tmp_path) == []
    (run / "meta.yaml").write_text("lifecycle_stage: active\nstatus: 1\n")
    reader, _ = open_log(tmp_path)
    assert (reader.run, reader.settings) == ("brave-ant", {"depth": "4"})
    session = told(Several([LogSource(reader, [], once=True, name=reader.run)]))
    (found,) = session.runs
    assert curve(found) == [(0, 3.0), (1, 2.5)]
    assert (found.step, found.lr, found.label) == (2, 0.1, "brave-ant")


@pytest.mark.parametrize("kind", ["wandb", "mlflow", "mlruns"])
def test_a_run_that_its_tool_says_was_finished_is_over(kind: str) -> None:
    session = told(LogSource(*open_log(REAL[kind])))
    assert session.current is not None
    assert session.current.step == STEPS - 1
    assert session.current.outcome == "done"


def test_where_a_log_ends_its_verdict_stays(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text("".join(f'{{"step": {i}, "loss": {3 * 0.99**i}}}\n' for i in range(400)))
    run = told(LogSource(*open_log(path), once=True)).current
    assert run is not None
    assert (run.outcome, run.status()) == ("stopped", "falling")


def test_names_tell_logs_apart() -> None:
    paths = [Path(f"/x/runs/{name}/log/metrics.csv") for name in ("a", "b/c")]
    assert short_names(paths) == ["a", "b/c"]
    assert short_names([Path("/x/a.csv"), Path("/y/a.csv")]) == ["x", "y"]
    assert short_names([Path("/x/a.csv")]) == [""]


def test_all_real_logs_at_once(tmp_path: Path) -> None:
    readers = [open_log(path)[0] for path in (*REAL.values(), FILES / "tensorflow2")]
    several = Several([LogSource(each, [], once=True) for each in readers])
    session = Session()
    while messages := several.poll(None):
        for message in messages:
            session.apply(message)
    assert len(session.runs) == len(readers)
    assert all(run.loss is not None and not run.is_on for run in session.runs)
    assert several.is_over


def test_a_folder_with_a_loop_and_a_fifo(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "log.jsonl").write_text('{"step": 0, "loss": 1}\n')
    os.symlink(tmp_path, tmp_path / "a" / "loop")
    os.mkfifo(tmp_path / "a" / "pipe.jsonl")
    assert sorted(path.parent.name for path in logs_in(tmp_path)) == ["a", "b"]


@pytest.mark.parametrize("kind", ["tensorboard", "wandb", "trackio", "mlflow", "mlruns"])
def test_the_configuration_that_a_real_writer_keeps(kind: str) -> None:
    session = told(Several([LogSource(open_log(REAL[kind])[0], [])]))
    (run,) = session.runs
    assert run.joined is not None
    assert run.joined.settings["depth"] in ("4", "4.0")
