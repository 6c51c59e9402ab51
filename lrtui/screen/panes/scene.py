"""What the panes share that depend on the problem."""

from __future__ import annotations

from functools import partial

from lrtui.messages import ClassesScene, CurveScene, LineScene, PlaneScene, Scene
from lrtui.screen.control.view import View
from lrtui.screen.panes.pane import TALL, WIDE, Pane

EXPECTED: dict[str, tuple[type[Scene], bool]] = {
    "line": (LineScene, True),
    "bowl": (PlaneScene, True),
    "rosenbrock": (PlaneScene, False),
    "sine": (CurveScene, False),
    "edge": (CurveScene, False),
    "moons": (ClassesScene, False),
    "spiral": (ClassesScene, False),
}
"""The scene of each built-in problem, and whether its loss has a closed form; with it, the panes
have their places before torch is loaded."""


def has_scene(view: View, kind: type[Scene]) -> bool:
    """Return whether there is a scene of a kind, or there will be once torch is loaded."""
    session = view.session
    if session.scene is not None or session.facts is not None or session.has_losses:
        return isinstance(session.scene, kind)
    return view.problem in EXPECTED and EXPECTED[view.problem][0] is kind


def has_theory(view: View) -> bool:
    """Return whether the loss has a closed form, or will turn out to have one."""
    session = view.session
    if session.quadratic is not None or session.facts is not None or session.has_losses:
        return session.quadratic is not None
    return view.problem in EXPECTED and EXPECTED[view.problem][1]


def is_measured(view: View) -> bool:
    """Return whether the source measures sharpness, or will once torch is loaded."""
    return view.session.facts is not None or view.problem in EXPECTED


def waits_for_scene(view: View) -> str:
    """Say that the scene is not there yet, or that the problem is unusable."""
    if view.session.unusable:
        return "the problem cannot be used; mend it and press r"
    return "" if view.session.scene else "torch is loading"


def waits_for_theory(view: View) -> str:
    """Say that the closed form is not known yet."""
    return "" if view.session.quadratic else "torch is loading"


scene_chart = partial(
    Pane,
    place="side",
    waits_for=waits_for_scene,
    fits=lambda columns, rows: columns >= WIDE or rows >= TALL + 6,
)
"""Defines a chart of a scene, which has a place in smaller terminals as well."""
