"""What can be done by a key: one definition for the key, the palette, the help and the footer."""

from __future__ import annotations

from dataclasses import dataclass

from textual.binding import Binding

from lrtui.messages import Capability
from lrtui.problems.settings import POST_LRS
from lrtui.run.rate import FACTOR
from lrtui.run.session import Session


@dataclass(frozen=True)
class Action:
    """One thing that can be done.

    Attributes:
        name: the screen's method is ``action_`` and this.
        key: textual's name of the key.
        sign: the key as a person knows it.
        title: what the palette calls it.
        help: what it does, in a sentence.
        footer: keys and a word for the footer, where it stands there.
        pair: what it and the next one do, in a sentence, where the help has a line for both.
        needs: what the source must be able to do for it.
    """

    name: str
    key: str
    sign: str
    title: str
    help: str
    footer: tuple[str, str] | None = None
    pair: str = ""
    needs: Capability | None = None

    @property
    def steers(self) -> bool:
        """Whether it makes a run another one than it would have been."""
        return self.needs not in (None, "pause")

    def binding(self) -> Binding:
        """Return textual's form of it."""
        return Binding(self.key, self.name, self.help, id=self.name, show=False)

    def is_offered(self, session: Session) -> bool:
        """Return whether the source can do it."""
        return self.needs is None or session.offers(self.needs)


ACTIONS = (
    Action(
        "restart",
        "r",
        "r",
        "restart",
        "Restart at the same learning rate.",
        ("r", "restart"),
        needs="start",
    ),
    Action("advice", "a", "a", "advice", "Take the advice.", ("a", "advice"), needs="start"),
    Action(
        "pause",
        "space",
        "space",
        "pause",
        "Pause the run, or continue it.",
        ("space", "pause"),
        needs="pause",
    ),
    Action(
        "step",
        "full_stop",
        ".",
        "one step",
        "Take one step, then pause.",
        (".", "step"),
        needs="step",
    ),
    Action(
        "smaller",
        "left_square_bracket",
        "[",
        "smaller rate",
        f"Restart at the rate divided by {FACTOR:g}.",
        ("[ ]", "rate ÷/×"),
        f"Restart at the rate divided or multiplied by {FACTOR:g}.",
        needs="start",
    ),
    Action(
        "larger",
        "right_square_bracket",
        "]",
        "larger rate",
        f"Restart at the rate multiplied by {FACTOR:g}.",
        needs="start",
    ),
    Action(
        "shrink",
        "left_curly_bracket",
        "{",
        "smaller rate, no restart",
        f"Continue at the rate divided by {FACTOR:g}.",
        ("{ }", "no restart"),
        f"Continue at the rate divided or multiplied by {FACTOR:g}.",
        needs="set_lr",
    ),
    Action(
        "grow",
        "right_curly_bracket",
        "}",
        "larger rate, no restart",
        f"Continue at the rate multiplied by {FACTOR:g}.",
        needs="set_lr",
    ),
    Action(
        "post",
        "p",
        "p",
        "the post's rates",
        f"Run the post's rates in turn: {', '.join(map(str, POST_LRS))}.",
        ("p", "post"),
        needs="start",
    ),
    Action(
        "scale",
        "y",
        "y",
        "scale of the loss",
        "Show the loss linear, logarithmic, or above its minimum.",
        ("y", "scale"),
    ),
    Action(
        "lens",
        "b",
        "b",
        "bowl or map",
        "Turn the lens: the bowl, or the map of slope and bias.",
        ("b", "bowl/map"),
    ),
    Action(
        "every_rate",
        "w",
        "w",
        "every rate",
        "Show the steps to settle at every rate, and go back.",
        ("w", "every rate"),
    ),
    Action(
        "slower",
        "minus",
        "-",
        "slower",
        "Take fewer steps a second.",
        ("- +", "speed"),
        "Take fewer or more steps a second, up to as many as possible.",
        needs="speed",
    ),
    Action(
        "faster",
        "plus",
        "+",
        "faster",
        "Take more steps a second, up to as many as possible.",
        needs="speed",
    ),
    Action(
        "older",
        "down",
        "↓",
        "older run",
        "Highlight the next older run, on the charts too.",
        ("↓ ↑", "runs"),
        "Highlight the next older or newer run, on the charts too.",
    ),
    Action("newer", "up", "↑", "newer run", "Highlight the next newer run, or none."),
    Action(
        "zoom",
        "tab",
        "tab",
        "next view",
        "Show one pane alone, then the next, then all again.",
        ("tab", "view"),
    ),
    Action(
        "export",
        "e",
        "e",
        "export",
        "Write the losses to a CSV file in this folder.",
        ("e", "export"),
    ),
    Action(
        "redraw",
        "ctrl+l",
        "ctrl+l",
        "redraw",
        "Redraw the screen, whatever the terminal shows.",
    ),
    Action("suspend", "ctrl+z", "ctrl+z", "suspend", "Back to the shell; fg returns to lrtui."),
    Action("help", "question_mark", "?", "help", "Show this page, or leave it.", ("?", "help")),
    Action(
        "leave", "q", "q", "quit", "Leave; the table of runs stays in the terminal.", ("q", "quit")
    ),
)

BY_NAME = {action.name: action for action in ACTIONS}
BY_KEY = {action.key: action for action in ACTIONS}


def offered(session: Session) -> list[Action]:
    """Return the actions that the source can serve."""
    return [action for action in ACTIONS if action.is_offered(session)]
