"""A source without a trainer, for tests."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from lrtui.messages import AnyMessage, Command
from lrtui.sources.source import Source


class FakeSource(Source):
    """Records the commands sent to it, and answers each with a function's result.

    Attributes:
        sent: commands, oldest first.
    """

    def __init__(
        self, messages: Iterable[AnyMessage], answer: Callable[[Command], Iterable[AnyMessage]]
    ) -> None:
        """Queue the first messages, a greeting among them; ``answer`` answers a command."""
        self.sent: list[Command] = []
        self.answer = answer
        self._waiting = [*messages]

    def send(self, command: Command) -> None:
        """Record a command and answer it."""
        self.sent.append(command)
        self.say(*self.answer(command))

    def say(self, *messages: AnyMessage) -> None:
        """Queue messages that answer no command."""
        self._waiting += messages

    def poll(self, timeout: float | None = 0) -> list[AnyMessage]:
        """Return the messages since the last call; never wait."""
        said, self._waiting = self._waiting, []
        return said

    def close(self) -> None:
        """Do nothing."""
