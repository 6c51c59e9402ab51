"""What the next run trains, but for its rate: the problem, the optimizer, the schedule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lrtui.commands import command_line
from lrtui.commands.arguments import parse
from lrtui.commands.options import LabOptions
from lrtui.messages import OWN, PLAIN, SCHEDULES, Optimizer, ProblemFacts
from lrtui.messages.problem_settings import ProblemSettings

OPTIMIZERS = (
    PLAIN,
    Optimizer(momentum=0.9),
    Optimizer(name="nesterov", momentum=0.9),
    Optimizer(name="adam"),
    Optimizer(name="adamw", weight_decay=0.01),
)
"""What a key goes through."""

WARMUP = 10
"""Part of a run for which a warmup that a key chooses rises: a tenth."""


@dataclass(frozen=True)
class Setup:
    """What the next run trains, but for its rate.

    Attributes:
        settings: of the problem.
        optimizer: what takes the steps.
        schedule: how the rate moves from its peak.
    """

    settings: ProblemSettings
    optimizer: Optimizer = PLAIN
    schedule: str = "constant"

    def with_optimizer(self, optimizer: Optimizer) -> Setup:
        """Return the same with another optimizer."""
        return replace(self, optimizer=optimizer)

    def with_next_optimizer(self, facts: ProblemFacts | None) -> Setup:
        """Return the same with the next optimizer."""
        choice = optimizers(facts)
        at = choice.index(self.optimizer) + 1 if self.optimizer in choice else 0
        return self.with_optimizer(choice[at % len(choice)])

    def with_next_schedule(self, steps: int) -> Setup:
        """Return the same with the next schedule of a run of a number of steps."""
        rise = max(steps // WARMUP, 1)
        names = [name.replace("N", str(rise)) for name in SCHEDULES]
        kinds = [name.partition(":")[0] for name in names]
        at = kinds.index(self.schedule.partition(":")[0]) + 1
        return replace(self, schedule=names[at % len(names)])

    def options(self, steps: int, factor: float) -> LabOptions:
        """Return it as options of the command line.

        Args:
            steps: steps of a run.
            factor: what one press of a key makes a rate larger or smaller by.
        """
        return replace(lab_options(self.settings.name, self._given(steps)), factor=factor)

    def command_line(self, lrs: Sequence[float], steps: int) -> str:
        """Return the command line that runs rates with it, for a number of steps."""
        return command_line.command_line(self.settings.name, self._given(steps), lrs)

    def _given(self, steps: int) -> dict[str, str]:
        return command_line.given(self.settings, self.optimizer, self.schedule, steps)


def optimizers(facts: ProblemFacts | None) -> list[Optimizer]:
    """Return the optimizers that there are to choose from for a problem."""
    return [*OPTIMIZERS, *([OWN] if facts is not None and facts.own_optimizer else [])]


def lab_options(problem: str, given: dict[str, str]) -> LabOptions:
    """Return what the command line makes of a problem and of options by name."""
    _, found = parse(command_line.words(problem, given))
    assert isinstance(found, LabOptions)
    return found
