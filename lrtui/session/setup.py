"""Everything a run is given apart from its learning rate, and the table of these fields.

The command line, the panel of settings, the line that reproduces a run and the controller all read
``FIELDS``: a new option is a row here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from shlex import join
from typing import Any

from lrtui.messages import OWN, PLAIN, SCHEDULES, Optimizer, OptimizerName, ProblemFacts
from lrtui.messages.problem_settings import BUILT_IN, ProblemSettings
from lrtui.text.rates import FACTOR, NUMBER, rate_text
from lrtui.text.readers import Reader, below_one, read_betas, read_schedule, whole, within

OPTIMIZERS = (
    PLAIN,
    Optimizer(momentum=0.9),
    Optimizer(name="nesterov", momentum=0.9),
    Optimizer(name="adam"),
    Optimizer(name="adamw", weight_decay=0.01),
)
"""The optimizers that a key cycles through."""

MOMENTUM_AND_DECAY: dict[OptimizerName, tuple[float, float]] = {
    "nesterov": (0.9, 0.0),
    "adamw": (0.0, 0.01),
}
"""Default momentum and weight decay, as in torch, where they are not 0."""

WARMUP_PART = 10
"""A warmup chosen by a key takes a run's steps divided by this."""

ALL = "all"
"""A batch of all the data."""


@dataclass(frozen=True)
class Setup:
    """Everything a run is given apart from its learning rate.

    Attributes:
        settings: of the problem.
        optimizer: takes the steps.
        schedule: how the rate moves from its peak.
        steps: of a run.
        factor: by which one key press multiplies a rate; of the keys, not of a run.
    """

    settings: ProblemSettings = field(default_factory=ProblemSettings)
    optimizer: Optimizer = PLAIN
    schedule: str = "constant"
    steps: int = 100
    factor: float = FACTOR

    @classmethod
    def of(
        cls,
        problem: str,
        *,
        steps: int | None = None,
        optimizer: OptimizerName | None = None,
        momentum: float | None = None,
        weight_decay: float | None = None,
        betas: tuple[float, float] | None = None,
        schedule: str | None = None,
        factor: float | None = None,
        **settings: Any,  # noqa: ANN401 - fields of ProblemSettings
    ) -> Setup:
        """Return the setup with these values, ``None`` for the default.

        Raises:
            ValueError: the values are incompatible; says which.
        """
        given = {name: value for name, value in settings.items() if value is not None}
        of_problem = ProblemSettings(name=problem, **given)
        by = make_optimizer(problem, optimizer, momentum, weight_decay, betas)
        steps, schedule = steps or of_problem.steps, schedule or "constant"
        return cls(of_problem, by, schedule, steps, factor or FACTOR)

    def resolved(self, facts: ProblemFacts) -> Setup:
        """Return the setup with gradient descent if the problem brings no optimizer of its own."""
        if self.optimizer == OWN and not facts.own_optimizer:
            return replace(self, optimizer=PLAIN)
        return self

    @classmethod
    def read(cls, problem: str, texts: Mapping[str, str]) -> Setup:
        """Return the setup with these values, as text by field name.

        Raises:
            ValueError: one is invalid, or they are incompatible; says why.
        """
        readers = {row.name: row.read for row in FIELDS}
        given: dict[str, Any] = {name: readers[name](text) for name, text in texts.items()}
        return cls.of(problem, **given)

    def changed(self, name: str, text: str) -> Setup:
        """Return the setup with one field as a person typed it, and its dependents at defaults.

        Raises:
            ValueError: it is invalid or incompatible with the others; says why.
        """
        texts = {row.name: row.text(self) for row in FIELDS[1:] if not row.is_usual(self)}
        if name == "problem":
            kept = {key: texts[key] for key in texts if key in ("seed", "factor")}
            return Setup.read(text, kept)
        if name == "optimizer":
            for dependent in ("momentum", "weight_decay", "betas"):
                texts.pop(dependent, None)
        return Setup.read(self.settings.name, {**texts, name: text})

    def with_next_optimizer(self, facts: ProblemFacts | None) -> Setup:
        """Return the setup with the next optimizer."""
        choice = optimizers(facts)
        at = choice.index(self.optimizer) + 1 if self.optimizer in choice else 0
        return replace(self, optimizer=choice[at % len(choice)])

    def with_next_schedule(self) -> Setup:
        """Return the setup with the next schedule."""
        rise = max(self.steps // WARMUP_PART, 1)
        names = [name.replace("N", str(rise)) for name in SCHEDULES]
        kinds = [name.partition(":")[0] for name in names]
        at = kinds.index(self.schedule.partition(":")[0]) + 1
        return replace(self, schedule=names[at % len(names)])

    def command_line(self, lrs: Sequence[float] = ()) -> str:
        """Return the command line that runs rates with it, quoted for a shell."""
        name = self.settings.name
        words = ["lrtui", *([] if name == "line" else [name]), *(["--race"] if lrs[1:] else [])]
        for lr in lrs:
            words += ["--lr", rate_text(lr)]
        for row in FIELDS[1:]:
            if row.name != "factor" and not row.is_usual(self):
                words += [row.option] if row.is_flag else [row.option, row.text(self)]
        return join(words)


def make_optimizer(
    problem: str,
    name: OptimizerName | None,
    momentum: float | None,
    weight_decay: float | None,
    betas: tuple[float, float] | None,
) -> Optimizer:
    """Return the optimizer with these values, ``None`` for the default.

    Raises:
        ValueError: the values are incompatible; says which.
    """
    if name is None:
        # A file may define its own optimizer; if it does not, own is gradient descent.
        brings_own = problem.endswith(".py") and momentum is None and weight_decay is None
        name = "own" if brings_own else "sgd"
    is_adaptive = name in ("adam", "adamw")
    for value, option, fits in (
        (momentum, "--momentum", not is_adaptive and name != "own"),
        (betas, "--betas", is_adaptive),
        (weight_decay, "--weight-decay", name != "own"),
    ):
        if value is not None and not fits:
            raise ValueError(f"{option} is not for {name}")
    if name == "nesterov" and momentum == 0:
        raise ValueError("nesterov needs a momentum above 0")
    usual_momentum, usual_decay = MOMENTUM_AND_DECAY.get(name, (0.0, 0.0))
    return Optimizer(
        name=name,
        momentum=usual_momentum if momentum is None else momentum,
        weight_decay=usual_decay if weight_decay is None else weight_decay,
        betas=betas or (0.9, 0.999),
    )


def optimizers(facts: ProblemFacts | None) -> list[Optimizer]:
    """Return the optimizers to choose from for a problem."""
    return [*OPTIMIZERS, *([OWN] if facts is not None and facts.own_optimizer else [])]


def always(_: Setup) -> bool:
    """Return true for every setup."""
    return True


@dataclass(frozen=True)
class Field:
    """One field of a setup.

    Attributes:
        name: that of the option, with underscores.
        text: returns the value in force as a person writes it; empty for none.
        help: of the option.
        metavar: what the help calls the value.
        choices: the allowed values, empty if ``read`` decides.
        read: parses a value.
        values: offered by the panel; empty to leave the field out of it.
        hint: shown in the panel.
        applies: whether the panel shows it for a setup.
    """

    name: str
    text: Callable[[Setup], str]
    help: str
    metavar: str = ""
    choices: tuple[str, ...] = ()
    read: Reader = str
    values: tuple[str, ...] = ()
    hint: str = ""
    applies: Callable[[Setup], bool] = always

    @property
    def option(self) -> str:
        """The option of the command line."""
        return "--" + self.name.replace("_", "-")

    @property
    def is_flag(self) -> bool:
        """Whether the option takes no value."""
        return self.read is bool

    @property
    def is_typed(self) -> bool:
        """Whether another number can be typed in the panel."""
        return not self.choices and self.name not in ("problem", "schedule")

    def values_of(self, setup: Setup) -> tuple[str, ...]:
        """Return the values that the panel offers for a setup."""
        name = setup.settings.name
        if self.name == "problem" and name not in self.values:
            return (*self.values, name)
        own = self.name == "optimizer" and name.endswith(".py")
        return (*self.values, "own") if own else self.values

    def is_usual(self, setup: Setup) -> bool:
        """Return whether a setup has the default value."""
        by = None if self.name == "optimizer" else setup.optimizer.name
        usual = Setup.of(setup.settings.name, optimizer=by)
        return self.text(setup) == self.text(usual)


def setting(name: str) -> Callable[[Setup], str]:
    """Return a getter of a field of the problem's settings."""

    def text(setup: Setup) -> str:
        value = getattr(setup.settings, name)
        return "" if value is None or value is False else str(value)

    return text


def read_problem(text: str) -> str:
    """Check the name of a built-in problem or the path of a file.

    Raises:
        ValueError: no such problem exists; lists those that do.
    """
    if text in BUILT_IN:
        return text
    if Path(text).suffix.lower() not in (".py", ".csv"):
        if NUMBER.fullmatch(text):
            raise ValueError(f"{text[:24]} is a rate, not a problem: --lr {text[:24]} sets it")
        known = ", ".join(BUILT_IN)
        raise ValueError(
            f"no problem is called {text[:24]!r}; there are {known}, and .py and .csv files"
        )
    if not Path(text).is_file():
        raise ValueError(f"there is no file {text[:200]}")
    return text


def is_line(setup: Setup) -> bool:
    """Return whether the post's line is trained."""
    return setup.settings.name == "line"


# fmt: off
FIELDS = (
    Field("problem", setting("name"),
          "a built-in problem (line; lrtui problems lists them), a .py file or a .csv table",
          "PROBLEM", read=read_problem, values=(*BUILT_IN,), hint="what is trained"),
    Field("optimizer", lambda s: s.optimizer.name, "(sgd)",
          choices=("sgd", "nesterov", "adam", "adamw", "own"),
          values=("sgd", "nesterov", "adam", "adamw"), hint="what takes the steps"),
    Field("momentum", lambda s: f"{s.optimizer.momentum:.9g}", "of sgd (0) and nesterov (0.9)", "B",
          read=below_one, values=("0", "0.5", "0.9", "0.95", "0.99"), hint="0 to below 1",
          applies=lambda s: s.optimizer.name in ("sgd", "nesterov")),
    Field("weight_decay", lambda s: f"{s.optimizer.weight_decay:.9g}", "(0; adamw 0.01)", "D",
          read=within(0, 1e9, "a number from 0 is")),
    Field("betas", lambda s: "{:.9g},{:.9g}".format(*s.optimizer.betas),
          "of adam and adamw (0.9,0.999)", "B1,B2", read=read_betas),
    Field("schedule", lambda s: s.schedule,
          f"how the rate moves from its peak over a run: {', '.join(SCHEDULES)} (constant)",
          "NAME", read=read_schedule, values=(*SCHEDULES[:-1], "warmup:20"),
          hint="how the rate moves"),
    Field("steps", lambda s: str(s.steps),
          "steps a run (100 for the line, else as many as the problem needs)", "N",
          read=whole(1, 10**9), values=("50", "100", "200", "500", "1000", "2000", "4000", "10000"),
          hint="of a run"),
    Field("seed", setting("seed"), "of data and model (0)", "N", read=whole(0, 2**63 - 1),
          values=(*map(str, range(10)),), hint="of data and model"),
    Field("batch", lambda s: str(s.settings.batch or ALL),
          "mini-batches of N samples (all of them), the same for every run", "N",
          read=lambda text: None if text == ALL else whole(1, 10**9)(text),
          values=(ALL, "4", "8", "16", "32", "64", "128"), hint="samples a step",
          applies=lambda s: s.settings.name not in ("bowl", "rosenbrock")),
    Field("points", setting("points"), "samples of line (100)", "N", read=whole(2, 100_000),
          values=("10", "30", "100", "300", "1000", "10000"), hint="samples, 2 to 100,000",
          applies=is_line),
    Field("noise", setting("noise"),
          "noise on the target: uniform on [0, 1) as in the post's code, or gaussian (mean 0, "
          "deviation 1) as in its text", choices=("uniform", "gaussian"),
          values=("uniform", "gaussian"), hint="on the target", applies=is_line),
    Field("spread", setting("spread"),
          "first column from [-1, 1), or from the unit interval [0, 1), where the condition number "
          "is about 19 instead of 3", choices=("symmetric", "unit"),
          values=("symmetric", "unit"), hint="of the first column: [-1, 1) or [0, 1)",
          applies=is_line),
    Field("target", setting("target"), "column of a table that is predicted", "COLUMN"),
    Field("standardise", setting("standardise"),
          "bring the columns of a table to mean 0 and deviation 1", read=bool),
    Field("device", setting("device"), "(cpu)", choices=("cpu", "cuda", "mps")),
    Field("factor", lambda s: f"{s.factor:.9g}",
          f"what the keys [ ] and {{ }} multiply a rate by ({FACTOR:g})", "F",
          read=within(1.001, 1000, "a number from 1.001 is"),
          values=("1.05", "1.1", "1.25", "1.5", "2", "10"), hint="of the keys [ ] { }"),
)
"""All fields, in the order in which the panel shows them; the problem first."""
# fmt: on
