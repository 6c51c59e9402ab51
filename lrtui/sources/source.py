"""The base class of sources."""

from __future__ import annotations

from abc import ABC, abstractmethod

from lrtui.messages import AnyMessage, Command, Message


class Source(ABC):
    """Answers commands with messages; its greeting lists the commands that it supports.

    Attributes:
        trouble: a problem of the source itself, in a sentence; empty if there is none.
    """

    trouble = ""

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
