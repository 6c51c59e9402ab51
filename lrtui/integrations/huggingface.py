"""A callback for transformers: ``Trainer(..., callbacks=[MonitorCallback()])``."""

from __future__ import annotations

from typing import Any

from transformers import TrainerCallback

from lrtui.monitor.channel import say
from lrtui.monitor.losses import LossFinder
from lrtui.monitor.monitor import Monitor
from lrtui.text.errors import in_words
from lrtui.text.validation import validation_kind


class MonitorCallback(TrainerCallback):  # type: ignore[misc, unused-ignore]
    """Lets ``lrtui watch`` see a Trainer and steer it.

    A stop sets the Trainer's ``should_training_stop``, a checkpoint its ``should_save``. The loss
    of each step is taken from ``backward``, as the Trainer does not pass it to callbacks.

    Attributes:
        monitor: of the current training, ``None`` before and after.
    """

    def __init__(self, name: str | None = None) -> None:
        """Wait for a training; for ``name`` see ``Monitor``."""
        self.monitor: Monitor | None = None
        self._name = name
        self._losses: LossFinder | None = None
        self._hooks: list[Any] = []
        self._loss: Any = None
        self._save = False
        self._logged: dict[str, float] = {}

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Attach to the optimizer."""
        optimizer = kwargs["optimizer"]
        optimizer = getattr(optimizer, "optimizer", optimizer)  # accelerate wraps it
        scheduler = kwargs.get("lr_scheduler")
        self._detach()
        self._losses = LossFinder(self._failed)
        self._hooks = [
            optimizer.register_step_pre_hook(self._before),
            optimizer.register_step_post_hook(self._after),
        ]

        def checkpoint() -> None:
            self._save = True

        self.monitor = Monitor(
            optimizer,
            model=kwargs.get("model"),
            scheduler=[] if scheduler is None else scheduler,
            checkpoint=checkpoint,
            name=self._name,
        )

    def _failed(self, error: Exception) -> None:
        """Report an error, and continue without losses."""
        self._detach()
        say(f"the losses of this training cannot be found: {in_words(error)}")

    def _detach(self) -> None:
        """Remove the hooks and patches."""
        while self._hooks:
            self._hooks.pop().remove()
        if self._losses is not None:
            self._losses.close()
            self._losses = None

    def _before(self, optimizer: Any, args: Any, kwargs: Any) -> Any:
        return self._losses.begin_step(args, kwargs) if self._losses is not None else None

    def _after(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        if self._losses is not None:
            self._loss = self._losses.end_step(optimizer)

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Keep what the Trainer logs; the Monitor sees evaluations itself."""
        ignored = ("loss", "learning_rate", "epoch")
        self._logged |= {
            name: value
            for name, value in (kwargs.get("logs") or {}).items()
            if name not in ignored and isinstance(value, int | float) and not validation_kind(name)
        }

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Record a step; pass requests of viewers to the Trainer."""
        if self.monitor is None:
            return
        logged, self._logged = self._logged, {}
        self.monitor.step(self._loss, **logged)
        self._loss = None
        if self._save:
            self._save, control.should_save = False, True
        if self.monitor.should_stop:
            control.should_training_stop = True

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Report the end of the training."""
        self._detach()
        if self.monitor is not None:
            self.monitor.finish()
            self.monitor = None
