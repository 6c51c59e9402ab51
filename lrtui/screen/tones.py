"""What colours mean: each tone's style, taken from the theme."""

from __future__ import annotations

from collections.abc import Mapping

from rich.style import Style
from textual.color import Color

from lrtui.screen.rows import EARLIER


def styles(variables: Mapping[str, str]) -> dict[str, Style]:
    """Returns the style of each tone.

    Args:
        variables: the theme's colours by name, as textual's ``App.theme_variables``.
    """
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
        "bad": Color.parse(variables["error"]).blend(text, 0.2, alpha=1),
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
    found = {tone: Style(color=color.rich_color) for tone, color in colors.items()}
    found["strong-prediction"] = found["prediction"] + Style(bold=True)
    found["strong"] = Style(color=text.rich_color, bold=True)
    return found
