"""A run among those that are trained in step, often the only one, and what is reported about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from lrtui.messages import LARGEST, Ended, Message, Outcome, Start, Started, State
from lrtui.messages.pace import Pace
from lrtui.problems.problem import Problem
from lrtui.trainer.beginnings import AnyTraining
from lrtui.trainer.conclusion import conclusion, divergence_threshold
from lrtui.trainer.measure.curvature import Curvature
from lrtui.trainer.measure.loss_slice import Slicer
from lrtui.trainer.measure.probes import Probes
from lrtui.trainer.reporter import Reporter
from lrtui.trainer.side_work import SideWork


class RunLoop:
    """One run, and what is reported about it.

    Attributes:
        start: what started it.
        reporter: of its losses.
        changes: steps at which its rate was changed, and what to.
        is_on: whether it has not ended yet.
    """

    def __init__(
        self,
        problem: Problem,
        start: Start,
        training: AnyTraining,
        rng: AbstractContextManager[None],
        send: Callable[[Message], None],
        factors: Iterator[float] | None = None,
    ) -> None:
        """Begin at step 0.

        Args:
            problem: what is trained.
            start: the run.
            training: its model and optimizer.
            rng: the random states that its steps are taken in.
            send: takes the messages.
            factors: what its rate is multiplied by at each step, ``None`` for nothing.
        """
        self.start = start
        self.changes: list[tuple[int, float]] = []
        self.is_on = True
        self.reporter = Reporter(start.run, training, send, factors)
        self._problem = problem
        self._training = training
        self._rng = rng
        self._send = send

    def begin(
        self,
        race: list[int],
        pace: Pace,
        gauges: tuple[Curvature, Slicer],
        side_work: SideWork,
    ) -> None:
        """Report that it has begun, and measure at its initial weights.

        Args:
            race: numbers of all runs that are trained in step, empty if it is the only one.
            pace: of all of them.
            gauges: what measures the sharpness and the loss along a step.
            side_work: where measurements are made that take long.
        """
        start = self.start
        own = start.optimizer.name == "own"
        named = self._problem.facts.own_optimizer if own else start.optimizer
        self._send(
            Started(
                run=start.run,
                lr=start.lr,
                steps=start.steps,
                optimizer=named,
                schedule=start.schedule,
                race=race,
            )
        )
        self.tell_state(pace, start.id, "")
        share = 1 / max(len(race), 1)
        self._looks = Probes(
            self._problem, start, self._training, gauges, share, side_work, self._send
        )
        self._looks.take(self.reporter.step)

    @property
    def steps_per_sync(self) -> int:
        """How many steps are best taken at a time."""
        return self._training.steps_per_sync

    @property
    def is_over(self) -> bool:
        """Whether all steps are taken, or the loss allows no more."""
        return self.reporter.step >= self.start.steps or not abs(self._training.loss) <= LARGEST

    def advance(self, count: int, alone: bool) -> None:
        """Take steps; see ``Probes.steps``."""
        with self._rng:
            for loss in self._looks.steps(count, self.reporter.step, alone):
                self.reporter.record(loss)

    def report(self, now: bool = False) -> None:
        """Report what is new, after measuring at the current weights.

        Args:
            now: look whatever the time: the run holds here.
        """
        if now:
            self._looks.take(self.reporter.step, now=True)
            self.reporter.flush()
        else:
            self.reporter.flush()
            self._looks.take(self.reporter.step)

    def change_lr(self, lr: float) -> None:
        """Go on at another learning rate."""
        self._training.lr = lr
        self.changes = [*self.changes, (self.reporter.step, lr)]

    def tell_state(self, pace: Pace, answers: int, asked_by: str) -> None:
        """Report how it is driven."""
        self._send(
            State(
                run=self.start.run,
                step=self.reporter.step,
                paused=pace.paused,
                speed=pace.speed,
                lr=self._training.lr,
                asked_by=asked_by,
                answers=answers,
            )
        )

    def end(self, outcome: Outcome, reason: str) -> None:
        """Report that it is over, and how."""
        self.is_on = False
        self.reporter.flush()
        self._send(
            Ended(
                run=self.start.run,
                outcome=outcome,
                step=self.reporter.step,
                loss=self.reporter.last_finite,
                reason=reason,
            )
        )

    def stop(self) -> None:
        """End it before its time."""
        self.end("stopped", f"stopped after {self.reporter.step:,} steps")

    def conclude(self) -> None:
        """End it where it has come to."""
        reporter = self.reporter
        self._looks.take(reporter.step, now=True)
        most = divergence_threshold(
            self._problem, self.start.optimizer, self.start.schedule, reporter.first_loss
        )
        self.end(
            *conclusion(
                self._training.loss,
                self._training.lr,
                reporter.step,
                reporter.first_loss,
                reporter.last_finite,
                most,
            )
        )
