"""What can be done by a key: one definition for the key, the palette, the help and the footer."""

from __future__ import annotations

from dataclasses import dataclass

from textual.binding import Binding


@dataclass(frozen=True)
class Command:
    """One thing that can be done.

    Attributes:
        action: the screen's method is ``action_`` and this.
        key: textual's name of the key.
        sign: the key as a person knows it.
        name: what the palette calls it.
        help: what it does, in a sentence.
        footer: keys and a word for the footer, where it stands there.
        pair: what it and the next one do, in a sentence, where the help has a line for both.
    """

    action: str
    key: str
    sign: str
    name: str
    help: str
    footer: tuple[str, str] | None = None
    pair: str = ""

    def binding(self) -> Binding:
        """Returns textual's form of it."""
        return Binding(self.key, self.action, self.help, id=self.action, show=False)


COMMANDS = (
    Command("restart", "r", "r", "restart", "Restart at the same learning rate.", ("r", "restart")),
    Command(
        "pause", "space", "space", "pause", "Pause the run; go on with it.", ("space", "pause")
    ),
    Command("step", "full_stop", ".", "one step", "Take one step and hold.", (".", "step")),
    Command(
        "smaller",
        "left_square_bracket",
        "[",
        "smaller rate",
        "Restart at a rate 1.25 times smaller.",
        ("[ ]", "rate −/+"),
        "Restart at a rate 1.25 times smaller, larger.",
    ),
    Command(
        "larger",
        "right_square_bracket",
        "]",
        "larger rate",
        "Restart at a rate 1.25 times larger.",
    ),
    Command(
        "shrink",
        "left_curly_bracket",
        "{",
        "smaller rate, no restart",
        "Go on at a rate 1.25 times smaller, without a restart.",
        ("{ }", "on the way"),
        "Go on at a rate 1.25 times smaller, larger; no restart.",
    ),
    Command(
        "grow",
        "right_curly_bracket",
        "}",
        "larger rate, no restart",
        "Go on at a rate 1.25 times larger, without a restart.",
    ),
    Command("advice", "a", "a", "advice", "Run the rate that is advised.", ("a", "advice")),
    Command(
        "post",
        "p",
        "p",
        "the post's rates",
        "Run the post's three rates in turn: 0.1, 0.7, 1.01.",
        ("p", "post"),
    ),
    Command(
        "scale",
        "y",
        "y",
        "scale of the loss",
        "Show the loss linear, logarithmic, or above its minimum.",
        ("y", "scale"),
    ),
    Command(
        "map",
        "b",
        "b",
        "bowl or map",
        "Turn the bowl into the map of slope and bias, and back.",
        ("b", "bowl/map"),
    ),
    Command(
        "sweep",
        "w",
        "w",
        "every rate",
        "Show the steps to settle at every rate, and go back.",
        ("w", "every rate"),
    ),
    Command(
        "slower",
        "minus",
        "-",
        "slower",
        "Take fewer steps a second.",
        ("- +", "speed"),
        "Take fewer, more steps a second, up to flat out.",
    ),
    Command("faster", "plus", "+", "faster", "Take more steps a second, up to flat out."),
    Command(
        "older",
        "down",
        "↓",
        "older run",
        "Highlight the next older run, on the charts too.",
        ("↓ ↑", "runs"),
        "Highlight the next older, newer run, on the charts too.",
    ),
    Command("newer", "up", "↑", "newer run", "Highlight the next newer run, or none."),
    Command(
        "zoom",
        "tab",
        "tab",
        "next view",
        "Show one pane alone, then the next, then all again.",
        ("tab", "view"),
    ),
    Command(
        "export",
        "e",
        "e",
        "export",
        "Write the losses to a CSV file in this folder.",
        ("e", "export"),
    ),
    Command(
        "redraw",
        "ctrl+l",
        "ctrl+l",
        "draw anew",
        "Draw the screen anew, whatever the terminal shows.",
    ),
    Command("suspend", "ctrl+z", "ctrl+z", "suspend", "Back to the shell; fg goes on with lrtui."),
    Command("help", "question_mark", "?", "help", "Show this page, or leave it.", ("?", "help")),
    Command(
        "leave", "q", "q", "quit", "Leave; the table of runs stays in the terminal.", ("q", "quit")
    ),
)
