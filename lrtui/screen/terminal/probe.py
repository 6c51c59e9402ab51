"""What the terminal itself is asked: whether it is still there, and whether it keeps up."""

from __future__ import annotations

import contextlib
import select

STDIN, STDOUT, STDERR = 0, 1, 2
GONE = select.POLLHUP | select.POLLERR | select.POLLNVAL


def hung_up(descriptor: int) -> bool:
    """Returns whether the terminal behind a descriptor is gone."""
    poll = select.poll()
    poll.register(descriptor, 0)
    return any(event & GONE for _, event in poll.poll(0))


def keeps_up(descriptor: int) -> bool:
    """Returns whether the terminal takes more output now, without making the writer wait."""
    return bool(select.select([], [descriptor], [], 0)[1])


def erases() -> bool:
    """Returns whether the terminal, going by its TERM, erases cells to the background in use."""
    with contextlib.suppress(ImportError):  # some builds of Python come without curses
        import curses

        with contextlib.suppress(curses.error):
            curses.setupterm()
            return curses.tigetflag("bce") == 1 and curses.tigetstr("ech") is not None
    return False
