"""What the panes have in common that need to know what is trained."""

from __future__ import annotations

from lrtui.screen.view import View


def has_line(view: View) -> bool:
    """Return whether there is a line fit to draw, or there may be one once torch is loaded."""
    return view.session.scene is not None or not view.session.has_losses


def has_theory(view: View) -> bool:
    """Return whether the loss has a closed form, or may turn out to have one."""
    return view.session.theory is not None or not view.session.has_losses


def waits_for_line(view: View) -> str:
    """Say that the data is not there yet."""
    return "" if view.session.scene else "torch is loading"


def waits_for_theory(view: View) -> str:
    """Say that the closed form is not known yet."""
    return "" if view.session.theory else "torch is loading"
