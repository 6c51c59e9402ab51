"""One run, alone or in a race, and its reports."""

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
    """One run and its reports.

    Attributes:
        start: the command that started it.
        reporter: of its losses.
        changes: steps at which its rate changed, with the new rates.
        is_running: false once it has ended.
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
            problem: of the run.
            start: the command that started it.
            training: takes the steps.
            rng: entered for the steps.
            send: sends a message.
            factors: see ``Reporter``.
        """
        self.start = start
        self.changes: list[tuple[int, float]] = []
        self.is_running = True
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
        """Report the start, and measure at the initial weights.

        Args:
            race: numbers of all runs trained in step, empty for a single run.
            pace: of all of them.
            gauges: see ``Probes``.
            side_work: see ``Probes``.
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
        self.send_state(pace, start.id, "")
        share = 1 / max(len(race), 1)
        self._probes = Probes(
            self._problem, start, self._training, gauges, share, side_work, self._send
        )
        self._probes.update(self.reporter.step)

    @property
    def steps_per_sync(self) -> int:
        """See ``AnyTraining``."""
        return self._training.steps_per_sync

    @property
    def is_finished(self) -> bool:
        """Whether all steps are taken or the loss is not finite."""
        return self.reporter.step >= self.start.steps or not abs(self._training.loss) <= LARGEST

    def advance(self, count: int, alone: bool) -> None:
        """Take steps; see ``Probes.steps``."""
        with self._rng:
            for loss in self._probes.steps(count, self.reporter.step, alone):
                self.reporter.record(loss)

    def report(self, now: bool = False) -> None:
        """Report losses and measurements; with ``now``, as the run pauses here, measure first."""
        if now:
            self._probes.update(self.reporter.step, now=True)
        self.reporter.flush()
        if not now:
            self._probes.update(self.reporter.step)

    def change_lr(self, lr: float) -> None:
        """Continue at another rate."""
        self._training.lr = lr
        self.changes = [*self.changes, (self.reporter.step, lr)]

    def send_state(self, pace: Pace, answers: int, asked_by: str) -> None:
        """Report the state."""
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
        """Report the end."""
        self.is_running = False
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
        """End the run early."""
        self.end("stopped", f"stopped after {self.reporter.step:,} steps")

    def conclude(self) -> None:
        """End the run after its last step."""
        reporter = self.reporter
        self._probes.update(reporter.step, now=True)
        threshold = divergence_threshold(
            self._problem, self.start.optimizer, self.start.schedule, reporter.first_loss
        )
        self.end(
            *conclusion(
                self._training.loss,
                self._training.lr,
                reporter.step,
                reporter.first_loss,
                reporter.last_finite,
                threshold,
            )
        )
