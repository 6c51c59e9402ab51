"""A source that trains in this process, and whole sessions made with it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from queue import SimpleQueue
from typing import TypeVar

import torch

from lrtui.messages import (
    ALL_CAPABILITIES,
    AnyMessage,
    Command,
    Greeting,
    Heat,
    Message,
    Progress,
    Race,
    Start,
    Sweep,
    decode_message,
    encode,
)
from lrtui.messages.problem_settings import ProblemSettings
from lrtui.sources.source import Source
from lrtui.trainer.loop import Trainer, sweep_work
from lrtui.trainer.many.grid import heat

torch.set_num_threads(1)  # small steps take ten times as long on two

M = TypeVar("M", bound=Message)


class InProcess(Source):
    """Carries out each run whole, before it is polled."""

    def __init__(self, settings: ProblemSettings | None = None) -> None:
        settings = settings or ProblemSettings()
        self.sent: list[Command] = []
        self._told: list[AnyMessage] = []
        self._say(
            Greeting(
                program="lrtui test",
                pid=1,
                folder="/",
                title=settings.title,
                capabilities=list(ALL_CAPABILITIES),
            )
        )
        self._trainer = Trainer(settings, SimpleQueue(), self._say, lambda _: None)

    def _say(self, message: Message) -> None:
        told = decode_message(encode(message))  # as over the wire
        assert told is not None
        self._told.append(told)

    def send(self, command: Command) -> None:
        self.sent.append(command)
        if isinstance(command, Start):
            self._trainer.train(command)
        elif isinstance(command, Race):
            self._trainer.train(*command.starts())
        elif isinstance(command, Heat):
            assert self._trainer.problem is not None
            *_, hot = heat(self._trainer.problem, command)
            assert hot is not None
            self._say(hot)
        elif isinstance(command, Sweep):
            assert self._trainer.problem is not None
            *_, found = sweep_work(self._trainer.problem, command)
            assert found is not None
            self._say(found)

    def poll(self, timeout: float | None = 0) -> list[AnyMessage]:
        told, self._told = self._told, []
        return told

    def close(self) -> None: ...


@cache
def _session(lrs: tuple[float, ...], steps: int) -> list[AnyMessage]:
    source = InProcess()
    source.send(Sweep(lrs=[0.001 * 1.3**i for i in range(32)], steps=steps))
    for number, lr in enumerate(lrs, 1):
        source.send(Start(run=number, lr=lr, steps=steps, speed=None))
    return source.poll()


def session(*lrs: float, steps: int = 100) -> list[AnyMessage]:
    """What a trainer reports in a session of some runs, one after another."""
    return [*_session(lrs, steps)]


def losses(told: Sequence[Message], run: int | None = None) -> list[float | None]:
    """All losses in some messages, or those of one run."""
    reports = [m for m in told if isinstance(m, Progress) and run in (None, m.run)]
    return [loss for report in reports for loss in report.losses]


def last(told: Sequence[Message], kind: type[M]) -> M:
    """The last message of a kind."""
    return [m for m in told if isinstance(m, kind)][-1]
