"""Questions about the terminal: whether it is there, keeps up, and how it erases."""

from __future__ import annotations

import contextlib
import select

STDIN, STDOUT, STDERR = 0, 1, 2


def hung_up(descriptor: int) -> bool:
    """Return whether the terminal behind a descriptor is gone."""
    if not hasattr(select, "poll"):  # on Windows
        return False
    gone = select.POLLHUP | select.POLLERR | select.POLLNVAL
    poll = select.poll()
    poll.register(descriptor, 0)
    return any(event & gone for _, event in poll.poll(0))


def keeps_up(descriptor: int) -> bool:
    """Return whether the terminal accepts output now, without blocking the writer."""
    return bool(select.select([], [descriptor], [], 0)[1])


def erases() -> bool:
    """Return whether the terminal, judged by its TERM, erases cells to the current background."""
    with contextlib.suppress(ImportError):  # some builds of Python come without curses
        import curses

        with contextlib.suppress(curses.error):
            curses.setupterm()
            return curses.tigetflag("bce") == 1 and curses.tigetstr("ech") is not None
    return False
