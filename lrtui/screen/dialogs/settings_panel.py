"""The panel of settings: what is trained, and by which optimizer, each with what it may be."""

from __future__ import annotations

from dataclasses import dataclass

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

from lrtui.commands.arguments import parse
from lrtui.commands.command_line import command_line, given, words
from lrtui.commands.options import LabOptions
from lrtui.commands.parser import AskingParser
from lrtui.messages import SCHEDULES
from lrtui.messages.problem_settings import BUILT_IN

DIGITS = tuple("0123456789.")
"""What a number is typed with."""

MAX_DIGITS = 12
"""Characters of a number."""

ALL = "all"
"""What stands for the whole data in place of the size of a batch."""


@dataclass(frozen=True)
class Setting:
    """One line of the panel.

    Attributes:
        name: of the option on the command line; ``problem`` for that.
        value: as it is now.
        choices: what ``← →`` go through.
        typed: whether another number can be typed.
        says: what it is, in a few words.
    """

    name: str
    value: str
    choices: tuple[str, ...]
    typed: bool
    says: str


def settings(options: LabOptions) -> list[Setting]:
    """Return the settings that there are for a problem and an optimizer."""
    by, problem = options.optimizer, options.problem
    known = (*BUILT_IN, *([problem] if problem not in BUILT_IN else []))
    names = ("sgd", "nesterov", "adam", "adamw", *(["own"] if problem.endswith(".py") else []))
    found = [
        Setting("problem", problem, known, False, "what is trained"),
        Setting("optimizer", by.name, names, False, "what takes the steps"),
    ]
    if by.name in ("sgd", "nesterov"):
        least = ("0",) if by.name == "sgd" else ()
        choices = (*least, "0.5", "0.9", "0.95", "0.99")
        found.append(Setting("momentum", f"{by.momentum:g}", choices, True, "0 to below 1"))
    steps = ("50", "100", "200", "500", "1000", "2000", "4000", "10000")
    moves = "how the rate moves"
    found += [
        Setting("schedule", options.schedule, (*SCHEDULES[:-1], "warmup:20"), False, moves),
        Setting("steps", str(options.steps_of_a_run), steps, True, "of a run"),
        Setting("seed", str(options.seed), (*map(str, range(10)),), True, "of data and model"),
    ]
    if problem not in ("bowl", "rosenbrock"):
        sizes = (ALL, "4", "8", "16", "32", "64", "128")
        batch = str(options.batch or ALL)
        found.append(Setting("batch", batch, sizes, True, "samples a step"))
    if problem == "line":
        points = ("10", "30", "100", "300", "1000", "10000")
        spread = "of the first column: [-1, 1) or [0, 1)"
        found += [
            Setting("points", str(options.points), points, True, "samples, 2 to 100,000"),
            Setting("noise", options.noise, ("uniform", "gaussian"), False, "on the target"),
            Setting("spread", options.spread, ("symmetric", "unit"), False, spread),
        ]
    factors = ("1.05", "1.1", "1.25", "1.5", "2", "10")
    found.append(Setting("factor", f"{options.factor:g}", factors, True, "of the keys [ ] { }"))
    return found


class SettingsPanel(ModalScreen[LabOptions | None]):
    """Lets a person change the settings; what it returns is to be run, ``None`` for nothing."""

    def __init__(self, options: LabOptions) -> None:
        """Make the panel.

        Args:
            options: as they are now.
        """
        super().__init__()
        self.options = options
        self._at = 0
        self._typed = ""
        self._wrong = ""

    def compose(self) -> ComposeResult:
        """Lay out the panel."""
        with Vertical(id="settings") as panel:
            panel.border_title = "settings"
            yield Static(id="lines")

    def on_mount(self) -> None:
        """Show the settings."""
        self._show()

    def _show(self) -> None:
        lines = Text()
        for i, setting in enumerate(settings(self.options)):
            here = i == self._at
            value = f"{self._typed}▏" if here and self._typed else setting.value
            lines.append("▶ " if here else "  ", "bold")
            lines.append(f"{setting.name:<10}", "bold" if here else "")
            lines.append(f"{value:<12} ", "bold reverse" if here else "bold")
            choices = " ".join(setting.choices) + (" …" if setting.typed else "")
            lines.append(f"{choices if here else setting.says}\n", "dim")
        options = self.options
        by = given(options.settings, options.optimizer, options.schedule, options.steps_of_a_run)
        lines.append(f"\n{command_line(options.problem, by, [])}\n", "dim")
        lines.append(
            self._wrong or "↑ ↓ choose, ← → change, or type a number; Enter runs it, Esc leaves",
            "bold red" if self._wrong else "dim",
        )
        for shown in self.query("#lines").results(Static):  # none yet, for a key that comes early
            shown.update(lines)

    def _set(self, name: str, value: str) -> bool:
        """Take a value over, or say what is wrong with it; return whether it was taken."""
        options = self.options
        steps = options.steps_of_a_run
        by = given(options.settings, options.optimizer, options.schedule, steps)
        if name == "problem":
            by = {"seed": by["seed"]} if "seed" in by else {}
        elif name == "optimizer":
            by = {key: by[key] for key in by if key not in ("momentum", "weight-decay", "betas")}
        problem = value if name == "problem" else options.problem
        if name != "problem":
            by[name] = value
        if value == ALL:
            del by[name]
        if name != "factor":
            by["factor"] = f"{options.factor:.9g}"
        try:
            _, found = parse(words(problem, by), AskingParser)
        except ValueError as error:
            self._wrong = str(error)
            return False
        assert isinstance(found, LabOptions)
        self.options, self._wrong = found, ""
        return True

    def _take_typed(self) -> bool:
        """Take over what was typed; return whether it may be, or nothing was."""
        typed, self._typed = self._typed, ""
        return not typed or self._set(settings(self.options)[self._at].name, typed)

    def _go(self, by: int) -> None:
        """Go to another line."""
        if self._take_typed():
            self._at = (self._at + by) % len(settings(self.options))

    def _turn(self, by: int) -> None:
        """Take the next of the choices, or the one before."""
        self._typed = ""
        setting = settings(self.options)[self._at]
        choices = setting.choices
        at = choices.index(setting.value) if setting.value in choices else -1 if by > 0 else 0
        self._set(setting.name, choices[(at + by) % len(choices)])

    def on_key(self, event: events.Key) -> None:
        """Do what a key asks for: here, as bindings come late where keys arrive bundled."""
        event.stop()
        if self.app.screen is not self:
            return  # it is leaving already
        self._wrong = ""
        character = event.character or ""
        match event.key:
            case "escape" | "q" | "m":
                self.dismiss(None)
            case "enter" | "ctrl+j":
                if self._take_typed():
                    self.dismiss(self.options)
            case "up":
                self._go(-1)
            case "down" | "tab":
                self._go(1)
            case "left":
                self._turn(-1)
            case "right":
                self._turn(1)
            case "backspace":
                self._typed = self._typed[:-1]
            case _ if settings(self.options)[self._at].typed and character in DIGITS:
                self._typed = (self._typed + character)[:MAX_DIGITS]
        self._show()
