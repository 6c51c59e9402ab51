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
    "frame": "bright_black",
    "accent": "default",
    "good": "green",
    "warn": "yellow",
    "bad": "red",
    "run-1": "bright_cyan",
    "run-2": "bright_magenta",
    "run-3": "bright_blue",
    "run-4": "white",
    "run-5": "cyan",
    "run-6": "magenta",
    "run-7": "blue",
    "run-8": "bright_white",
}
"""Tones as colours of the terminal's own sixteen."""

ON_WHITE = {"run-4": "bright_black", "run-8": "black"}
"""Replacements of those that cannot be read on a light background."""

READABLE = 4.5
"""Least contrast of text with the background, by WCAG 2.1."""
VISIBLE = 1.5
"""Least contrast of contours and empty bars, in which nothing is written."""
WITHOUT_COLOR = {
    "bad": Style(bold=True),
    "accent": Style(bold=True),
    **dict.fromkeys(("dim", "axis", "faint", "frame"), Style(dim=True)),
}
"""Styles without colours; a word and a sign say what a colour would."""
RUNS = (
    *("#4d91f5", "#a425f5", "#148d78", "#8bb8f2"),
    *("#c2627f", "#aea16a", "#5c55db", "#f5afa3"),
)
"""Colours of runs: none is near the green, the yellow and the red of the verdicts."""
BLACK, WHITE = Color(0, 0, 0), Color(255, 255, 255)


def styles(theme: Theme, variables: Mapping[str, str]) -> dict[str, Style]:
    """Return the style of each tone in a theme, whose colours are ``App.theme_variables``."""
    if wants_no_color(os.environ):
        found = {tone: WITHOUT_COLOR.get(tone, Style()) for tone in SIXTEEN}
    elif theme.ansi:  # leave the colours to the terminal
        names = SIXTEEN if theme.dark else SIXTEEN | ON_WHITE
        found = {tone: Style(color=name) for tone, name in names.items()}
    else:
        found = blended(variables)
    bold = Style(bold=True)
    strong = {f"strong-{tone}": found[tone] + bold for tone in found if tone.startswith("run-")}
    return {**found, **strong, "strong": found["text"] + bold}


def blended(variables: Mapping[str, str]) -> dict[str, Style]:
    """Return tones made from a theme's colours, moved if they would be hard to read."""
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
        "frame": towards_ground(text, 0.78),
        "accent": Color.parse(variables["primary"]),
        "good": Color.parse(variables["success"]),
        "warn": warning,
        "bad": Color.parse(variables["error"]).blend(Color.parse("#ff4d4d"), 0.5, alpha=1),
        **{f"run-{i}": Color.parse(color) for i, color in enumerate(RUNS, 1)},
    }
    lines = ("faint", "frame")  # in which nothing is written
    return {
        tone: Style(color=moved(color, ground, VISIBLE if tone in lines else READABLE).rich_color)
        for tone, color in colors.items()
    }


def css_variables(theme: Theme, variables: Mapping[str, str]) -> dict[str, str]:
    """Return the colours of main_screen.tcss that are not a theme's own, by variable.

    ``variables`` are the colours of the theme, from ``App.get_css_variables``.
    """
    if theme.ansi:  # these cannot be blended
        return {"rate": "ansi_default", "panel-frame": "ansi_bright_black"}
    ground, accent = Color.parse(variables["background"]), Color.parse(variables["primary"])
    return {
        "rate": moved(accent, ground, READABLE).hex,
        "panel-frame": moved(ground.blend(accent, 0.6, alpha=1), ground, VISIBLE).hex,
    }


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
    """Return a colour whose contrast with a background is at least ``least``.

    It is moved towards black or white as far as needed, which keeps its hue.
    """
    away = max(BLACK, WHITE, key=lambda end: contrast(end, ground))
    steps = (color.blend(away, step / 50, alpha=1) for step in range(51))
    return next((c for c in steps if contrast(c, ground) >= least), away)
