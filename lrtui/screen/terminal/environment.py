"""Environment variables that describe the terminal or configure textual."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping


def prepare(environment: MutableMapping[str, str]) -> None:
    """Set variables that textual reads while it is imported, unless the user has set them."""
    # With textual's 60 updates a second, a key pressed during a frame would wait for the next
    # update (25 ms at the 95th percentile instead of 8). lrtui limits its output by the frames
    # it draws.
    environment.setdefault("TEXTUAL_FPS", "1000")
    # Animations would run at that rate, which is too much for a slow line.
    environment.setdefault("TEXTUAL_ANIMATIONS", "none")
    if in_gnu_screen(environment):
        # GNU screen before 5.0 garbles 24-bit colours, yet passes COLORTERM on.
        environment.setdefault("TEXTUAL_COLOR_SYSTEM", "256")


def in_gnu_screen(environment: Mapping[str, str]) -> bool:
    """Return whether lrtui runs inside GNU screen; tmux may use the same TERM."""
    if environment.get("STY"):
        return True
    return environment.get("TERM", "").startswith("screen") and not environment.get("TMUX")


def wants_no_color(environment: Mapping[str, str]) -> bool:
    """Return whether no colour is to be sent; see https://no-color.org."""
    return bool(environment.get("NO_COLOR"))


def is_dumb(environment: Mapping[str, str]) -> bool:
    """Return whether the terminal cannot move its cursor."""
    return environment.get("TERM", "") in ("", "dumb")


def chooses_driver(environment: Mapping[str, str]) -> bool:
    """Return whether the user chose a driver, which may need no terminal."""
    return bool(environment.get("TEXTUAL_DRIVER"))
