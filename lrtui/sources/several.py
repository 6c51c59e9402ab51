"""Several trainings, logs and saved sessions as one source."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from msgspec.structs import replace

from lrtui import messages as msg
from lrtui.sources.source import Source, greeting_of

MOST_SOURCES = 64
"""Sources that are shown together at most."""

LOOK_SECONDS = 0.05
"""Seconds between two polls of the sources while none has a message."""

READ_SECONDS = 0.02
"""Seconds of polling after which the other sources must wait, so that no frame is late."""

NEW_SECONDS = 2.0
"""Least seconds between two searches for new sources,"""

NEW_SHARE = 0.02
"""and the largest share of the time that these may take."""


@dataclass
class Member:
    """One of the sources, and its state.

    Attributes:
        greeting: its last one, ``None`` before it came.
        settings: as they were sent last.
        numbers: this source's numbers of its runs, by its own.
        on: by its own number, step and loss of each run that has not ended.
    """

    source: Source
    greeting: msg.Greeting | None = None
    settings: dict[str, str] = field(default_factory=dict)
    numbers: dict[int, int] = field(default_factory=dict)
    on: dict[int, tuple[int, float | None]] = field(default_factory=dict)


class Several(Source):
    """Merges sources; each of their runs gets a number of its own, in the order of their start.

    All runs count as one race, so that none of them ends another. What a source says of itself and
    not of a run is left out, except what it prints.
    """

    def __init__(
        self,
        sources: Iterable[Source],
        remarks: Iterable[str] = (),
        find_new: Callable[[], Iterable[Source]] | None = None,
    ) -> None:
        """Start to follow the sources.

        Args:
            sources: closed with this one.
            remarks: sentences to print first.
            find_new: returns new sources, ``None`` if none can come.
        """
        self._members = deque(Member(source) for source in sources)
        self._last = 0
        self._find_new, self._finds_at = find_new, time.monotonic() + NEW_SECONDS
        self._messages: list[msg.AnyMessage] = [self._greeting()]
        self._messages += [msg.Printed(text=text) for text in remarks]

    def _greeting(self) -> msg.Greeting:
        count = len(self._members)
        return greeting_of(f"{count} trainings" if count != 1 else "1 training")

    def _add_new(self) -> None:
        """Follow new sources, as far as there is room."""
        began = time.monotonic()
        if self._find_new is None or began < self._finds_at:
            return
        for source in self._find_new():
            if len(self._members) < MOST_SOURCES:
                self._members.append(Member(source))
                self._messages.append(self._greeting())
            else:
                source.close()
        now = time.monotonic()
        self._finds_at = now + max(NEW_SECONDS, (now - began) / NEW_SHARE)

    def send(self, command: msg.Command) -> None:
        """Forward a command to its training."""
        for member in self._members:
            if command.to in member.numbers.values():
                member.source.send(replace(command, to=None))

    def poll(self, timeout: float | None = 0) -> list[msg.AnyMessage]:
        """See ``Source.poll``."""
        until = None if timeout is None else time.monotonic() + timeout
        while True:
            self._add_new()
            messages, self._messages = self._messages, []
            began = time.monotonic()
            for _ in range(len(self._members)):
                member = self._members[0]
                self._members.rotate(-1)  # start with the next one if the time is up
                for message in member.source.poll(0):
                    messages += self._translated(member, message)
                messages += self._settings_of(member)
                if time.monotonic() > began + READ_SECONDS:
                    break
            late = until is not None and time.monotonic() >= until
            if messages or late or (until is None and self.is_over):
                return messages
            time.sleep(LOOK_SECONDS)

    @property
    def is_busy(self) -> bool:
        """Whether any source has more messages ready."""
        return any(member.source.is_busy for member in self._members)

    @property
    def is_over(self) -> bool:
        """Whether all sources are over."""
        return all(member.source.is_over for member in self._members)

    def close(self) -> None:
        """Close the sources."""
        for member in self._members:
            member.source.close()
        troubles = [member.source.trouble for member in self._members if member.source.trouble]
        self.trouble = "; ".join(troubles)

    def _settings_of(self, member: Member) -> Iterator[msg.AnyMessage]:
        """Report the configuration of a source again when more of it is known."""
        if member.source.settings != member.settings:
            member.settings = {**member.source.settings}
            yield from self._joined(member)

    def _joined(self, member: Member) -> Iterator[msg.AnyMessage]:
        if member.greeting is not None:
            for number in member.numbers.values():
                settings = member.settings
                yield msg.Joined(run=number, greeting=member.greeting, settings=settings)

    def _translated(self, member: Member, message: msg.AnyMessage) -> Iterator[msg.AnyMessage]:
        """Yield a message of a member, translated to this source's runs."""
        match message:
            case msg.Greeting():
                member.greeting = message
                yield from self._joined(member)
            case msg.Printed(text=text):
                name = member.greeting.name if member.greeting is not None else ""
                yield msg.Printed(text=f"{name}: {text}" if name else text)
            case msg.Failed(reason=reason) | msg.Unusable(reason=reason):
                yield from self._ended(member, [*member.on], "failed", reason)
            case msg.Started():
                yield from self._started(member, message)
            case _ if (there := getattr(message, "run", None)) in member.numbers:
                if isinstance(message, msg.Progress) and there in member.on:
                    losses = [loss for loss in message.losses if loss is not None]
                    last = losses[-1] if losses else member.on[there][1]
                    member.on[there] = (message.last, last)
                elif isinstance(message, msg.Ended):
                    member.on.pop(there, None)
                yield replace(message, run=member.numbers[there])

    def _started(self, member: Member, started: msg.Started) -> Iterator[msg.AnyMessage]:
        """Yield the start of a run, after the end of those of its source that it replaces."""
        there = started.run
        again = there in member.on
        if not again:
            over = [run for run in member.on if run not in started.race]
            yield from self._ended(member, over, "stopped", "the next run of its training began")
            self._last += 1
            member.numbers[there] = self._last
            if member.greeting is not None:
                yield msg.Joined(run=self._last, greeting=member.greeting, settings=member.settings)
        member.on[there] = (0, None)
        number = member.numbers[there]
        yield replace(started, run=number, race=[*range(1, self._last + 1)])

    def _ended(
        self, member: Member, runs: Iterable[int], outcome: msg.Outcome, reason: str
    ) -> Iterator[msg.AnyMessage]:
        for there in [*runs]:
            step, loss = member.on.pop(there)
            number = member.numbers[there]
            yield msg.Ended(run=number, outcome=outcome, step=step, loss=loss, reason=reason)
