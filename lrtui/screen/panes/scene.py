"""What the panes have in common that need to know what is trained."""

from __future__ import annotations

from lrtui.screen.view import View


def told_all(view: View) -> bool:
    """Return whether the source has told all that it knows of the problem: it then trains."""
    run = view.session.current
    return run is not None and run.series is not None


def has_line(view: View) -> bool:
    """Return whether there is a line fit to draw, or there may be one once torch is loaded."""
    return view.session.scene is not None or not told_all(view)


def has_theory(view: View) -> bool:
    """Return whether the loss has a closed form, or may turn out to have one."""
    return view.session.theory is not None or not told_all(view)


def waits_for_theory(view: View) -> str:
    """Say that the problem is not known yet."""
    return "" if view.session.theory else "torch is loading"
