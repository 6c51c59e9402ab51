"""A race as a source: starts its runs, follows their files, and ends those that have diverged."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from msgspec.structs import replace

from lrtui import messages as msg
from lrtui.sources.followed import Followed
from lrtui.sources.process import how_ended
from lrtui.sources.race.job import Job, devices
from lrtui.sources.race.plan import NAME, Entry, Folder
from lrtui.sources.several import Member, Several
from lrtui.sources.socket import last_lines
from lrtui.sources.source import Source, greeting_of
from lrtui.text.rates import rate_text

GRACE_SECONDS = 5.0
"""Seconds that processes have to end when they are asked to; beyond, they are killed."""

SETTLE_SECONDS = 1.0
"""Seconds after the end of a process for which a network disk may bring more of its file."""

RUN = 1


class RaceRun(Source):
    """One run: its process, and the file that it writes.

    Attributes:
        entry: which run of the race it is.
        job: its process, ``None`` for a run that was complete before.
        device: the GPU that it was given, empty for none.
        has_failed: whether it ended with an error.
    """

    def __init__(self, entry: Entry, folder: Folder, device: str = "", *, starts: bool) -> None:
        """Follow the file of the run; with ``starts``, start its process, else read the file once.

        Raises:
            OSError: it cannot be started.
        """
        self.entry, self.device, self.has_failed = entry, device, False
        self._folder = folder
        self._outcome: tuple[msg.Outcome, str] | None = None  # and why, where we end it
        if (why := folder.plan.diverged.get(entry.name)) is not None:
            self._outcome = ("diverged", why)
        self.job: Job | None = None
        if starts:
            env = {"CUDA_VISIBLE_DEVICES": device} if device else {}
            words, log = folder.prepare(entry), folder.log(entry)
            self.job = Job(words, log, folder.plan.cwd, env)
        self._asked_at: float | None = None  # when the process was asked to end
        self._ended_at: float | None = None
        self._file = Followed(folder.file(entry), once=not starts, how_cut=self._how_cut)
        self._on = 0  # the run that has not ended, 0 for none
        self._messages: list[msg.AnyMessage] = [self._greeting(None), self._begin(None)]

    @property
    def settings(self) -> Mapping[str, str]:  # type: ignore[override]
        """Its seed; its start reports its rate."""
        return {} if self.entry.seed is None else {"seed": str(self.entry.seed)}

    @property
    def is_on(self) -> bool:
        """Whether its process has not ended."""
        return self.job is not None and self.job.code is None

    @property
    def is_busy(self) -> bool:
        """Whether there is more to read at once."""
        return self._file.is_busy

    @property
    def is_over(self) -> bool:
        """Whether its process and its file have ended, and everything was reported."""
        return self._file.is_over and not self._messages

    def send(self, command: msg.Command) -> None:
        """End the run if it is asked to stop; ignore other commands."""
        if isinstance(command, msg.Stop):
            self.end("stopped", "stopped as asked")

    def end(self, outcome: msg.Outcome, reason: str) -> None:
        """Ask the process to end."""
        if self.job is not None and self.is_on and self._asked_at is None:
            self._outcome, self._asked_at = (outcome, reason), time.monotonic()
            self.job.terminate()

    def poll(self, timeout: float | None = 0) -> list[msg.AnyMessage]:
        """Return the messages since the last call; never wait."""
        now = time.monotonic()
        if self.is_on and self._asked_at is not None and now > self._asked_at + GRACE_SECONDS:
            assert self.job is not None
            self.job.kill()
        if self.job is not None and not self.is_on:
            if self._ended_at is None:
                self._ended_at = now
                if self._asked_at is not None:
                    self.job.kill()  # processes that it has left behind
            if not self._on or now > self._ended_at + SETTLE_SECONDS:
                self._file.finish()
        was_over = self._file.is_over
        self._messages += map(self._translated, self._file.poll(0))
        if self._file.is_over and not was_over:
            self._messages += self._conclusion()
        messages, self._messages = self._messages, []
        return messages

    def close(self) -> None:
        """End the process by force if it is still on."""
        if self.job is not None and self.is_on:
            self.job.kill()

    def _greeting(self, found: msg.Greeting | None) -> msg.Greeting:
        """Return the greeting of the run, from that in its file once there is one."""
        name = self.entry.name
        if found is None:
            found = greeting_of(name, folder=self._folder.plan.cwd)
        able = ["stop"] if self.job is not None else []
        return replace(found, name=name, capabilities=able)

    def _begin(self, found: msg.Started | None) -> msg.Started:
        """Return the start of a run; the first one is reported before the file has it."""
        started = found or msg.Started(run=RUN, lr=0.0, steps=None, optimizer="unknown")
        self._on = started.run
        return replace(started, lr=self.entry.lr)

    def _translated(self, message: msg.AnyMessage) -> msg.AnyMessage:
        """Return a message of the file, completed by what the plan says of the run."""
        match message:
            case msg.Greeting():
                return self._greeting(message)
            case msg.Started():
                return self._begin(message)
            case msg.Ended():
                self._on = 0
                if self._outcome is not None:
                    outcome, reason = self._outcome
                    return replace(message, outcome=outcome, reason=reason)
        return message

    def _how_cut(self, step: int) -> tuple[msg.Outcome, str]:
        """Return how and why a run ended, where its file does not say."""
        if self._outcome is not None:
            return self._outcome
        how = how_ended(self._code)
        return "failed", f"{how} at step {step:,}" if step else f"no step was seen: {how}"

    @property
    def _code(self) -> int:
        return 0 if self.job is None else self.job.code or 0

    def _conclusion(self) -> Iterator[msg.AnyMessage]:
        """Yield how the process ended, where its file does not say."""
        self.has_failed = self._outcome is None and (self._code != 0 or self._on != 0)
        if self._on:
            outcome, reason = self._how_cut(0)
            yield msg.Ended(run=self._on, outcome=outcome, step=0, loss=None, reason=reason)
        if self.has_failed:
            how, lines = how_ended(self._code), last_lines(self._folder.log(self.entry), ours=True)
            yield msg.Printed(
                text="\n".join([f"{how}; its last lines:", *lines] if lines else [how])
            )


Judge = Callable[[Sequence[msg.AnyMessage]], Mapping[str, str]]
"""Takes new messages; returns the runs that have diverged by name, with the evidence."""


class RaceSource(Several):
    """Starts the runs of a race, so many at a time, and follows them.

    Attributes:
        folder: of the race.
        was_cut_short: whether it was left before the end of all runs.
        left_by: number of a signal after which to leave it, 0 for none.
    """

    def __init__(
        self,
        folder: Folder,
        jobs: int,
        judge: Judge,
        conclude: Callable[[], Sequence[str]] = list,
    ) -> None:
        """Start with the runs that are complete; the others wait for one of ``jobs`` processes.

        ``conclude`` is called once all runs have ended; its sentences are told.
        """
        self._conclude = conclude
        self.folder, self._jobs, self._judge = folder, jobs, judge
        self._devices = [] if folder.plan.launch else devices()
        self._queue: deque[Entry] = deque()
        self._cannot_start, self._has_said_end, self.was_cut_short = "", False, False
        self.left_by = 0
        self._runs: list[RaceRun] = []
        for entry in folder.plan.entries():
            if folder.is_complete(entry):
                self._runs.append(RaceRun(entry, folder, starts=False))
            else:
                self._queue.append(entry)
        super().__init__(self._runs)

    @property
    def is_over(self) -> bool:
        """Whether all runs have ended."""
        return not self._queue and super().is_over

    @property
    def has_failed(self) -> bool:
        """Whether a run ended with an error."""
        return any(run.has_failed for run in self._runs)

    def send(self, command: msg.Command) -> None:
        """Add a rate, or end a run."""
        if not isinstance(command, msg.Add):
            super().send(command)
        elif command.lr in self.folder.plan.lrs:
            self._say(f"{rate_text(command.lr)} is in the race already")
        else:
            with self._saying_errors():
                self.folder.add(command.lr)
            self._queue += (e for e in self.folder.plan.entries() if e.lr == command.lr)
            self._messages.append(self._greeting())
            self._has_said_end = False

    def poll(self, timeout: float | None = 0) -> list[msg.AnyMessage]:
        """See ``Source.poll``."""
        messages = super().poll(timeout)
        for name, why in self._judge(messages).items():
            for run in self._runs:
                if run.entry.name == name and run.is_on and not self.folder.plan.keep_diverged:
                    run.end("diverged", why)
                    with self._saying_errors():
                        self.folder.note_diverged(run.entry, why)
        if self.is_over and not self._has_said_end:
            self._has_said_end = True
            said = "; ".join(["all runs have ended", *self._conclude()])
            messages.append(msg.Printed(text=said))
        return messages

    def close(self) -> None:
        """End all processes: those that are on are asked first, and have some seconds."""
        is_cut = bool(self._queue) or any(run.is_on for run in self._runs)
        self.was_cut_short = self.was_cut_short or is_cut
        self._queue.clear()
        for run in self._runs:
            run.end("stopped", "stopped with the race")
        try:
            while not self.is_over:
                self._judge(super().poll(0.05))
        finally:
            super().close()
            self.trouble = self._cannot_start or self.trouble

    def _greeting(self) -> msg.Greeting:
        plan = self.folder.plan
        name = self.folder.path.name
        greeting = super()._greeting()
        parts = [name, plural(len(plan.lrs), "rate")]
        if plan.seeds:
            parts.append(plural(len(plan.seeds), "seed"))
        return replace(greeting, title=" · ".join(parts), name=name, capabilities=["add"])

    def _add_new(self) -> None:
        """Start the next runs, up to ``jobs`` at a time; leave if a signal has come."""
        if number := self.left_by:
            self.left_by = 0
            raise SystemExit(128 + number)
        while self._queue and sum(run.is_on for run in self._runs) < self._jobs:
            entry = self._queue.popleft()
            try:
                run = RaceRun(entry, self.folder, self._free_device(), starts=True)
            except OSError as error:
                self._queue.clear()
                self._cannot_start = f"{error.filename or entry.name}: {error.strerror}"
                return
            self._runs.append(run)
            self._members.append(Member(run))

    def _free_device(self) -> str:
        """Return the GPU with the fewest runs on it, empty where there are not several."""
        if len(self._devices) < 2:
            return ""
        used = Counter(run.device for run in self._runs if run.is_on)
        return min(self._devices, key=lambda name: used[name])

    @contextmanager
    def _saying_errors(self) -> Iterator[None]:
        """Say that the plan could not be written; the race goes on."""
        try:
            yield
        except OSError as error:
            self._say(f"{NAME} could not be written: {error.strerror}")

    def _say(self, text: str) -> None:
        self._messages.append(msg.Printed(text=text))


def plural(count: int, name: str) -> str:
    """Return a number of things in words."""
    return f"{count} {name}{'s' * (count != 1)}"
