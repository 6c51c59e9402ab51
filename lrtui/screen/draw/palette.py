"""The colours: the style of each tone, and the variables of main_screen.tcss."""

from __future__ import annotations

import os
from collections.abc import Mapping

from rich.style import Style
from textual.color import Color
from textual.theme import Theme

from lrtui.screen.terminal.environment import wants_no_color

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
    "earlier-5": "bright_cyan",
    "earlier-6": "red",
    "earlier-7": "bright_green",
}
"""Tones as colours of the terminal's own sixteen."""

ON_WHITE = {
    "prediction": "magenta",
    "forecast": "bright_magenta",
    "bad": "red",
    "earlier-4": "bright_black",
}
"""Replacements for those that are hard to read or to tell apart on a light background."""

READABLE = 4.5
"""Least contrast of text with the background, by WCAG 2.1."""
VISIBLE = 1.5
"""Least contrast of contours and empty bars, in which nothing is written."""
WITHOUT_COLOR = {
    **dict.fromkeys(("strong", "strong-prediction", "bad"), Style(bold=True)),
    **dict.fromkeys(("dim", "axis", "faint"), Style(dim=True)),
}
"""Tones where no colour is to be sent; a word and a sign say what a colour would."""
BLACK, WHITE = Color(0, 0, 0), Color(255, 255, 255)


def styles(theme: Theme, variables: Mapping[str, str]) -> dict[str, Style]:
    """Return the style of each tone.

    Args:
        theme: in use.
        variables: its colours by name, as textual's ``App.theme_variables``.
    """
    if wants_no_color(os.environ):
        return {tone: WITHOUT_COLOR.get(tone, Style()) for tone in (*SIXTEEN, *WITHOUT_COLOR)}
    found = of_sixteen(theme.dark) if theme.ansi else blended(variables)
    found["strong-prediction"] = found["prediction"] + Style(bold=True)
    found["strong"] = found["text"] + Style(bold=True)
    return found


def of_sixteen(dark: bool) -> dict[str, Style]:
    """Return tones that leave the colours to the terminal."""
    names = SIXTEEN if dark else SIXTEEN | ON_WHITE
    return {tone: Style(color=name) for tone, name in names.items()}


def blended(variables: Mapping[str, str]) -> dict[str, Style]:
    """Return tones made from a theme's colours, moved where they would be hard to read."""
    ground = Color.parse(variables["background"])
    text = Color.parse(variables["foreground"])
    warning = Color.parse(variables["warning"])

    def towards_ground(color: Color, share: float) -> Color:
        return color.blend(ground, share, alpha=1)

    colors = {
        "text": text,
        "dim": towards_ground(text, 0.42),
        "axis": towards_ground(text, 0.58),
        "faint": towards_ground(text, 0.75),
        "target": Color.parse(variables["primary"]).blend(text, 0.25, alpha=1),
        "prediction": warning,
        "good": Color.parse(variables["success"]),
        "bad": Color.parse(variables["error"]).blend(Color.parse("#ff4d4d"), 0.5, alpha=1),
        "slow": Color.parse(variables["primary"]).blend(text, 0.35, alpha=1),
        # Made from the colour that is shown, or moving both would make them alike.
        "edge": moved(warning, ground, READABLE).blend(text, 0.5, alpha=1),
        "forecast": towards_ground(warning, 0.55),
        "change": Color.parse(variables["secondary"]).blend(text, 0.3, alpha=1),
        # Of middling lightness, so that they stay behind the current run on any background.
        "earlier-1": Color.parse("#2c8d99"),
        "earlier-2": Color.parse("#b066c8"),
        "earlier-3": Color.parse("#5f8a45"),
        "earlier-4": Color.parse("#9c7560"),
        "earlier-5": Color.parse("#5a7fd6"),
        "earlier-6": Color.parse("#c0607f"),
        "earlier-7": Color.parse("#8a8f98"),
    }
    return {
        tone: Style(color=moved(color, ground, VISIBLE if tone == "faint" else READABLE).rich_color)
        for tone, color in colors.items()
    }


def css_variables(theme: Theme, variables: Mapping[str, str]) -> dict[str, str]:
    """Return the colours that main_screen.tcss takes from here, by the names of its variables.

    Args:
        theme: the theme in use.
        variables: its colours by name, as textual's ``App.get_css_variables`` returns them.
    """
    if theme.ansi:  # these cannot be blended
        warning = variables["warning"]
        return {
            "rate": warning,
            "rate-hint": warning,
            "rate-frame": warning,
            "frame": "ansi_bright_black",
            "frame-title": "ansi_default",
        }
    ground = Color.parse(variables["background"])
    text, warm = Color.parse(variables["foreground"]), Color.parse(variables["warning"])
    colors = {
        "rate": moved(warm, ground, READABLE),
        "rate-hint": moved(ground.blend(warm, 0.65, alpha=1), ground, READABLE),
        "rate-frame": moved(ground.blend(warm, 0.6, alpha=1), ground, VISIBLE),
        "frame": moved(ground.blend(text, 0.22, alpha=1), ground, VISIBLE),
        "frame-title": moved(ground.blend(text, 0.7, alpha=1), ground, READABLE),
    }
    return {name: color.hex for name, color in colors.items()}


def luminance(color: Color) -> float:
    """Return the relative luminance of a colour, from 0 to 1, by WCAG 2.1."""
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in color.normalized
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: Color, other: Color) -> float:
    """Return the contrast ratio of two colours, from 1 to 21, by WCAG 2.1."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def moved(color: Color, ground: Color, least: float) -> Color:
    """Return a colour with enough contrast, moved towards black or white without changing hue.

    Args:
        color: the colour to start from, returned as it is if its contrast is enough.
        ground: the background.
        least: the contrast to reach.
    """
    away = max(BLACK, WHITE, key=lambda end: contrast(end, ground))
    steps = (color.blend(away, step / 50, alpha=1) for step in range(51))
    return next((c for c in steps if contrast(c, ground) >= least), away)
