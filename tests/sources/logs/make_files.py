"""Makes the logs under ``files/`` with the tools that write such logs.

``pip install tensorboard tensorboardX wandb dvclive trackio mlflow numpy``, in an environment of
their own, then ``python tests/sources/logs/make_files.py``. They are small, and kept.
"""

# ruff: noqa: ANN001, ANN201
# mypy: ignore-errors

import math
import os
import re
import shutil
import sqlite3
import sys
import tempfile
from pathlib import Path

FILES = Path(__file__).parent / "files"
STEPS = 60


def loss(step):
    return 3 / (1 + step / 10) + 0.05 * math.sin(step)


def rate(step):
    return 0.1 * (1 - step / STEPS)


def tensorboardx(folder):
    import numpy as np
    from tensorboardX import SummaryWriter
    from tensorboardX.summary import hparams as summaries

    def hparams(settings):  # noqa: ANN202
        return summaries(settings, {})

    writer = SummaryWriter(str(folder))
    for step in range(STEPS):
        writer.add_scalar("train/loss", loss(step), step)
        writer.add_scalar("train/lr", rate(step), step)
        if step % 20 == 19:
            writer.add_scalar("val/loss", 1.1 * loss(step), step)
    writer.add_histogram("weights", np.arange(100.0), 3)
    writer.add_text("note", "hello", 3)
    writer.file_writer.add_summary(hparams({"depth": 4, "kind": "relu", "lr": 0.1})[1])
    writer.close()


def tensorflow2(folder):
    """As tf.summary.scalar does, by the summaries of the tensorboard package itself."""
    from tensorboard.compat.proto.event_pb2 import Event, SessionLog
    from tensorboard.plugins.scalar.summary_v2 import scalar_pb
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    for part in ("train", "validation"):
        writer = EventFileWriter(str(folder / part))
        for step in range(STEPS):
            summary = scalar_pb("epoch_loss", loss(step))
            writer.add_event(Event(step=step, wall_time=1.1e9 + step, summary=summary))
        writer.close()
    # A restart at step 40.
    writer = EventFileWriter(str(folder / "train"), filename_suffix=".2")
    writer.add_event(Event(step=40, session_log=SessionLog(status=SessionLog.START)))
    for step in range(40, 50):
        event = Event(step=step, wall_time=1.2e9 + step, summary=scalar_pb("epoch_loss", 9.0))
        writer.add_event(event)
    writer.close()


def wandb(folder):
    os.environ |= {"WANDB_MODE": "offline", "WANDB_SILENT": "true"}
    import wandb

    with tempfile.TemporaryDirectory() as there:
        quiet = {"x_disable_meta": True, "x_disable_stats": True, "console": "off"}
        settings = wandb.Settings(
            host="host", username="user", x_disable_machine_info=True, **quiet
        )
        run = wandb.init(project="p", dir=there, settings=settings, config={"depth": 4})
        for step in range(STEPS):
            row = {"train/loss": loss(step), "train/lr": rate(step), "text": "x" * 600}
            run.log(row | ({"val/loss": 1.1 * loss(step)} if step % 20 == 19 else {}))
        run.finish()
        (made,) = Path(there).rglob("*.wandb")
        folder.mkdir()
        shutil.copy(made, folder / "run.wandb")


def dvclive(folder):
    from dvclive import Live

    os.chdir(tempfile.mkdtemp())
    with Live(str(folder), save_dvc_exp=False) as live:
        for step in range(STEPS):
            live.log_metric("train/loss", loss(step))
            live.log_metric("lr", rate(step))
            live.next_step()


def trackio(folder):
    os.environ["TRACKIO_DIR"] = there = tempfile.mkdtemp()
    import trackio

    trackio.init(project="p", name="r", config={"depth": 4})
    for step in range(STEPS):
        trackio.log({"train/loss": loss(step), "lr": rate(step)})
    trackio.finish()
    (made,) = Path(there).rglob("p.db")
    folder.mkdir()
    only_metrics(made, folder / "p.db")


def mlflow(folder):
    import mlflow

    folder.mkdir()
    there = tempfile.mkdtemp()
    mlflow.set_tracking_uri(f"sqlite:///{there}/mlflow.db")
    with mlflow.start_run(run_name="calm-bee"):
        mlflow.log_params({"depth": 4})
        for step in range(STEPS):
            mlflow.log_metrics({"train_loss": loss(step), "lr": rate(step)}, step=step)
    with sqlite3.connect(f"{there}/mlflow.db") as database:
        database.execute("UPDATE runs SET artifact_uri = '', user_id = ''")  # of that machine
    only_metrics(f"{there}/mlflow.db", folder / "mlflow.db")


def mlruns(folder):
    os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
    import mlflow

    there = tempfile.mkdtemp()
    mlflow.set_tracking_uri(f"file://{there}/mlruns")
    with mlflow.start_run(run_name="brave-ant") as run:
        mlflow.log_params({"depth": 4})
        for step in range(STEPS):
            mlflow.log_metrics({"train/loss": loss(step), "lr": rate(step)}, step=step)
    made, to = Path(there, "mlruns", "0", run.info.run_id), folder / "0" / "run"
    for part in ("metrics", "params"):
        shutil.copytree(made / part, to / part)
    (to / "tags").mkdir()
    shutil.copy(made / "tags" / "mlflow.runName", to / "tags")
    kept = [line for line in (made / "meta.yaml").read_text().splitlines() if ABOUT.match(line)]
    (to / "meta.yaml").write_text("\n".join([*kept, ""]))  # the rest is about that machine


ABOUT = re.compile("lifecycle_stage|run_name|status")
KEPT = ("metrics", "params", "configs", "runs")


def only_metrics(made, to):
    """Copy of a database what is read."""
    with sqlite3.connect(made) as database:
        found = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        tables = [name for (name,) in found if name not in KEPT and not name.startswith("sqlite")]
        database.execute("PRAGMA foreign_keys = OFF")
        for name in tables:
            database.execute(f'DROP TABLE "{name}"')
    with sqlite3.connect(made) as database:
        database.execute("VACUUM INTO ?", (str(to),))


if __name__ == "__main__":
    FILES.mkdir(exist_ok=True)
    for make in (tensorboardx, tensorflow2, wandb, dvclive, trackio, mlflow, mlruns):
        if not sys.argv[1:] or make.__name__ in sys.argv[1:]:
            shutil.rmtree(FILES / make.__name__, ignore_errors=True)
            make(FILES / make.__name__)
