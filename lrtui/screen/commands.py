"""What can be done by a key: one definition for the key, the palette, the help and the footer."""

from __future__ import annotations

from dataclasses import dataclass

from textual.binding import Binding


@dataclass(frozen=True)
class Command:
    """One thing that can be done.

    Attributes:
        action: the screen's method, ``action_…``.
        key: textual's name of the key; several with commas between.
        sign: the key as a person knows it.
        label: a word or two for the footer; empty if it is not shown there.
        help: what it does, in a sentence.
    """

    action: str
    key: str
    sign: str
    label: str
    help: str

    def binding(self) -> Binding:
        """Returns textual's form of it."""
        return Binding(self.key, self.action, self.help, id=self.action, show=False)


COMMANDS = (
    Command("restart", "r", "r", "restart", "Restart at the same learning rate."),
    Command("pause", "space", "space", "pause", "Pause the run, or let it go on."),
    Command("step", "full_stop", ".", "step", "Take one step and hold."),
    Command(
        "smaller", "left_square_bracket", "[", "rate −", "Restart at a rate 1.25 times smaller."
    ),
    Command("larger", "right_square_bracket", "]", "rate +", "Restart at a rate 1.25 times larger."),
    Command(
        "shrink",
        "left_curly_bracket",
        "{",
        "",
        "Go on at a rate 1.25 times smaller, without a restart.",
    ),
    Command(
        "grow",
        "right_curly_bracket",
        "}",
        "",
        "Go on at a rate 1.25 times larger, without a restart.",
    ),
    Command("slower", "minus", "-", "slower", "Take fewer steps a second."),
    Command("faster", "plus", "+", "faster", "Take more steps a second, up to flat out."),
    Command("post", "p", "p", "post's", "Run the post's three rates in turn: 0.1, 0.7, 1.01."),
    Command("scale", "y", "y", "scale", "Show the loss on a linear or a logarithmic scale."),
    Command("help", "question_mark", "?", "help", "Show or leave this page."),
    Command("quit", "q,ctrl+c", "q", "quit", "Leave; the table of runs stays in the terminal."),
)

BINDINGS = [command.binding() for command in COMMANDS]
