"""The options of each command, as a typed dataclass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lrtui.messages import Optimizer
from lrtui.messages.problem_settings import Device, Noise, ProblemSettings, Spread

if TYPE_CHECKING:
    from lrtui.tour.script import Scene


@dataclass(frozen=True, kw_only=True)
class ProblemOptions:
    """Options of the commands that train: what is trained, and for how long."""

    problem: str
    steps: int | None
    points: int
    noise: Noise
    spread: Spread
    seed: int
    batch: int | None
    target: str | None
    standardise: bool
    device: Device
    optimizer: Optimizer
    schedule: str

    @property
    def settings(self) -> ProblemSettings:
        """Settings of the problem."""
        return ProblemSettings(
            name=self.problem,
            points=self.points,
            noise=self.noise,
            spread=self.spread,
            seed=self.seed,
            batch=self.batch,
            target=self.target,
            standardise=self.standardise,
            device=self.device,
        )

    @property
    def steps_of_a_run(self) -> int:
        """Steps of a run: those asked for, or the usual ones of the problem."""
        return self.steps or self.settings.steps


@dataclass(frozen=True, kw_only=True)
class ScreenOptions:
    """Options of the commands that show the screen."""

    every: int
    fps: int
    theme: str | None


@dataclass(frozen=True, kw_only=True)
class LabOptions(ProblemOptions, ScreenOptions):
    """Options of ``lrtui`` itself; a speed of 0 is the usual one, ``None`` as fast as possible."""

    lr: list[float] | None
    race: bool
    factor: float
    advice: float
    keep: Path | None
    speed: float | None
    save: Path | None
    plain: bool
    json: bool
    ascii: bool

    @property
    def lrs(self) -> list[float]:
        """Rates to run, one after another."""
        return self.lr or [self.settings.lrs[0]]

    @property
    def races(self) -> list[list[float]]:
        """The same, those that are run in step in one list."""
        return [self.lrs] if self.race else [[lr] for lr in self.lrs]


@dataclass(frozen=True, kw_only=True)
class SweepOptions(ProblemOptions):
    """Options of ``lrtui sweep``."""

    low: float | None
    high: float | None
    count: int
    range_test: bool
    json: bool
    csv: bool
    ascii: bool


@dataclass(frozen=True, kw_only=True)
class HeatOptions(ProblemOptions):
    """Options of ``lrtui heat``."""

    json: bool
    csv: bool
    ascii: bool


@dataclass(frozen=True, kw_only=True)
class TourOptions(ProblemOptions, ScreenOptions):
    """Options of ``lrtui tour``."""

    script: str | None
    pace: float
    save: Path | None
    ascii: bool

    def about(self, scenes: Sequence[Scene]) -> TourOptions:
        """Return the options with the problem and the steps that a script asks for."""
        asked = {scene.verb: scene for scene in scenes}
        problem, steps = asked.get("problem"), asked.get("steps")
        return replace(
            self,
            problem=problem.text if problem else self.problem,
            steps=self.steps or (int(steps.number) if steps else None),
        )


@dataclass(frozen=True, kw_only=True)
class ReplayOptions(ScreenOptions):
    """Options of ``lrtui replay``; ``speed`` as in ``LabOptions``."""

    file: Path
    speed: float | None
    follow: bool
    plain: bool
    json: bool
    ascii: bool


@dataclass(frozen=True, kw_only=True)
class ProblemsOptions:
    """Options of ``lrtui problems``."""

    json: bool
    ascii: bool


@dataclass(frozen=True, kw_only=True)
class WatchOptions(ScreenOptions):
    """Options of ``lrtui watch``."""

    training: str | None
    read_only: bool
    plain: bool
    json: bool
    ascii: bool


@dataclass(frozen=True, kw_only=True)
class TellOptions:
    """Options of ``lrtui tell``."""

    words: list[str]
    wait: float
    ascii: bool


Options = (
    LabOptions
    | SweepOptions
    | HeatOptions
    | TourOptions
    | ReplayOptions
    | ProblemsOptions
    | WatchOptions
    | TellOptions
)
