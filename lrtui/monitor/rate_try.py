"""Tries other learning rates on the next steps of a training, then restores it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from typing import Literal

import torch
from torch import Tensor
from torch.optim import Optimizer

from lrtui import messages as msg
from lrtui.analysis.comparison import compare
from lrtui.messages.quantities import finite_or_none
from lrtui.monitor.command_queue import PendingCommand
from lrtui.monitor.memory import free_bytes
from lrtui.monitor.patches import WATCHING
from lrtui.monitor.rate_control import RateControl
from lrtui.monitor.saved_state import SavedState, same, size_of
from lrtui.monitor.tape import CannotTry, Tape
from lrtui.text.amounts import bytes_text, duration
from lrtui.text.errors import in_words
from lrtui.text.rates import factor_text

MEMORY_SHARE = 0.5
"""Largest share of the free memory for the copies and batches of a trial."""

CANCELLED = "cancelled; the training is as it was"

NOT_EXACT = (
    "the replay at the rate in force did not reproduce the training ({} differ), so nothing can "
    "be said of other rates; state that lrtui cannot see may have moved on by one step"
)

Agree = Callable[[str], str]
"""Takes this rank's objection, empty for none; returns the objection of any rank."""


class RateTry:
    """One try, in the training thread.

    Attributes:
        pending: the command that asked for it.
        phase: of the try.
        factor: the one being replayed.
        done: steps recorded or replayed so far, of ``total``.
        is_cancelled: set from any thread to end it.
        factors: on the rate, 1 first.
        from_step: taken before the recorded ones.
        tape: of the steps.
    """

    def __init__(
        self,
        pending: PendingCommand,
        command: msg.Try,
        control: RateControl,
        optimizers: Iterable[Optimizer],
        agree: Agree,
    ) -> None:
        """Begin to record the next steps.

        Raises:
            CannotTry: they cannot be recorded; says why.
        """
        self.pending = pending
        self.phase: Literal["recording", "replaying"] = "recording"
        self.factor = 1.0
        self.done = 0
        self.is_cancelled = False
        self.from_step = 0
        self._command = command
        self.factors = [1.0, *dict.fromkeys(f for f in command.factors if f != 1)]
        self.total = command.steps * (1 + len(self.factors))
        self._control, self._agree = control, agree
        self._stopped: dict[float, str] = {}  # why a replay at a factor ended early
        self._began = time.monotonic()
        optimizers = [*optimizers]
        allowed = allowed_bytes(optimizers)
        self.tape = Tape(control, optimizers, allowed - 2 * size_of(optimizers))
        self.tape.start()

    @property
    def steps(self) -> int:
        """Steps to record."""
        return self._command.steps + self.tape.restarts

    def progress(self, run: int) -> msg.Trying:
        """Return how far it is; safe from any thread."""
        share = min(self.done / self.total, 1.0)
        passed = time.monotonic() - self._began
        left = passed * (1 - share) / share if share > 0 else None
        return msg.Trying(
            run=run, phase=self.phase, factor=self.factor, share=share, seconds_left=left
        )

    def result(self, run: int) -> msg.Tried:
        """Replay the recorded steps at each factor, and restore the training.

        Raises:
            CannotTry: the steps cannot be replayed, or a replay at the rate in force differs from
                what happened; says why. The training is restored all the same.
        """
        self.tape.stop()
        self.phase, self.done = "replaying", self._command.steps
        objection = self.tape.trouble or (CANCELLED if self.is_cancelled else "")
        if why := agreed(self._agree, objection):
            raise CannotTry(why)
        WATCHING.is_paused = True
        now: SavedState | None = None
        try:
            with self.tape.before.same_versions():
                try:
                    now = self.tape.before.retaken()
                    losses = self._replay_all(now)
                finally:
                    if now is not None:
                        now.restore()
        finally:
            WATCHING.is_paused = False
        base = losses[1.0]
        return msg.Tried(
            run=run,
            steps=len(base),
            from_step=self.from_step,
            exact=True,
            branches=[self._branch(f, found, base) for f, found in sorted(losses.items())],
            warning=self.tape.warning,
        )

    def _branch(self, factor: float, losses: list[float], base: list[float]) -> msg.Branch:
        """Return the losses at a factor, and what they show."""
        several = sum(map(bool, self.tape.losses)) > self.tape.steps
        verdict = compare(factor, losses, base, several=several)
        stopped = self._stopped.get(factor)
        return msg.Branch(
            factor=factor,
            losses=[finite_or_none(loss) for loss in losses],
            difference=None if stopped else finite_or_none(verdict.difference),
            word=stopped or verdict.word,
        )

    def _replay_all(self, now: SavedState) -> dict[float, list[float]]:
        """Return the losses of each step at each factor."""
        found: dict[float, list[float]] = {}
        for number, factor in enumerate(self.factors):
            self.factor, self.done = factor, (1 + number) * self._command.steps
            losses, why = self._replay(factor)
            if factor == 1:
                why = why or self._control_differs(losses, now)
            if why := agreed(self._agree, CANCELLED if self.is_cancelled else why):
                raise CannotTry(why)
            found[factor] = self.tape.own_losses(losses)
        return found

    def _replay(self, factor: float) -> tuple[list[list[Tensor]], str]:
        """Return the losses of a replay, and why it could not be carried out."""
        losses: list[list[Tensor]] = []
        try:
            self.tape.replay(factor, losses, self._count_and_check)
        except Stopped:
            return losses, CANCELLED
        except (torch.OutOfMemoryError, MemoryError) as error:
            return losses, f"out of memory: {in_words(error)}"
        except Exception as error:  # of the script's own modules, or of torch
            if factor == 1 or not self._is_alone:
                return losses, f"a replay at {factor_text(factor)} failed: {in_words(error)}"
            self._stopped[factor] = f"stopped at step {len(losses) + 1}: {in_words(error)}"
        return losses, ""

    @property
    def _is_alone(self) -> bool:
        """Whether there are no other ranks, which would wait for this one."""
        return self._agree is alone

    def _count_and_check(self) -> None:
        self.done += 1
        if self.is_cancelled and self._is_alone:  # ranks stop together, after a replay
            raise Stopped

    def _control_differs(self, losses: list[list[Tensor]], now: SavedState) -> str:
        """Return why the replay at the rate in force is not what happened, empty if it is."""
        if not same(losses, self.tape.losses):
            return NOT_EXACT.format("the losses")
        differs = self.tape.before.retaken().difference(now)
        return NOT_EXACT.format(differs) if differs else ""

    def adopt(self, factor: float) -> None:
        """Continue from the end of a branch.

        What the script itself keeps, such as a hidden state or running sums, stays as it is.

        Raises:
            CannotTry: the branch cannot be replayed; the training is as it was.
        """
        WATCHING.is_paused = True
        try:
            now = self.tape.before.retaken()
            why = self._replay(factor)[1] or self._stopped.get(factor, "")
            if why := agreed(self._agree, why):
                now.restore()
                raise CannotTry(why)
            now.restore_loop()
        finally:
            WATCHING.is_paused = False
        self._control.load_state_dict(self.tape.hand)
        self._control.scale_by(factor)


class Stopped(Exception):
    """A replay was cancelled."""


def alone(objection: str) -> str:
    """Return the objection of the only rank."""
    return objection


def agreed(agree: Agree, objection: str) -> str:
    """Return the objection of any rank, empty for none; also where the ranks cannot agree."""
    try:
        return agree(objection)
    except Exception as error:  # a rank or the store is gone
        return f"the ranks can no longer agree: {in_words(error)}"


def allowed_bytes(optimizers: Iterable[Optimizer]) -> float:
    """Return the bytes that a trial may take.

    Raises:
        CannotTry: not even the copies of the weights fit; says how much they take.
    """
    optimizers = [*optimizers]
    parameters = [p for o in optimizers for g in o.param_groups for p in g["params"]]
    if not parameters:
        raise CannotTry("there is no optimizer whose steps could be replayed")
    free = free_bytes(parameters[0].device)
    if free is None:
        return math.inf
    needed, allowed = 2 * size_of(optimizers), MEMORY_SHARE * free
    if needed > allowed:
        raise CannotTry(
            f"a try takes {bytes_text(needed)} for copies of weights, gradients and optimizer "
            f"states, and half of the free memory is {bytes_text(allowed)}"
        )
    return allowed


def cost_text(command: msg.Try, optimizers: Iterable[Optimizer], pace: float) -> str:
    """Return what a trial would take, in words.

    Raises:
        CannotTry: there is no room for it.
    """
    optimizers = [*optimizers]
    allowed_bytes(optimizers)
    factors = [f for f in command.factors if f != 1]
    replayed = command.steps * (1 + len(factors))
    halts = f" for about {duration(replayed / pace)}" if pace else ""
    return (
        f"try {' '.join(map(factor_text, command.factors))} on the next {command.steps:,} steps, "
        f"then training waits{halts}; memory {bytes_text(2 * size_of(optimizers))} and the batches"
    )
