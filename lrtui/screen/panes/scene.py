"""What the panes have in common that need to know what is trained."""

from __future__ import annotations

from lrtui.messages import ClassesScene, CurveScene, LineScene, PlaneScene, Scene
from lrtui.screen.control.view import View

EXPECTED: dict[str, tuple[type[Scene], bool]] = {
    "line": (LineScene, True),
    "bowl": (PlaneScene, True),
    "rosenbrock": (PlaneScene, False),
    "sine": (CurveScene, False),
    "edge": (CurveScene, False),
    "moons": (ClassesScene, False),
    "spiral": (ClassesScene, False),
}
"""The scene of each built-in problem, and whether its loss has a closed form: so that the panes
have their places before torch is loaded."""


def has_scene(view: View, *kinds: type[Scene]) -> bool:
    """Return whether there is a scene of a kind, or there will be once torch is loaded."""
    session = view.session
    if session.scene is not None or session.facts is not None or session.has_losses:
        return isinstance(session.scene, kinds)
    return view.problem in EXPECTED and EXPECTED[view.problem][0] in kinds


def has_theory(view: View) -> bool:
    """Return whether the loss has a closed form, or will turn out to have one."""
    session = view.session
    if session.quadratic is not None or session.facts is not None or session.has_losses:
        return session.quadratic is not None
    return view.problem in EXPECTED and EXPECTED[view.problem][1]


def is_measured(view: View) -> bool:
    """Return whether the source measures sharpness, as far as is known yet."""
    return view.session.facts is not None or view.problem in EXPECTED


def waits_for_scene(view: View) -> str:
    """Say that the data is not there yet."""
    if view.session.unusable:
        return "the problem cannot be used; mend it and press r"
    return "" if view.session.scene else "torch is loading"


def waits_for_theory(view: View) -> str:
    """Say that the closed form is not known yet."""
    return "" if view.session.quadratic else "torch is loading"
