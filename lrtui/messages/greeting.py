"""Messages of a source about itself."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from lrtui.messages.message import Message
from lrtui.messages.quantities import Number, RunNumber, Seconds, StepNumber

PROTOCOL = 2
"""Version of the protocol; for version 1 of lrtui 0.1 see ``lrtui.sources.protocol1``."""


class Greeting(Message, tag="greeting", frozen=True, kw_only=True):
    """The first message of a source.

    Attributes:
        protocol: its version.
        program: name and version.
        folder: working directory.
        rank: among processes that train together.
        title: what it trains; parts separated by `` · ``, the most important first.
        capabilities: see ``Capability``; a newer peer may have unknown ones.
        name: given by a person, empty for none.
        command: its command line.
        since: start in seconds since 1970; 0 for our own trainer.
        ranks: number of processes that train together.
        step: taken so far.
        loss: the last one, ``None`` if there was none.
    """

    protocol: int = PROTOCOL
    program: str
    pid: int
    folder: str
    rank: int = 0
    title: str
    capabilities: list[str]
    name: str = ""
    command: list[str] = []
    since: Seconds = 0.0
    ranks: Annotated[int, Meta(ge=1)] = 1
    step: StepNumber = 0
    loss: Number | None = None


class Joined(Message, tag="joined", frozen=True, kw_only=True):
    """A run belongs to one of several trainings; sent before it starts, and with each change.

    Attributes:
        greeting: of that training.
        settings: its configuration by name, as far as it is known.
    """

    run: RunNumber
    greeting: Greeting
    settings: dict[str, str] = {}


class Printed(Message, tag="printed", frozen=True, kw_only=True):
    """A line printed by the training code, or a remark of the source."""

    text: str


class NoResult(Message, tag="no_result", frozen=True, kw_only=True):
    """Work beside a run failed; the run continues.

    Attributes:
        work: ``sweep``, ``heat``, ``ahead`` or ``sharpness``.
        reason: in a sentence.
    """

    work: str
    reason: str


class Unusable(Message, tag="unusable", frozen=True, kw_only=True):
    """The problem cannot be trained; the source waits for a change.

    Attributes:
        reason: in a sentence, with file and line if known.
    """

    reason: str


class Failed(Message, tag="failed", frozen=True, kw_only=True):
    """The source is gone, and its current run with it.

    Attributes:
        reason: in a sentence.
        details: last lines that it printed, oldest first.
    """

    reason: str
    details: list[str] = []
