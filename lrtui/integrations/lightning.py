"""A callback for Lightning: ``Trainer(..., callbacks=[MonitorCallback()])``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from torch import Tensor

from lrtui.monitor.monitor import Monitor
from lrtui.text.validation import validation_kind


class MonitorCallback(pl.Callback):  # type: ignore[misc, unused-ignore]
    """Lets ``lrtui watch`` see a fit and steer it.

    A stop sets ``trainer.should_stop``, a checkpoint is Lightning's own. Values that the module
    logs are shown by their names.

    Attributes:
        monitor: of the current fit, ``None`` before and after.
    """

    def __init__(self, name: str | None = None) -> None:
        """Wait for a fit; for ``name`` see ``Monitor``."""
        self.monitor: Monitor | None = None
        self._name = name
        self._step = 0
        self._parts: list[Tensor] = []

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Attach to the optimizers."""
        if not trainer.optimizers:
            return
        folder = Path(trainer.default_root_dir)

        def checkpoint() -> None:
            trainer.save_checkpoint(folder / f"lrtui-step-{trainer.global_step}.ckpt")

        self._step, self._parts = trainer.global_step, []
        self.monitor = Monitor(
            trainer.optimizers,
            model=pl_module,
            scheduler=[config.scheduler for config in trainer.lr_scheduler_configs],
            checkpoint=checkpoint,
            name=self._name,
        )

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Record a step; losses of an accumulated one add up."""
        if self.monitor is None:
            return
        loss = outputs.get("loss") if isinstance(outputs, dict) else outputs
        if isinstance(loss, Tensor):
            self._parts.append(loss.detach())
        if trainer.global_step == self._step:
            return
        self._step = trainer.global_step
        parts, self._parts = self._parts, []
        logged = {
            str(name).replace(" ", "_"): value
            for name, value in trainer.callback_metrics.items()
            if name != "loss" and not validation_kind(name)  # which are seen by the Monitor
        }
        self.monitor.step(sum(parts[1:], parts[0]) if parts else None, **logged)
        if self.monitor.should_stop:
            trainer.should_stop = True

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Report the end of the fit."""
        self._finish()

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """Report the error that ended the fit."""
        self._finish(exception)

    def _finish(self, error: BaseException | None = None) -> None:
        if self.monitor is not None:
            self.monitor.finish(error)
            self.monitor = None
