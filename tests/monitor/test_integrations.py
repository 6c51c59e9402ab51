"""Unmodified trainers of Lightning and transformers: under ``lrtui run``, and with a callback."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from lrtui.messages import (
    AnyMessage,
    Checkpoint,
    Ended,
    Hold,
    Progress,
    Rewind,
    Stop,
)
from tests.monitor.trainings import Viewer, training, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

LIGHTNING = """
import json, logging, sys, time, warnings
warnings.filterwarnings("ignore")
logging.getLogger("lightning.pytorch").setLevel(40)
import torch, lightning as L
from lightning.pytorch.callbacks import Callback
{imports}
L.seed_everything(0, verbose=False)
SEEN = []
class M(L.LightningModule):
    def __init__(self):
        super().__init__(); self.l = torch.nn.Linear(4, 1)
    def training_step(self, batch, i):
        loss = (self.l(batch[0]) ** 2).mean(); SEEN.append(loss.item())
        self.log("train_loss", loss); time.sleep(0.002)
        return loss
    def configure_optimizers(self):
        o = torch.optim.AdamW(self.parameters(), 1e-2)
        s = torch.optim.lr_scheduler.LambdaLR(o, lambda e: 1 / (1 + 0.001 * e))
        return [o], [{{"scheduler": s, "interval": "step"}}]
model = M()
data = torch.utils.data.TensorDataset(torch.randn(40, 4))
trainer = L.Trainer(max_epochs=1000, logger=False, enable_checkpointing={keep}, accelerator="cpu",
    enable_progress_bar=False, enable_model_summary=False, accumulate_grad_batches=2,
    default_root_dir=sys.argv[2], callbacks=[{callback}])
try:
    trainer.fit(model, torch.utils.data.DataLoader(data, batch_size=4))
finally:
    json.dump(SEEN, open(sys.argv[1], "w"))
print("fit is over at", trainer.global_step)
"""

HUGGING = """
import json, sys, time, warnings
warnings.filterwarnings("ignore")
import torch
from transformers import Trainer, TrainingArguments
{imports}
SEEN = []
class Net(torch.nn.Module):
    def __init__(self):
        super().__init__(); self.l = torch.nn.Linear(4, 1)
    def forward(self, x, labels=None):
        loss = ((self.l(x) - labels) ** 2).mean(); time.sleep(0.002)
        if torch.is_grad_enabled():  # lrtui's own forward passes have none
            SEEN.append(loss.item())
        return {{"loss": loss}}
torch.manual_seed(0)
model = Net()
data = [{{"x": torch.randn(4), "labels": torch.randn(1)}} for _ in range(32)]
arguments = TrainingArguments(output_dir=sys.argv[2], max_steps=5000, report_to=[], use_cpu=True,
    per_device_train_batch_size=4, gradient_accumulation_steps=2, disable_tqdm=True,
    logging_steps=10, save_strategy="no", learning_rate=1e-2)
trainer = Trainer(model=model, args=arguments, train_dataset=data, callbacks=[{callback}])
try:
    trainer.train()
finally:
    json.dump(SEEN, open(sys.argv[1], "w"))
print("fit is over at", trainer.state.global_step)
"""


def check_losses(viewer: Viewer, seen: list[float]) -> None:
    """Each step is the mean of the two parts that it was accumulated of."""
    told = viewer.column("loss")
    assert len(told) > 30
    for step, loss in told.items():
        if 2 * step <= len(seen):
            assert loss == pytest.approx((seen[2 * step - 2] + seen[2 * step - 1]) / 2, rel=1e-4)


def steer(viewer: Viewer) -> int:
    """Hold the rate for a while, then stop; return the step at which it did."""
    viewer.wait_for(lambda: len(viewer.column("loss")) > 10, "steps")
    held = viewer.tell(Hold(lr=0.003))
    viewer.wait_for(lambda: max(viewer.column("loss")) > held.step + 20, "more steps")
    assert viewer.column("lr")[held.step + 1] == pytest.approx(0.003)
    return viewer.tell(Stop()).step


@pytest.mark.parametrize("source", [LIGHTNING, HUGGING], ids=["lightning", "transformers"])
def test_an_unmodified_trainer_under_lrtui_run(source: str, tmp_path: Path) -> None:
    pytest.importorskip("lightning" if source is LIGHTNING else "transformers")
    path, out = tmp_path / "fit.py", tmp_path / "out"
    path.write_text(source.format(imports="", callback="", keep="False"))
    command = ("-m", "lrtui", "run", str(path), str(out), str(tmp_path / "root"))
    with training(*command, env=quiet()) as running:
        viewer = running.viewer()
        stopped = steer(viewer)
        viewer.read_all()
        # Stopped by the framework's own means: it goes on to the end of its script.
        assert running.wait() == 0
        assert "Traceback" not in running.output()
        assert f"fit is over at {stopped}" in running.output()
    check_losses(viewer, json.loads(out.read_text()))


def quiet() -> dict[str, str]:
    return {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", **os.environ}


def test_the_callback_of_lightning(tmp_path: Path) -> None:
    pytest.importorskip("lightning")
    found = with_callback(LIGHTNING, "lightning", tmp_path)
    assert list((tmp_path / "root").glob("lrtui-step-*.ckpt"))
    assert "train_loss" in found


def test_the_callback_of_transformers(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    found = with_callback(HUGGING, "huggingface", tmp_path)
    assert list((tmp_path / "root").glob("checkpoint-*"))
    assert "grad_norm" in found


def with_callback(source: str, module: str, tmp_path: Path) -> set[str]:
    """Steer a trainer with its callback; return the names of the scalars that were told."""
    path, out = tmp_path / "fit.py", tmp_path / "out"
    imports = f"from lrtui.integrations.{module} import MonitorCallback"
    path.write_text(
        source.format(imports=imports, callback='MonitorCallback(name="mine")', keep="True")
    )
    with training(str(path), str(out), str(tmp_path / "root"), env=quiet()) as running:
        viewer = running.viewer()
        assert viewer.greeting.name == "mine"
        viewer.wait_for_snapshot()
        assert viewer.tell(Checkpoint()).done
        back = viewer.tell(Rewind())
        assert back.done, back.text
        stopped = steer(viewer)
        viewer.read_all()
        assert running.wait() == 0
        said = running.output()
        assert "Traceback" not in said
        # Stopped by the framework's own means: it goes on to the end of its script.
        assert f"fit is over at {stopped}" in said
        ended = viewer.ended()
        assert ended is not None
        assert ended.outcome == "stopped"
    check_losses(viewer, json.loads(out.read_text()))
    return {name for message in viewer.messages for name in getattr(message, "scalars", ())}


def ended(messages: list[AnyMessage]) -> int:
    return sum(isinstance(message, Ended) for message in messages)


def test_a_trainer_that_trains_again_is_shown_again_with_its_losses(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    path, out = tmp_path / "fit.py", tmp_path / "out"
    imports = "from lrtui.integrations.huggingface import MonitorCallback"
    source = HUGGING.format(imports=imports, callback='MonitorCallback(name="mine")')
    again = "trainer.train(); seen = len(SEEN); trainer.train(); print('second from', seen)"
    path.write_text(
        source.replace("max_steps=5000", "max_steps=60").replace("trainer.train()", again, 1)
        + "\nimport torch.autograd, torch.optim\n"
        "print('left behind', torch.autograd.backward.__name__, "
        "len(trainer.optimizer.optimizer._optimizer_step_pre_hooks))"
    )
    with training(str(path), str(out), str(tmp_path / "root"), env=quiet()) as running:
        from lrtui.sources.socket import SocketSource
        from lrtui.sources.trainings import choose

        running.socket()
        watching = SocketSource(choose(str(running.socket())))
        messages: list[AnyMessage] = []
        until(
            lambda: messages.extend(watching.poll(0.1)) or ended(messages) >= 2,  # type: ignore[func-returns-value]
            "the end of both",
        )
        watching.close()
        assert running.wait() == 0
        assert "left behind backward 0" in running.output()
        assert running.output().count("cannot") == 0
    seen = json.loads(out.read_text())
    losses: dict[int, list[float | None]] = {1: [], 2: []}
    for message in messages:
        if isinstance(message, Progress):
            losses[message.run] += message.losses
    for run in (1, 2):
        parts = seen[120 * (run - 1) : 120 * run]
        means = [(a + b) / 2 for a, b in zip(parts[::2], parts[1::2], strict=True)]
        assert losses[run] == pytest.approx(means, rel=1e-4)


VALIDATED = {
    "lightning": (
        LIGHTNING,
        ("max_epochs=1000", "max_steps=40, num_sanity_val_steps=1, val_check_interval=5"),
        (
            "    def configure_optimizers",
            "    def validation_step(self, batch, i):\n"
            "        self.log('val_loss', (self.l(batch[0]) ** 2).mean() + 1)\n"
            "    def on_validation_epoch_end(self):\n"
            "        if not self.trainer.sanity_checking:\n"
            "            ITS.append([self.trainer.global_step,\n"
            "                self.trainer.callback_metrics['val_loss'].item()])\n"
            "    def configure_optimizers",
        ),
        ("batch_size=4))", "batch_size=4), torch.utils.data.DataLoader(data, batch_size=8))"),
    ),
    "huggingface": (
        HUGGING,
        ("max_steps=5000", "max_steps=40, eval_strategy='steps', eval_steps=8"),
        ("train_dataset=data", "train_dataset=data, eval_dataset=data[:12]"),
        ("finally:", "finally:\n    ITS += [[e['step'], e['eval_loss']] for e in\n"
         "        trainer.state.log_history if 'eval_loss' in e]"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("framework", VALIDATED)
@pytest.mark.parametrize("callback", [False, True], ids=["lrtui run", "callback"])
def test_validation_losses_are_the_frameworks_own_at_their_steps(
    framework: str, callback: bool, tmp_path: Path
) -> None:
    pytest.importorskip("lightning" if framework == "lightning" else "transformers")
    source, *changes = VALIDATED[framework]
    imports = f"from lrtui.integrations.{framework} import MonitorCallback" if callback else ""
    path, out = tmp_path / "fit.py", tmp_path / "out"
    text = source.format(
        imports=imports, callback="MonitorCallback()" if callback else "", keep="False"
    )
    for old, new in (
        *changes,
        ("SEEN = []", "SEEN, ITS = [], []"),
        ("json.dump(SEEN", "json.dump(ITS"),
    ):
        assert old in text, old
        text = text.replace(old, new)
    path.write_text(f"{text}\ninput()\n")
    command = [] if callback else ["-m", "lrtui", "run"]
    with training(*command, str(path), str(out), str(tmp_path / "root"), env=quiet()) as running:
        viewer = running.viewer()
        name = "val_loss" if framework == "lightning" else "eval_loss"

        def values() -> dict[int, float]:
            return {at: loss for at, loss in viewer.column(name).items() if loss is not None}

        viewer.wait_for(lambda: 40 in values(), "the last validation loss")
        running.begin()
        assert running.wait() == 0
        assert "cannot" not in running.output()
    its = dict(json.loads(out.read_text()))
    assert len(its) >= 5
    assert values() == pytest.approx(its, rel=1e-6)
