"""What a source says about itself."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from lrtui.messages.message import Message
from lrtui.messages.quantities import Number, Seconds, StepNumber

PROTOCOL = 2
"""Version of this vocabulary. lrtui 0.1 spoke 1, see ``lrtui.sources.protocol1``."""


class Greeting(Message, tag="greeting", frozen=True, kw_only=True):
    """The first message of a source: who it is and what can be asked of it.

    Attributes:
        protocol: version of this vocabulary that it speaks.
        program: name and version.
        pid: its process.
        folder: its working directory.
        rank: its number among processes that train together.
        title: what is trained, in words; parts separated by `` · ``, the most important first.
        capabilities: see ``Capability``; those of a newer peer may be unknown.
        name: what a person calls it, empty where nobody gave it a name.
        command: its command line.
        since: when it started, in seconds since 1970; 0 where that does not matter.
        ranks: how many processes train together.
        step: steps taken when this was said.
        loss: the last loss then, ``None`` if there was none.
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


class Printed(Message, tag="printed", frozen=True, kw_only=True):
    """A line that the training code printed, or a remark of the source itself."""

    text: str


class NoResult(Message, tag="no_result", frozen=True, kw_only=True):
    """Work beside a run could not be done; the run goes on.

    Attributes:
        work: ``sweep``, ``heat``, ``ahead`` or ``sharpness``.
        reason: why not, in a sentence.
    """

    work: str
    reason: str


class Unusable(Message, tag="unusable", frozen=True, kw_only=True):
    """The problem cannot be trained; the source waits for it to be mended.

    Attributes:
        reason: why not, in a sentence, with the file and the line where it has one.
    """

    reason: str


class Failed(Message, tag="failed", frozen=True, kw_only=True):
    """The source is gone, and its current run with it.

    Attributes:
        reason: what happened, in a sentence.
        details: last lines that it printed, oldest first.
    """

    reason: str
    details: list[str] = []
