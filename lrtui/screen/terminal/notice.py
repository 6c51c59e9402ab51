"""A bell and a notice on the desktop, for somebody who does not look at the terminal."""

from __future__ import annotations

from collections.abc import Mapping

from lrtui.screen.terminal.environment import in_gnu_screen
from lrtui.text.ascii_fallback import printable

BELL = "\x07"


def sequence(text: str, environment: Mapping[str, str]) -> str:
    """Return what a terminal is sent: OSC 9 with a text, and a bell.

    tmux passes the first on where it is wrapped. GNU screen and the Linux console might print it,
    and get the bell alone.

    Args:
        text: of the notice.
        environment: says which terminal it is.
    """
    if in_gnu_screen(environment) or environment.get("TERM") == "linux":
        return BELL
    notice = f"\x1b]9;{printable(text)}\x07"
    if environment.get("TMUX"):
        notice = "\x1bPtmux;" + notice.replace("\x1b", "\x1b\x1b") + "\x1b\\"
    return notice + BELL
