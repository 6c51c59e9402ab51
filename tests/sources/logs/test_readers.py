"""Logs of each format, by the tools that write them where they are installed."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from lrtui.session.run import Run
from lrtui.sources.logs.dvclive import DvcLive
from lrtui.sources.logs.find import READERS, NoLog, logs_in, open_log
from lrtui.sources.logs.names import is_gradient_norm, is_held_out, loss_rank, rate_rank
from lrtui.sources.logs.printed import Printed, step_of, values_of
from tests.sources.logs.logs import (
    FILES,
    REAL,
    STEPS,
    curve,
    events,
    field,
    read_now,
    record,
    run_of,
    scalar,
    session_of,
)


def loss(step: int) -> float:
    """As ``make_files.py`` has it."""
    return 3 / (1 + step / 10) + 0.05 * math.sin(step)


@pytest.mark.parametrize("kind", REAL)
def test_what_real_tools_write_is_read_whole(kind: str) -> None:
    reader, _ = open_log(REAL[kind])
    assert reader.format == kind
    run = run_of(REAL[kind])
    assert [step for step, _ in curve(run)] == [*range(STEPS)]
    assert [value for _, value in curve(run)] == pytest.approx([*map(loss, range(STEPS))], rel=1e-5)
    assert run.lr == pytest.approx(0.1)
    assert run.rate_now == pytest.approx(0.1 * (1 - 59 / 60))
    assert run.live is not None
    assert not run.every_step_sees_all
    if kind in ("tensorboard", "wandb"):
        assert run.live.scalars["val/loss"].last == pytest.approx(1.1 * loss(59), rel=1e-5)


@pytest.mark.slow
def test_the_scalars_of_files_of_their_own_are_read_step_by_step(tmp_path: Path) -> None:
    folder = tmp_path / "plots" / "metrics" / "train"
    folder.mkdir(parents=True)
    values = {"loss": 3.0, "lr": 0.1, "accuracy": 0.5}
    for name, value in values.items():
        rows = "".join(f"{step}\t{value / (step + 1)}\n" for step in range(20_000))
        (folder / f"{name}.tsv").write_text(f"step\t{name}\n{rows}")
    steps = [entry[0] for entry in read_now(DvcLive(tmp_path))]
    assert steps == sorted([*range(20_000)] * 3)
    run = run_of(tmp_path)
    assert (run.step, run.lr, run.rates and run.rates.largest) == (19_999, 0.1, 0.1)


def test_tensors_of_tensorflow_2_in_folders_and_a_restart_that_voids_steps() -> None:
    run = run_of(FILES / "tensorflow2")
    found = dict(curve(run))
    assert [*found] == [*range(50)]
    assert found[39] == pytest.approx(loss(39), rel=1e-6)
    assert {found[step] for step in range(40, 50)} == {9.0}
    assert run.live is not None
    assert run.live.scalars["validation/epoch_loss"].last == pytest.approx(loss(59), rel=1e-6)


@pytest.mark.slow
def test_the_csv_of_lightning_with_its_header_written_anew(tmp_path: Path) -> None:
    lightning = pytest.importorskip("lightning.pytorch.loggers")
    logger = lightning.CSVLogger(tmp_path, name="", version="v", flush_logs_every_n_steps=1)
    path = tmp_path / "v" / "metrics.csv"
    for step in range(0, 40, 2):
        logger.log_metrics({"train_loss": 3.0 - step / 40, "lr-AdamW": 0.01}, step=step)
        if step == 20:
            assert len(curve(run_of(path))) == 11
            logger.log_metrics({"val_loss": 2.9, "epoch": 0}, step=step)
    run = run_of(path)
    assert curve(run) == [(step, 3.0 - step / 40) for step in range(0, 40, 2)]
    assert run.rate_now == 0.01
    assert run.live is not None
    assert run.live.scalars["val_loss"].last == 2.9


@pytest.mark.slow
def test_trainer_state_of_transformers(tmp_path: Path) -> None:
    state = pytest.importorskip("transformers.trainer_callback").TrainerState()
    state.max_steps = 100
    for step in range(10, 60, 10):
        row = {"loss": 3.0 - step / 100, "learning_rate": 1e-4, "grad_norm": 1.5, "epoch": 0.1}
        state.log_history.append(row | {"step": step})
    state.log_history.append({"eval_loss": 2.0, "epoch": 0.5, "step": 50})
    state.log_history.append({"train_loss": 2.7, "train_runtime": 12.0, "step": 50})
    for number in (40, 50):
        (tmp_path / f"checkpoint-{number}").mkdir()
        state.save_to_json(str(tmp_path / f"checkpoint-{number}" / "trainer_state.json"))
    for path in (
        tmp_path,
        tmp_path / "checkpoint-50",
        tmp_path / "checkpoint-50/trainer_state.json",
    ):
        run = run_of(path)
        assert curve(run) == [(step, 3.0 - step / 100) for step in range(10, 60, 10)]
        assert run.live is not None
        assert {"grad_norm", "eval_loss", "train_loss"} <= {*run.live.scalars}
        assert run.live.vitals is not None
        assert run.live.vitals.total == 100
        assert run.outcome == "stopped"
    state.global_step = 100
    state.save_to_json(str(tmp_path / "checkpoint-50" / "trainer_state.json"))
    assert run_of(tmp_path).outcome == "done"


TABLES = {
    "keras": "epoch,accuracy,loss,val_loss\n0,0.5,2.0,NA\n1,0.6,1.5,1.9\n2,0.7,1.25,NA\n",
    "fastai": "epoch,train_loss,valid_loss,time\n0,2.0,2.1,0:12\n1,1.5,1.6,0:11\n2,1.25,1.4,0:11\n",
    "semicolons": "\ufeffstep;loss;lr\r\n0;2.0;0.1\r\n1;1.5;0.1\r\n2;1.25;0.1\r\n",
    "quoted": '"global_step","train/loss","note"\n0,2.0,"a, b"\n1,1.5,c\n2,1.25,\n',
    "twice": "step,loss\n0,2.0\nstep,loss\n1,1.5\n2,1.25\n",
    "restarted": "step,loss\n0,2.0\n1,9\n2,9\n1,1.5\n2,1.25\n",
}


@pytest.mark.parametrize("name", TABLES)
def test_tables(name: str, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(TABLES[name])
    assert curve(run_of(path)) == [(0, 2.0), (1, 1.5), (2, 1.25)]


def test_json_lines_nested_with_times_and_what_is_no_json(tmp_path: Path) -> None:
    path = tmp_path / "log"
    rows = [{"step": i, "train": {"loss": 2.0 - i, "lr": 0.1}, "time": 1.7e9 + i} for i in range(2)]
    path.write_text("\n".join(map(json.dumps, rows)) + "\nnot json\n[1]\n" + '{"a": [' * 9 + "\n")
    session, said = session_of(path)
    assert session.current is not None
    assert curve(session.current) == [(0, 2.0), (1, 1.0)]
    assert session.current.seconds == 1.0
    at = sum(len(json.dumps(row)) + 1 for row in rows)
    assert said[0] == f"{path} has no JSON object at byte {at}; it is left out"


PRINTED = {
    "nanoGPT": ("iter 100: loss 2.3, time 12.30ms, mfu 1.2%", 100, {"loss": 2.3}),
    "nanoGPT's evaluation": (
        "step 250: train loss 2.1123, val loss 2.2",
        250,
        {"train loss": 2.1123, "val loss": 2.2},
    ),
    "nanochat": ("step 00010/21400 (0.05%) | loss: 8.1 | lrm: 1.00 | dt: 3.4ms", 10, {"loss": 8.1}),
    "litgpt": (
        "Epoch 1 | iter 10 step 2 | loss train: 2.3, val: 2.5 | iter time: 12.00 ms (step)",
        10,
        {"loss train": 2.3, "val loss": 2.5},
    ),
    "Megatron": (
        " [2024-01-01 10:00:00] iteration       10/  500000 | consumed samples: 640 | elapsed time "
        "per iteration (ms): 1234.5 | learning rate: 1.0E-05 | lm loss: 1.05E+01 | loss scale: 1.0 "
        "| grad norm: 2.334 |",
        10,
        {"lm loss": 10.5, "learning rate": 1e-5, "grad norm": 2.334},
    ),
    "transformers": (
        "{'loss': 2.3, 'grad_norm': 1.2, 'learning_rate': 5e-05, 'epoch': 0.1}",
        None,
        {"loss": 2.3, "learning_rate": 5e-5, "grad_norm": 1.2},
    ),
    "colours": ("\x1b[32mstep=7\x1b[0m train_loss=1.5 lr=1e-3", 7, {"train_loss": 1.5, "lr": 1e-3}),
    "tutorials": ("Epoch [3/10], Step [100/600], Loss: 0.1234", 100, {"Loss": 0.1234}),
    "not a number": ("loss: nan step 5", 5, {}),
}


@pytest.mark.parametrize("name", PRINTED)
def test_printed_lines(name: str, tmp_path: Path) -> None:
    line, step, values = PRINTED[name]
    path = tmp_path / "out.log"
    path.write_text(f"Starting\n{line}\n")
    ((at, found, _),) = read_now(open_log(path)[0])  # type: ignore[misc]
    assert at == (step or 1)
    assert values.items() <= found.items()
    assert any(loss_rank(name) for name in found)


@pytest.mark.parametrize("line", ["", "loading", "loss of power", "batch 3 of 4", "2 losses", "lr"])
def test_other_lines_are_none(line: str) -> None:
    assert values_of(line) == {}


def test_steps_that_begin_anew_in_each_epoch_go_on(tmp_path: Path) -> None:
    path = tmp_path / "out.log"
    lines = [f"Epoch {e} | batch {b}/3 | loss: {e}.{b}" for e in (1, 2) for b in (1, 2, 3)]
    path.write_text("\n".join(lines) + "\n")
    assert [step for step, _ in curve(run_of(path))] == [1, 2, 3, 4, 5, 6]
    assert step_of(lines[0]) == (1, 1.0, 3)


TQDM = """\
Epoch 0:   0%|          | 0/200 [00:00<?, ?it/s]\r\
Epoch 0:  12%|█▏        | 24/200 [00:00<00:00, 233.49it/s, loss=0.6, lr=0.001]\r\
Epoch 0: 100%|██████████| 200/200 [00:00<00:00, 235.62it/s, loss=0.5, lr=0.001]
epoch 0 val loss 0.7
Epoch 1:  15%|█▌        | 30/200 [00:00<00:00, 235.64it/s, loss=0.4, lr=0.001]\r\
Epoch 1: 100%|██████████| 200/200 [00:00<00:00, 235.62it/s, loss=0.3, lr=0.001]
epoch 1 val loss 0.6
"""

KERAS = """\
Epoch 1/2
\x1b[1m 1/85\x1b[0m \x1b[37m━━━━━\x1b[0m \x1b[1m8s\x1b[0m 106ms/step - accuracy: 0.5 - loss: 0.8\r\
\x1b[1m85/85\x1b[0m \x1b[32m━━━━━\x1b[0m\x1b[37m\x1b[0m \x1b[1m0s\x1b[0m - loss: 0.7 - val_loss: 0.6
Epoch 2/2
\x1b[1m 9/85\x1b[0m \x1b[37m━━━━━\x1b[0m \x1b[1m0s\x1b[0m 4ms/step - accuracy: 0.5 - loss: 0.5\r\
\x1b[1m85/85\x1b[0m \x1b[32m━━━━━\x1b[0m\x1b[37m\x1b[0m \x1b[1m0s\x1b[0m - loss: 0.4 - val_loss: 0.5
"""

QUICKSTART = """\
Epoch 1
-------------------------------
loss: 2.303494  [   64/ 2000]
loss: 2.294637  [ 1664/ 2000]
Epoch 2
-------------------------------
loss: 2.168744  [   64/ 2000]
"""


@pytest.mark.parametrize(
    ("text", "losses", "held_out"),
    [
        (TQDM, [(24, 0.6), (200, 0.5), (230, 0.4), (400, 0.3)], ("val loss", [200, 400])),
        (
            re.sub(r"Epoch \d: |epoch .*\n", "", TQDM),
            [(24, 0.6), (200, 0.5), (230, 0.4), (400, 0.3)],
            None,
        ),
        (KERAS, [(1, 0.8), (85, 0.7), (94, 0.5), (170, 0.4)], ("val_loss", [85, 170])),
        (QUICKSTART, [(64, 2.303494), (1664, 2.294637), (2064, 2.168744)], None),
    ],
    ids=["tqdm", "tqdm without a name", "Keras", "PyTorch's quickstart"],
)
def test_bars_of_each_epoch_go_on(
    text: str,
    losses: list[tuple[int, float]],
    held_out: tuple[str, list[int]] | None,
    tmp_path: Path,
) -> None:
    path = tmp_path / "out.log"
    path.write_text(text)
    run = run_of(path)
    assert curve(run) == losses
    assert run.live is not None
    assert total_of(run) is None
    if held_out is not None:
        name, steps = held_out
        assert run.live.scalars[name].recent_steps.tolist() == steps


def test_a_bar_of_all_steps_tells_how_many_they_are(tmp_path: Path) -> None:
    path = tmp_path / "out.log"
    path.write_text(" 12%|█▏   | 24/200 [00:00<00:00, 233.49it/s, loss=0.6]\n")
    assert total_of(run_of(path)) == 200


def total_of(run: Run) -> int | None:
    return run.live.vitals.total if run.live is not None and run.live.vitals is not None else None


@pytest.mark.parametrize("write", [str, json.dumps], ids=["printed", "json"])
def test_where_an_epoch_was_a_fraction_none_is_a_step(
    write: Callable[[object], str], tmp_path: Path
) -> None:
    # As transformers prints them; in its newer versions numbers are texts, 1.0 is '1'.
    rows = [{"loss": f"{6 - i}", "epoch": f"{i / 2:g}"} for i in range(1, 6)]
    (tmp_path / "x").write_text("\n".join([*map(write, rows), ""]))
    assert curve(run_of(tmp_path / "x")) == [(1, 5.0), (2, 4.0), (3, 3.0), (4, 2.0), (5, 1.0)]
    whole = rows[1::2]
    (tmp_path / "y").write_text("\n".join([*map(write, whole), ""]))
    assert curve(run_of(tmp_path / "y")) == [(1, 4.0), (2, 2.0)]


SKORCH = """\
  epoch    train_loss    valid_loss    cp      lr     dur
-------  ------------  ------------  ----  ------  ------
      1        \x1b[36m0.3800\x1b[0m        \x1b[35m0.1713\x1b[0m     +  0.0500  0.0782
      2        0.2225        0.1456        0.0498  0.0704
Stopping since valid_loss has not improved.
"""

FASTAI = """\
epoch     train_loss  valid_loss  time    
0         0.698125    0.693147    00:00     
Epoch 2/2 : |------| 0.00% [0/110 00:00<?]\r\
1         0.520000    0.610000    00:00     
"""  # noqa: W291


@pytest.mark.parametrize(
    ("text", "losses", "held_out", "rates"),
    [
        (SKORCH, [(1, 0.38), (2, 0.2225)], [0.1713, 0.1456], [0.05, 0.0498]),
        (FASTAI, [(0, 0.698125), (1, 0.52)], [0.693147, 0.61], []),
    ],
    ids=["skorch", "fastai"],
)
def test_a_printed_table(
    text: str,
    losses: list[tuple[int, float]],
    held_out: list[float],
    rates: list[float],
    tmp_path: Path,
) -> None:
    path = tmp_path / "out.log"
    path.write_text(f"the step and loss of each epoch\n{text}")
    run = run_of(path)
    assert curve(run) == losses
    assert run.live is not None
    assert run.live.scalars["valid_loss"].recent.tolist() == held_out
    found = run.rates.recent.tolist() if run.rates is not None else []
    assert found == rates


@pytest.mark.parametrize("form", ["printed", "json"])
def test_an_evaluation_is_no_step_where_rows_are_counted(form: str, tmp_path: Path) -> None:
    losses = [{"loss": 3.0}, {"loss": 2.0}, {"eval_loss": 2.5}, {"loss": 1.0}]
    write = json.dumps if form == "json" else str
    (tmp_path / "x").write_text("\n".join([*map(write, losses), ""]))
    run = run_of(tmp_path / "x")
    assert curve(run) == [(1, 3.0), (2, 2.0), (3, 1.0)]
    assert run.live is not None
    assert run.live.scalars["eval_loss"].recent_steps.tolist() == [2]
    (tmp_path / "y").write_text("\n".join([*(write({"eval_loss": v}) for v in (3.0, 2.0)), ""]))
    assert curve(run_of(tmp_path / "y")) == [(1, 3.0), (2, 2.0)]


def test_a_pattern_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "out.log"
    path.write_text("".join(f"@{i}: L={3 - i} r=.1 acc=0.{i}\r" for i in range(3)) + "\n")
    reader = open_log(path, "text")[0]
    assert isinstance(reader, Printed)
    reader.pattern = re.compile(r"@(?P<step>\d+): L=(?P<loss>\d+) r=(?P<lr>\S+) acc=(?P<acc>\S+)")
    rows = read_now(reader)
    assert rows == [(i, {"loss": 3.0 - i, "lr": 0.1, "acc": i / 10}, 0.0) for i in range(3)]


@pytest.mark.parametrize(
    "names",
    [
        ["train/loss", "loss", "val/loss", "eval_loss"],
        ["loss", "train_loss", "train/train_loss", "val_loss"],
        ["loss/train", "train_loss_epoch", "aux_loss", "valid_loss"],
        ["train_loss_step", "train_loss_epoch", "kl_loss"],
        ["lm loss", "val loss"],
        ["Loss/train", "Loss/test"],
        ["val_loss", "test_nll"],
    ],
)
def test_the_loss_is_known_by_its_name(names: list[str]) -> None:
    ranks = [loss_rank(name) for name in names]
    assert None not in ranks
    assert min(names, key=lambda name: loss_rank(name) or (99,)) == names[0]
    assert all(
        is_held_out(name) == ("val" in name or "test" in name or "eval" in name) for name in names
    )


def test_rates_and_norms_are_known_by_their_names() -> None:
    for name in (
        "lr",
        "learning_rate",
        "train/lr",
        "lr-AdamW",
        "learning rate",
        "charts/learning_rate",
    ):
        assert rate_rank(name), name
    for name in ("lrm", "lr-AdamW-momentum", "loss", "color", "lr_scale"):
        assert rate_rank(name) is None, name
    names = ("train/grad_norm", "grad norm", "grad_norm/layer1", "norm")
    assert [*map(is_gradient_norm, names)] == [True, True, False, False]
    for name in ("loss scale", "accuracy", "lossless_audio", "glossary"):
        assert loss_rank(name) is None, name


# --- what is found ------------------------------------------------------------------------


def test_the_log_of_a_folder_that_was_written_last(tmp_path: Path) -> None:
    for at, (name, value) in enumerate([("a", 1.0), ("b", 2.0), ("c", 3.0)]):
        (tmp_path / name).mkdir()
        path = tmp_path / name / "events.out.tfevents.1.x"
        path.write_bytes(events([(0, value)]))
        os.utime(path, (1e9 + at, 1e9 + at))
    (tmp_path / "a" / "notes.txt").write_text("nothing to see\n")
    os.symlink(tmp_path, tmp_path / "a" / "loop")
    session, _ = session_of(tmp_path)
    assert session.current is not None
    assert curve(session.current) == [(0, 3.0)]
    assert [path.name for path in logs_in(tmp_path)] == ["c", "b", "a"]


def test_what_wandb_writes_beside_a_run_is_no_log(tmp_path: Path) -> None:
    run = tmp_path / "wandb" / "offline-run-1" / "run-1.wandb"
    debug = '{"time": 1, "level": "INFO", "pid": 7655}\n'
    for path, text in {
        run.parent / "logs" / "debug-core.log": debug,
        run.parent / "files" / "output.log": "step 1 loss: 2.0\nstep 2 loss: 1.0\n",
        tmp_path / "wandb" / "debug.log": debug,
        tmp_path / "mine.log": "step 1 loss: 2.0\nstep 2 loss: 1.0\n",
    }.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    shutil.copy(REAL["wandb"], run)
    assert sorted(logs_in(tmp_path)) == [tmp_path / "mine.log", run]
    assert logs_in(tmp_path / "wandb") == [run]
    assert logs_in(run.parent) == [run]


def test_a_training_is_found_once_in_what_its_tools_write(tmp_path: Path) -> None:
    state = json.dumps({"log_history": [{"step": 1, "loss": 2.0}]})
    text, event = b"step 1 loss: 2.0\n", events([(1, 2.0)])
    for name, data in {
        "a/checkpoint-10/trainer_state.json": state.encode(),
        "a/checkpoint-20/trainer_state.json": state.encode(),
        "a/train.log": text,
        "b/trainer_state.json": state.encode(),
        "b/checkpoint-20/trainer_state.json": state.encode(),
        "b/runs/Nov30_host/events.out.tfevents.1": event,
        "c/events.out.tfevents.1": event,
        "c/metrics.csv": b"step,loss\n1,2\n",
        "d/one.log": text,
        "d/two.log": text,
        "d/three/events.out.tfevents.1": event,
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    found = sorted(path.relative_to(tmp_path).as_posix() for path in logs_in(tmp_path))
    assert found == ["a", "b/runs/Nov30_host", "c", "d/one.log", "d/three", "d/two.log"]
    assert curve(run_of(tmp_path / "a")) == [(1, 2.0)]


def test_a_folder_or_file_without_a_log_is_said(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing to see\n")
    (tmp_path / "x.bin").write_bytes(os.urandom(1000))
    os.mkfifo(tmp_path / "pipe")
    for name, why in {
        "": "nothing in .* is a log that lrtui knows: TensorBoard",
        "notes.txt": "notes.txt is not a log that lrtui knows",
        "x.bin": "x.bin is not a log that lrtui knows",
        "pipe": "pipe is not a file or a folder",
        "none/x.csv": "there is no such file, nor its folder",
        "later": "is not there, and its name does not say what will come",
    }.items():
        with pytest.raises(NoLog, match=why):
            open_log(tmp_path / name)


def test_a_format_of_ones_choice(tmp_path: Path) -> None:
    for kind in READERS:
        reader, said = open_log(tmp_path / "there is nothing", kind)
        assert reader.format == kind
        assert read_now(reader) == []
        assert said == [f"waiting for {tmp_path / 'there is nothing'}"]


# --- what is hostile ----------------------------------------------------------------------


@pytest.mark.slow
def test_control_codes_many_scalars_and_numbers_of_every_kind(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    row = {f"s{i}": i for i in range(100_000)} | {"val\x1b[31m/loss": 1.5, "loss": 2.0, "step": 1}
    huge = '{"step": 2, "loss": 1' + "0" * 400 + ', "s1": NaN, "lr": -Infinity}\n'
    odd = '{"step": 1e99, "loss": 7}\n{"step": -5, "loss": true}\n{"step": "4", "loss": "1.5"}\n'
    path.write_text(json.dumps(row) + "\n" + huge + '{"step": 3, "loss": NaN}\n' + odd)
    session, said = session_of(path)
    run = session.current
    assert run is not None
    assert run.live is not None
    assert (1, 2.0) in curve(run)
    assert run.series is not None
    assert run.series.broken == 2
    assert len(run.live.scalars) <= 32
    assert "val [31m/loss" in run.live.scalars
    assert said == ["99,977 more scalars are left out: there is room for 32"]


def test_events_of_another_kind_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "events.out.tfevents.1"
    large = record(field(5, b"\0" * 100_000))
    histogram = record(b"\x10\x05" + field(5, field(1, field(1, b"h") + field(5, b"\x01" * 20))))
    broken = record(b"\xff" * 30)
    name = scalar(2, b"\xff\xfe", 1.0)
    tensor = field(1, b"\x08\x01"[:0]) + b"\x08\x01" + field(4, struct.pack("<2f", 1, 2))
    two = record(b"\x10\x05" + field(5, field(1, field(1, b"t") + field(8, tensor))))
    path.write_bytes(
        record(b"\x1a\x0dbrain.Event:2") + events([(0, 2.0)]) + large + histogram + broken + name
        + two + events([(1, 1.0)])
    )  # fmt: skip
    session, said = session_of(path)
    assert session.current is not None
    assert curve(session.current) == [(0, 2.0), (1, 1.0)]
    assert said == []
