"""The base class of sources."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType

from lrtui.messages import AnyMessage, Command, Greeting, Message
from lrtui.text.version import __version__


class Source(ABC):
    """Answers commands with messages; its greeting lists the commands that it supports.

    Attributes:
        trouble: a problem of the source itself, in a sentence; empty if there is none.
        settings: the configuration of what it trains by name, as far as known.
    """

    trouble = ""
    settings: Mapping[str, str] = MappingProxyType({})

    @property
    def is_busy(self) -> bool:
        """Whether more messages are ready, such as the rest of a long log."""
        return False

    @property
    def is_over(self) -> bool:
        """Whether no more messages will come, as far as it knows."""
        return False

    @abstractmethod
    def send(self, command: Command) -> None:
        """Send a command, without waiting for its effect; unsupported ones are ignored."""

    @abstractmethod
    def poll(self, timeout: float | None = 0) -> list[AnyMessage]:
        """Return the messages since the last call.

        Args:
            timeout: seconds to wait for the first one; ``None`` waits for it or the source's end.
        """

    def note(self, message: Message) -> None:  # noqa: B027 - most sources save nothing
        """Save a person's mark on a run; only a recorder does."""

    @abstractmethod
    def close(self) -> None:
        """End the source."""


def greeting_of(
    title: str, *, folder: str = "", name: str = "", since: float | None = None
) -> Greeting:
    """Return the greeting of a source that has no process and obeys no commands."""
    return Greeting(
        program=f"lrtui {__version__}",
        pid=0,
        folder=folder,
        title=title,
        capabilities=[],
        name=name,
        since=time.time() if since is None else since,
    )
