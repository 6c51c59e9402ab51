"""The table of actions: one definition each for the key, the palette, the help and the footer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from textual.binding import Binding
from textual.keys import format_key

from lrtui.messages import Capability, Follow, Release, Seek
from lrtui.screen.control.controller import Controller
from lrtui.session.session import Session

STEERING = {
    "pause", "step", "hold", "scale", "release", "checkpoint", "rewind", "follow", "try", "adopt",
    "stop",
}  # fmt: skip
"""Capabilities that a training which is not ours loses when it ends."""

NEEDS = {
    "rewind": "needs the model: lrtui.Monitor(optimizer, model=model)",
    "follow": "needs a script of several optimizers, under lrtui run",
    "try": "needs an optimizer of torch with a rate",
    "adopt": "needs the result of a try that is not long ago",
    "checkpoint": "needs a function that writes one: lrtui.Monitor(optimizer, checkpoint=save)",
}
"""How a training gets a capability that it lacks."""

KEYMAP: dict[str, list[str]] = {}
"""The user's own keys, by the name of the action; filled before the screen is made."""


class _Stage(Protocol):
    """The screen, as far as the actions use it; ``Keys`` implements it."""

    app: Any
    controller: Controller

    def next_scalar(self) -> None: ...
    def find_scalar(self) -> None: ...
    def next_along(self) -> None: ...
    def next_scale(self) -> None: ...
    def next_chart(self) -> None: ...
    def next_view(self) -> None: ...
    def toggle_every_rate(self) -> None: ...
    def toggle_heat(self) -> None: ...
    def move_cursor(self, cells: int) -> None: ...
    def open_settings(self) -> None: ...
    def open_help(self) -> None: ...
    def name_run(self) -> None: ...
    def copy_command_line(self) -> None: ...
    def save_picture(self) -> None: ...
    def redraw(self) -> None: ...


@dataclass(frozen=True)
class Action:
    """A command of the user.

    Attributes:
        name: its name in bindings, borders and the user's keymap.
        key: textual's name of the key.
        title: its name in the palette.
        help: what it does, in a sentence.
        do: carries it out on the screen.
        footer: its word in the footer, empty to leave it out.
        border: its word on the border of its pane, empty for that of the footer.
        pair: what it and the next action do, in a sentence, if the help has one line for both.
        needs: the capability of the source that it needs.
        or_needs: a capability that will do as well.
        or_where: returns whether it is offered without any of these.
        typed: the key as printed on a keyboard, if textual calls it something else.
    """

    name: str
    key: str
    title: str
    help: str
    do: Callable[[_Stage], object]
    footer: str = ""
    pair: str = ""
    needs: Capability | None = None
    or_needs: Capability | None = None
    typed: str = ""
    border: str = ""
    or_where: Callable[[Session], bool] | None = None

    @property
    def keys(self) -> list[str]:
        """Textual's names of its keys: the user's own, if there are any."""
        return KEYMAP.get(self.name, [self.key])

    @property
    def sign(self) -> str:
        """The key as printed on a keyboard."""
        if self.name in KEYMAP:
            return format_key(self.keys[0])
        return self.typed or self.key

    @property
    def both(self) -> tuple[Action, ...]:
        """Itself, and the next action if the two are a pair."""
        return ACTIONS[ACTIONS.index(self) :][: 2 if self.pair else 1]

    @property
    def signs(self) -> list[str]:
        """Its key, and that of the next action if the two are a pair."""
        return [action.sign for action in self.both]

    def pressed_at(self, column: int) -> Action:
        """Return the action of a column of its signs and words: of a pair, the sign that is hit."""
        is_second = len(self.sign) <= column < len("".join(self.signs))
        return self.both[is_second]

    @property
    def steers(self) -> bool:
        """Whether it changes the course of a run."""
        return self.needs not in (None, "pause")

    def binding(self) -> Binding:
        """Return its binding for textual."""
        return Binding(self.key, f"do({self.name!r})", self.help, id=self.name, show=False)

    def is_offered(self, session: Session) -> bool:
        """Return whether the source can do it now."""
        if self.or_where is not None and self.or_where(session):
            return True
        if STEERING & {self.needs, self.or_needs} and is_over(session):
            return False
        able = self.needs is None or session.offers(self.needs)
        return able or (self.or_needs is not None and session.offers(self.or_needs))

    def why_not(self, session: Session) -> str:
        """Say why the source cannot do it."""
        is_live = is_watched(session)
        if is_over(session) and self.needs in STEERING:
            why = "the training is over"
        elif session.offers("seek"):
            why = "this is a record, nothing in it can be changed"
        elif is_live and not session.offers("pause"):
            why = "this only watches; nothing can be steered"
        elif is_live:
            why = NEEDS.get(self.needs or "", "only a run that lrtui itself trains can do this")
        elif self.needs in STEERING:
            why = "is for a training that runs elsewhere: lrtui watch"
        else:
            why = "cannot be done here"
        return f"{self.sign} ({self.title}): {why}"


def has_scalars(session: Session) -> bool:
    """Return whether a training reports scalars besides its loss."""
    return bool(session.current and session.current.live and session.current.live.scalars)


def is_watched(session: Session) -> bool:
    """Return whether the current run is a training that is not ours, or a log of one."""
    return session.current is not None and session.current.live is not None


def is_over(session: Session) -> bool:
    """Return whether a training that is not ours has ended."""
    run = session.current
    return run is not None and run.live is not None and not run.is_on


BY = "by the factor"

# fmt: off
ACTIONS = (
    Action("restart", "r", "restart",
           "Restart at the same rate.",
           lambda s: s.controller.restart(), "restart", needs="start"),
    Action("advice", "a", "advice",
           "Run the rate that is advised.",
           lambda s: s.controller.run_advice(), "advice", needs="start"),
    Action("pause", "space", "pause",
           "Pause the run, or continue it.",
           lambda s: s.controller.pause(), "pause", needs="pause"),
    Action("step", "full_stop", "one step",
           "Take one step, then pause.",
           lambda s: s.controller.step(), "step", needs="step", typed="."),
    Action("smaller", "left_square_bracket", "smaller rate",
           f"Restart at the rate divided {BY}.",
           lambda s: s.controller.run_scaled(1 / s.controller.setup.factor),
           "rate ÷/×", f"Restart at the rate divided or multiplied {BY}.", "start", typed="["),
    Action("larger", "right_square_bracket", "larger rate",
           f"Restart at the rate multiplied {BY}.",
           lambda s: s.controller.run_scaled(s.controller.setup.factor), needs="start", typed="]"),
    Action("shrink", "left_curly_bracket", "smaller rate, no restart",
           f"Continue at the rate divided {BY}.",
           lambda s: s.controller.continue_scaled(1 / s.controller.setup.factor), "scale",
           f"Continue at the rate divided or multiplied {BY}.", "set_lr", "scale", "{"),
    Action("grow", "right_curly_bracket", "larger rate, no restart",
           f"Continue at the rate multiplied {BY}.",
           lambda s: s.controller.continue_scaled(s.controller.setup.factor),
           needs="set_lr", or_needs="scale", typed="}"),
    Action("release", "u", "rate back to the schedule",
           "Give the rate back to the schedule.",
           lambda s: s.controller.steering.ask(Release()), "release", needs="release"),
    Action("rewind", "t", "back to a snapshot",
           "Go back to the weights before the loss rose, at half the rate (press twice).",
           lambda s: s.controller.steering.rewind(), "back", needs="rewind"),
    Action("try", "T", "try other rates",
           "Try half, twice and four times the rate on the next 100 steps (press twice).",
           lambda s: s.controller.steering.try_rates(), "try", needs="try"),
    Action("adopt", "A", "adopt a branch",
           "Go on from the better branch of the last try, at its rate (press twice).",
           lambda s: s.controller.steering.adopt(), "adopt", needs="adopt"),
    Action("checkpoint", "k", "checkpoint",
           "Write a checkpoint (press twice).",
           lambda s: s.controller.steering.checkpoint(), "checkpoint", needs="checkpoint"),
    Action("stop", "S", "stop the training",
           "Stop the training cleanly (press twice).",
           lambda s: s.controller.steering.stop(), "stop", needs="stop"),
    Action("follow", "f", "next optimizer",
           "Watch the script's next optimizer, as a run of its own.",
           lambda s: s.controller.steering.ask(Follow()), "follow", needs="follow"),
    Action("scalar", "l", "next scalar",
           "Show the next scalar that the training reports.",
           lambda s: s.next_scalar(), "scalar", needs="hold", or_where=has_scalars),
    Action("preset", "p", "next preset",
           "Run the next of the rates worth seeing for this problem.",
           lambda s: s.controller.run_preset(), "presets", needs="start"),
    Action("optimizer", "o", "optimizer",
           "Restart with the next optimizer at the same rate.",
           lambda s: s.controller.run_next_optimizer(), "optimizer", needs="start"),
    Action("schedule", "s", "schedule",
           "Restart with the next schedule at the same rate, which is its peak.",
           lambda s: s.controller.run_next_schedule(), needs="start"),
    Action("race_optimizers", "O", "race the optimizers",
           "Race the optimizers at the same rate.",
           lambda s: s.controller.race_optimizers(), needs="race"),
    Action("seek_start", "home", "start of the run",
           "Go to the start of the run that is shown.",
           lambda s: s.controller.seek(Seek(step=0)), "start/end",
           "To the start or end of the run; ← → by a report, a number to its step.", "seek",
           typed="home"),
    Action("seek_end", "end", "end of the run",
           "Go to the end of the run that is shown.",
           lambda s: s.controller.hold_at_end(), needs="seek"),
    Action("run_before", "pageup", "run before",
           "Go to the run before.",
           lambda s: s.controller.seek(Seek(chapters=-1)), "run",
           "Go to the run before or after.", "seek", typed="pgup"),
    Action("run_after", "pagedown", "run after",
           "Go to the run after.",
           lambda s: s.controller.seek(Seek(chapters=1)), needs="seek", typed="pgdn"),
    Action("scale", "y", "scale of the loss",
           "Show the loss linear, logarithmic, or above its minimum.",
           lambda s: s.next_scale(), "axis", border="scale"),
    Action("chart", "b", "next chart",
           "Show the next chart beside the loss.",
           lambda s: s.next_chart(), "chart", border="next"),
    Action("every_rate", "w", "every rate",
           "Show the steps to settle at every rate, and go back.",
           lambda s: s.toggle_every_rate(), "every rate",
           needs="sweep", or_needs="seek", border="back"),
    Action("zoom_ruler", "z", "zoom the ruler",
           "Zoom the ruler round the rate, further, and back.",
           lambda s: s.controller.zoom_ruler(), "zoom", needs="sweep"),
    Action("cursor_left", "left", "cursor left",
           "Read the charts a little to the left (shift: further).",
           lambda s: s.move_cursor(-1), "cursor",
           "Move the cursor that reads out the charts (shift: far).", typed="←"),
    Action("cursor_right", "right", "cursor right",
           "Read the charts a little to the right (shift: further).",
           lambda s: s.move_cursor(1), typed="→"),
    Action("heat", "h", "heat map",
           "Show rate and momentum side by side, and go back.",
           lambda s: s.toggle_heat(), "heat map", needs="heat", border="back"),
    Action("slower", "minus", "slower",
           "Take fewer steps a second.",
           lambda s: s.controller.slower(), "speed",
           "Take fewer or more steps a second, up to as many as possible.", "speed", typed="-"),
    Action("faster", "plus", "faster",
           "Take more steps a second, up to as many as possible.",
           lambda s: s.controller.faster(), needs="speed", typed="+"),
    Action("older", "down", "older run",
           "Highlight the next older run, on the charts too.",
           lambda s: s.controller.table.highlight_next(down=True),
           "run", "Highlight the next older or newer run, on the charts too.", typed="↓",
           border="run"),
    Action("newer", "up", "newer run",
           "Highlight the next newer run, or none.",
           lambda s: s.controller.table.highlight_next(down=False), typed="↑"),
    Action("zoom", "tab", "next view",
           "Show one pane alone, then the next, then all again.",
           lambda s: s.next_view(), "view"),
    Action("settings", "m", "settings",
           "Change problem, optimizer, steps, seed and more, and run it.",
           lambda s: s.open_settings(), "settings", needs="load"),
    Action("pin", "i", "pin or hide",
           "Pin the highlighted run to the charts, hide it, or neither.",
           lambda s: s.controller.table.pin(), "pin"),
    Action("name", "n", "name",
           "Give the highlighted run a name.",
           lambda s: s.name_run(), "name"),
    Action("remove", "x", "remove",
           "Remove the highlighted run from the table.",
           lambda s: s.controller.table.remove(), "remove"),
    Action("reproduce", "c", "command line",
           "Show and copy the command line that reproduces the run.",
           lambda s: s.copy_command_line(), "copy"),
    Action("along", "X", "x axis",
           "Show the loss by step, by time, or by a count such as tokens.",
           lambda s: s.next_along(), "x axis", or_where=is_watched, needs="hold", border="x axis"),
    Action("find_scalar", "slash", "find a scalar",
           "Choose a scalar from a list that is filtered by what is typed.",
           lambda s: s.find_scalar(), "find", needs="hold", or_where=has_scalars, typed="/"),
    Action("export", "e", "export",
           "Write the losses to a CSV file in this folder.",
           lambda s: s.controller.table.export(), "export"),
    Action("export_json", "E", "export as JSON",
           "Write the losses to a JSON file in this folder.",
           lambda s: s.controller.table.export(".json")),
    Action("picture", "P", "picture",
           "Write the screen as it is to an SVG file in this folder.",
           lambda s: s.save_picture()),
    Action("redraw", "ctrl+l", "redraw",
           "Redraw the screen, whatever the terminal shows.",
           lambda s: s.redraw()),
    Action("suspend", "ctrl+z", "suspend",
           "Back to the shell; fg returns to lrtui.",
           lambda s: s.app.action_suspend_process()),
    Action("help", "question_mark", "help",
           "Show this page, or leave it.",
           lambda s: s.open_help(), "help", typed="?"),
    Action("leave", "q", "quit",
           "Leave; the table of runs stays in the terminal.",
           lambda s: s.app.exit(), "quit"),
)
# fmt: on

BY_NAME = {action.name: action for action in ACTIONS}
BY_KEY = {action.key: action for action in ACTIONS}
"""By the default key."""


def at_key(key: str) -> Action | None:
    """Return the action of a key."""
    return next((action for action in ACTIONS if key in action.keys), None)


def offered(session: Session) -> list[Action]:
    """Return the actions that the source can serve."""
    return [action for action in ACTIONS if action.is_offered(session)]
