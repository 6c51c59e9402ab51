"""The tries of one training, one at a time: begins, advances, adopts and drops them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable

from msgspec.structs import replace
from torch.optim import Optimizer

from lrtui import messages as msg
from lrtui.analysis.comparison import BETTER, NOT_TOO_HIGH
from lrtui.monitor.command_queue import NEVER, CommandQueue, PendingCommand
from lrtui.monitor.publisher import Addressed
from lrtui.monitor.rate_control import RateControl
from lrtui.monitor.rate_try import CANCELLED, Agree, RateTry, agreed, alone, cost_text
from lrtui.monitor.tape import CannotTry
from lrtui.text.errors import in_words
from lrtui.text.rates import factor_text

ADOPTABLE_STEPS = 1000
"""Steps after a try during which its copies are kept, to adopt a branch."""

NOT_SEEN = "the steps of the optimizer cannot be seen, so they cannot be recorded"

NOTHING_TO_ADOPT = (
    f"there is no try to adopt: one is kept for {ADOPTABLE_STEPS:,} steps, then its memory is freed"
)


class Tries:
    """Carries out tries in the training thread.

    Attributes:
        agree: agrees with the other ranks.
        running: the running try, ``None`` without one.
    """

    def __init__(
        self,
        queue: CommandQueue,
        answer: Callable[[PendingCommand, str, bool], None],
        publish: Callable[[Addressed], None],
    ) -> None:
        """Begin without a try; ``answer`` reports what a command did, and whether that worked."""
        self.agree: Agree = alone
        self.running: RateTry | None = None
        self._queue, self._answer, self._publish = queue, answer, publish
        self._last: RateTry | None = None
        self._forget_at = NEVER
        self._give_up_at = NEVER
        self._run = 1
        self._was_cancelled = False

    @property
    def can_adopt(self) -> bool:
        """Whether the last try is still kept; safe from any thread."""
        return self._last is not None

    @property
    def is_replaying(self) -> bool:
        """Whether the training waits for a replay; safe from any thread."""
        running = self.running
        return running is not None and running.phase == "replaying"

    def begin(
        self,
        pending: PendingCommand,
        command: msg.Try,
        control: RateControl,
        optimizers: Iterable[Optimizer],
        run: int,
        step: int,
        pace: float,
    ) -> str:
        """Begin a try, or only estimate its cost; return that in words.

        Raises:
            ValueError: it is not possible; says why.
        """
        if self.running is not None:
            raise CannotTry("a try is on already; cancel it first")
        if not control.can_scale:
            raise CannotTry("the optimizer has no rate that could be changed")
        if command.only_ask:
            return cost_text(command, optimizers, pace)
        self._forget()
        started, why = None, ""
        try:
            started = RateTry(pending, command, control, optimizers, self.agree)
        except CannotTry as error:
            why = str(error)
        except Exception as error:  # such as out of memory: the training goes on
            why = f"it cannot be tried: {in_words(error)}"
        if why := agreed(self.agree, why):  # all ranks begin, or none
            if started is not None:
                started.tape.stop()
            raise CannotTry(why)
        assert started is not None
        started.from_step = step
        self.running, self._run, self._was_cancelled = started, run, False
        self._give_up_at = self._queue.step + 2 * command.steps + 10
        self._queue.wake_at = self._queue.step + 1
        factors = " ".join(map(factor_text, command.factors))
        return f"trying {factors} on the next {command.steps:,} steps"

    def hidden(self) -> contextlib.AbstractContextManager[None]:
        """Keep what lrtui itself does off the tape."""
        return self.running.tape.away() if self.running is not None else contextlib.nullcontext()

    def after_step(self) -> None:
        """Advance the running try, if any, after a step."""
        step, running = self._queue.step, self.running
        if running is None:
            if step >= self._forget_at:
                self._forget()
            return
        self._queue.wake_at = step + 1
        if step >= self._give_up_at:
            running.tape.trouble = running.tape.trouble or NOT_SEEN
            self._finish(running)
        else:
            running.tape.when_free(lambda: self._go_on(running))

    def _go_on(self, running: RateTry) -> None:
        """Finish the try once enough steps are recorded, or if it cannot succeed."""
        tape = running.tape
        running.done = tape.steps
        broken = self.agree is alone and (tape.trouble or running.is_cancelled)
        if running is self.running and (broken or tape.steps >= running.steps):
            self._finish(running)

    def _finish(self, running: RateTry) -> None:
        """Replay what was recorded, and report the result."""
        tried, why = None, ""
        try:
            tried = running.result(self._run)
        except CannotTry as error:
            why = str(error)
        except Exception as error:  # the training is restored as far as that was possible
            why = f"the try failed: {in_words(error)}"
        finally:
            self.running, self._queue.wake_at = None, NEVER
        if tried is None:
            self._was_cancelled = why == CANCELLED
            self._report(running, f"the try is {why}" if self._was_cancelled else why, False)
            return
        self._last = running
        self._forget_at = self._queue.wake_at = self._queue.step + ADOPTABLE_STEPS
        if running.pending.asked_by:
            answered = replace(tried, answers=running.pending.command.id)
            self._publish(Addressed(tried, answered, running.pending.viewer))
        self._report(running, result_text(tried), True)

    def _report(self, running: RateTry, text: str, done: bool) -> None:
        if running.pending.asked_by:
            self._answer(running.pending, text, done)

    def _forget(self) -> None:
        """Free the memory of the last try."""
        self._last, self._forget_at = None, NEVER
        self._queue.wake_at = NEVER

    def cancel_soon(self) -> None:
        """End the running try as soon as possible; safe from any thread."""
        if (running := self.running) is not None:
            running.is_cancelled = True

    def cancel(self) -> str:
        """End the running try; return that in words.

        Raises:
            ValueError: there is none.
        """
        if (running := self.running) is not None:
            running.is_cancelled = True
            self._finish(running)
        elif not self._was_cancelled:
            raise CannotTry("no try is on")
        self._was_cancelled = False
        return f"the try is {CANCELLED}"

    def drop(self, why: str, keep_last: bool = False) -> None:
        """Drop the try that is recording, and unless ``keep_last`` the copies of the last one."""
        if (running := self.running) is not None and running.phase == "recording":
            running.tape.stop()
            self.running = None
            self._queue.wake_at = NEVER
            self._report(running, f"the try has ended: {why}", False)
        if not keep_last:
            self._forget()

    def adopt(self, factor: float) -> str:
        """Go on from the end of a branch of the last try; return that in words.

        Raises:
            ValueError: there is no such branch.
        """
        if (last := self._last) is None:
            raise CannotTry(NOTHING_TO_ADOPT)
        if factor not in last.factors:
            known = ", ".join(map(factor_text, sorted(last.factors)))
            raise CannotTry(f"the last try has no branch at {factor_text(factor)}, but at {known}")
        last.adopt(factor)
        self._forget()
        step = last.from_step + last.tape.steps
        return (
            f"on from the weights of step {step:,} of the branch at {factor_text(factor)}, at "
            "its rate; the order of the data is not rewound"
        )


def result_text(tried: msg.Tried) -> str:
    """Return the result of a try in a line."""
    said = [
        f"{factor_text(branch.factor)} {in_short(branch)}"
        for branch in tried.branches
        if branch.factor != 1
    ]
    return f"tried on {tried.steps:,} steps: {', '.join(said)}"


def in_short(branch: msg.Branch) -> str:
    """Return the difference of a branch's losses, and its word if advice follows from it."""
    if branch.difference is None:
        return branch.word or "not comparable"
    word = {BETTER: " (better)", NOT_TOO_HIGH: " (worse)"}.get(branch.word, "")
    return f"{branch.difference:+.1%}{word}".replace("-", "−")
