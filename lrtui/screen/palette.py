"""What colours mean: each tone's style, taken from the theme."""

from __future__ import annotations

from collections.abc import Mapping

from rich.style import Style
from textual.color import Color
from textual.theme import Theme

from lrtui.screen.spans import EARLIER

SIXTEEN = {
    "text": "default",
    "dim": "default",
    "axis": "bright_black",
    "faint": "bright_black",
    "target": "bright_blue",
    "prediction": "bright_yellow",
    "good": "green",
    "bad": "bright_red",
    "slow": "bright_blue",
    "edge": "magenta",
    "forecast": "yellow",
    "change": "bright_magenta",
    "earlier-1": "cyan",
    "earlier-2": "bright_magenta",
    "earlier-3": "blue",
    "earlier-4": "white",
}
"""Tones by the names of the terminal's own sixteen colours."""

ON_WHITE = {
    "prediction": "magenta",
    "forecast": "bright_magenta",
    "bad": "red",
    "earlier-4": "bright_black",
}
"""What of these cannot be read or told apart on a light ground."""


def styles(theme: Theme, variables: Mapping[str, str]) -> dict[str, Style]:
    """Returns the style of each tone.

    Args:
        theme: in use.
        variables: its colours by name, as textual's ``App.theme_variables``.
    """
    found = of_sixteen(theme.dark) if theme.ansi else blended(variables)
    found["strong-prediction"] = found["prediction"] + Style(bold=True)
    found["strong"] = found["text"] + Style(bold=True)
    return found


def of_sixteen(dark: bool) -> dict[str, Style]:
    """Returns tones that leave the colours to the terminal."""
    names = SIXTEEN if dark else SIXTEEN | ON_WHITE
    return {tone: Style(color=name) for tone, name in names.items()}


def blended(variables: Mapping[str, str]) -> dict[str, Style]:
    """Returns tones made from a theme's colours."""
    ground = Color.parse(variables["background"])
    text = Color.parse(variables["foreground"])

    def towards_ground(color: Color, share: float) -> Color:
        return color.blend(ground, share, alpha=1)

    colors = {
        "text": text,
        "dim": towards_ground(text, 0.42),
        "axis": towards_ground(text, 0.58),
        "faint": towards_ground(text, 0.75),
        "target": Color.parse(variables["primary"]).blend(text, 0.25, alpha=1),
        "prediction": Color.parse(variables["warning"]),
        "good": Color.parse(variables["success"]),
        "bad": Color.parse(variables["error"]).blend(Color.parse("#ff4d4d"), 0.5, alpha=1),
        "slow": Color.parse(variables["primary"]).blend(text, 0.35, alpha=1),
        "edge": Color.parse(variables["warning"]).blend(text, 0.3, alpha=1),
        "forecast": towards_ground(Color.parse(variables["warning"]), 0.55),
        "change": Color.parse(variables["secondary"]).blend(text, 0.3, alpha=1),
        "earlier-1": Color.parse("#56b6c2"),
        "earlier-2": Color.parse("#c678dd"),
        "earlier-3": Color.parse("#98a05c"),
        "earlier-4": Color.parse("#9a8478"),
    }
    for tone in EARLIER:
        colors[tone] = towards_ground(colors[tone], 0.35)
    return {tone: Style(color=color.rich_color) for tone, color in colors.items()}
