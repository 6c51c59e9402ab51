"""Everything that is written can be read, in every theme that is offered."""

from __future__ import annotations

import re
from itertools import combinations
from math import dist

import pytest
from textual.color import Color, rgb_to_lab
from textual.geometry import Region
from textual.screen import Screen
from textual.theme import BUILTIN_THEMES, Theme
from textual.widgets import Input

from lrtui.screen.control.view import COLOURS
from lrtui.screen.dialogs.guide import Guide
from lrtui.screen.dialogs.help import Help
from lrtui.screen.draw.palette import contrast, css_variables, moved, styles
from lrtui.screen.main_screen import MainScreen
from tests.screen.fake import FakeTrainer, make_app, press

pytestmark = pytest.mark.slow

THEMES = [name for name, theme in BUILTIN_THEMES.items() if not theme.ansi]
RUNS = tuple(f"run-{i}" for i in range(1, COLOURS + 1))

ANSI = [name for name, theme in BUILTIN_THEMES.items() if theme.ansi]


def variables_of(theme: Theme) -> dict[str, str]:
    """A theme's colours, as textual's App.get_css_variables makes them."""
    return {**theme.to_color_system().generate(), **theme.variables}


def colors_of(name: str) -> tuple[dict[str, Color], Color]:
    """The colour of each tone in a theme, and its background."""
    theme = BUILTIN_THEMES[name]
    variables = variables_of(theme)
    tones = styles(theme, variables)
    colors = {tone: Color.from_rich_color(style.color) for tone, style in tones.items()}
    return colors, Color.parse(variables["background"])


def ratio(one: Color, other: Color) -> float:
    """WCAG's contrast ratio, written from its definition and not taken from the palette."""

    def luminance(color: Color) -> float:
        channels = [c / 255 for c in color.rgb]
        linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def apart(one: Color, other: Color) -> float:
    """The distance of two colours in the Lab space: 2 can just be seen."""
    first, second = rgb_to_lab(one), rgb_to_lab(other)
    return dist((first.L, first.a, first.b), (second.L, second.a, second.b))


def test_contrast_is_as_wcag_gives_it() -> None:
    assert contrast(Color.parse("#000"), Color.parse("#fff")) == pytest.approx(21)
    assert contrast(Color.parse("#777"), Color.parse("#fff")) == pytest.approx(4.48, abs=0.005)
    assert contrast(Color.parse("#fff"), Color.parse("#777")) == pytest.approx(4.48, abs=0.005)


@pytest.mark.parametrize("theme", THEMES)
def test_every_tone_can_be_read(theme: str) -> None:
    colors, ground = colors_of(theme)
    found = {tone: ratio(color, ground) for tone, color in colors.items()}
    assert len(found) == 26
    assert min(found.pop("faint"), found.pop("frame")) >= 1.5
    assert min(found.values()) >= 4.5, found


@pytest.mark.parametrize("theme", THEMES)
def test_tones_stay_told_apart(theme: str) -> None:
    colors, _ = colors_of(theme)
    verdicts = ("good", "warn", "bad")
    for group in (verdicts, RUNS, RUNS[:5]):
        pairs = {(a, b): apart(colors[a], colors[b]) for a, b in combinations(group, 2)}
        assert min(pairs.values()) > (12 if group == RUNS else 15), pairs
    # No run has the colour of a verdict.
    for verdict in verdicts:
        assert min(apart(colors[verdict], colors[run]) for run in RUNS) > 15, verdict


@pytest.mark.parametrize("theme", THEMES)
def test_the_style_sheets_colours_can_be_read(theme: str) -> None:
    variables = variables_of(BUILTIN_THEMES[theme])
    ground = Color.parse(variables["background"])
    made = css_variables(BUILTIN_THEMES[theme], variables)
    found = {name: ratio(Color.parse(color), ground) for name, color in made.items()}
    assert found.pop("panel-frame") >= 1.5
    assert found.keys() == {"rate"}
    assert found["rate"] >= 4.5


@pytest.mark.parametrize("theme", ANSI)
def test_the_sixteen_colours_are_left_to_the_terminal(theme: str) -> None:
    variables = variables_of(BUILTIN_THEMES[theme])
    made = css_variables(BUILTIN_THEMES[theme], variables)
    assert all(Color.parse(color).ansi is not None for color in made.values()), made


def test_a_colour_is_moved_no_further_than_needed_and_keeps_its_hue() -> None:
    white, dark = Color.parse("#fff"), Color.parse("#121212")
    yellow = Color.parse("#ffa62b")
    assert moved(yellow, dark, 4.5) == yellow
    darker = moved(yellow, white, 4.5)
    assert 4.5 <= ratio(darker, white) < 4.9
    assert darker.hsl.h == pytest.approx(yellow.hsl.h, abs=0.01)
    blue = Color.parse("#0000c0")
    lighter = moved(blue, dark, 4.5)
    assert 4.5 <= ratio(lighter, dark) < 4.9
    assert lighter.hsl.h == pytest.approx(blue.hsl.h, abs=0.01)


@pytest.mark.parametrize("theme", ["textual-dark", "textual-light", "solarized-light"])
async def test_whatever_is_written_on_the_screen_can_be_read(theme: str) -> None:
    app = make_app(FakeTrainer(), 0.02, 0.1, 1.01, 0.7)
    async with app.run_test(size=(140, 40)) as pilot:
        app.theme = theme
        screen = app.screen
        assert isinstance(screen, MainScreen)
        for keys in ((), "0.3", "x"):
            await press(pilot, *keys)
            for _ in range(6):
                await pilot.pause()
                await screen.frame()
            assert_readable(screen, screen.region)
        await press(pilot, "escape", "question_mark")
        await pilot.pause()
        assert isinstance(app.screen, Help)
        assert_readable(app.screen, app.screen.query_one("#help").region)
        await press(pilot, "g", "t")
        for _ in range(6):
            await pilot.pause()
        assert isinstance(app.screen, Guide)
        assert_readable(app.screen, app.screen.region)


def assert_readable(screen: Screen[None], region: Region) -> None:
    """Assert that each letter and digit in a region stands out from what is behind it."""
    seen = 0
    for strip in screen._compositor.render_strips()[region.y : region.bottom]:
        for text, style, _ in strip.crop(region.x, region.right):
            if re.search(r"\w", text):
                assert style
                assert style.color
                assert style.bgcolor
                pair = Color.from_rich_color(style.color), Color.from_rich_color(style.bgcolor)
                assert ratio(*pair) >= 4.5, (text, style)
                seen += len(text)
    assert seen > 500


@pytest.mark.parametrize("theme", ["nord", "catppuccin-latte"])
async def test_the_field_has_the_palettes_colour(theme: str) -> None:
    app = make_app(FakeTrainer(), 0.1)
    async with app.run_test(size=(120, 36)) as pilot:
        app.theme = theme
        await pilot.pause()
        field = app.screen.query_one("#rate", Input)
        assert field.styles.color == Color.parse(app.get_css_variables()["rate"])
