"""The base class of sources."""

from __future__ import annotations

from abc import ABC, abstractmethod

from lrtui.messages import AnyMessage, Command, Message


class Source(ABC):
    """Answers commands with messages. Its greeting says what can be asked of it.

    Attributes:
        trouble: what went wrong beside the runs themselves, in a sentence; empty if nothing did.
    """

    trouble = ""

    @abstractmethod
    def send(self, command: Command) -> None:
        """Send a command, without waiting for its effect. One it cannot carry out is ignored."""

    @abstractmethod
    def poll(self, timeout: float | None = 0) -> list[AnyMessage]:
        """Return the messages since the last call.

        Args:
            timeout: seconds to wait for the first one; ``None`` waits until it comes or there
                will be none any more.
        """

    def note(self, message: Message) -> None:  # noqa: B027 - most sources keep nothing
        """Take note of what a person has done with the runs; only a recording keeps it."""

    @abstractmethod
    def close(self) -> None:
        """End the source."""
