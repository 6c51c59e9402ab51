"""The choice between lrtui's driver and textual's own."""

from __future__ import annotations

from collections.abc import Mapping

import textual
from textual.driver import Driver

from lrtui.screen.terminal.environment import chooses_driver

KNOWN = ["8", "2"]
"""The release of textual on whose internals LineDriver relies."""


def driver_class(environment: Mapping[str, str]) -> type[Driver] | None:
    """Return the driver to use, ``None`` to leave the choice to textual."""
    if chooses_driver(environment) or textual.__version__.split(".")[:2] != KNOWN:
        return None
    try:
        from lrtui.screen.terminal.driver import LineDriver
    except ImportError:  # textual's Linux driver needs termios
        return None
    return LineDriver
