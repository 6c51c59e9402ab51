"""Requests for sweeps: the ruler and the heat map."""

from __future__ import annotations

from collections.abc import Callable

from lrtui.messages import Command, Heat
from lrtui.screen.control.view import HEAT_PANE, View
from lrtui.session.heat_grid import heat, heat_on_screen, kind
from lrtui.session.rate_axis import ruler_sweep, zoomed
from lrtui.session.setup import Setup


class Sweeps:
    """Requests each sweep once per setup."""

    def __init__(self, view: View, send: Callable[[Command], None]) -> None:
        """Start without a request."""
        self._view, self._send = view, send
        self._heat: Heat | None = None  # the last request

    def forget(self) -> None:
        """Forget the last request: the source has changed."""
        self._heat = None

    def ask(self, setup: Setup) -> None:
        """Request the sweeps that the ruler and the heat map show and do not have yet."""
        view, session, facts = self._view, self._view.session, self._view.session.facts
        optimizer, schedule, steps, zoom = setup.optimizer, setup.schedule, view.steps, view.zoom
        if view.alone == HEAT_PANE:
            self.ask_heat(setup)
        if facts is None or not session.offers("sweep"):
            return
        theory = session.theory_of(optimizer)
        command = ruler_sweep(theory, optimizer, facts.sharpness, facts, steps, schedule, zoom)
        known = session.swept_by(optimizer, schedule)
        if zoom:
            known = session.swept_between(zoom, optimizer, schedule)
        if command and not (known and (known.lrs, known.steps) == (command.lrs, command.steps)):
            self._send(command)

    def ask_heat(self, setup: Setup) -> None:
        """Request the heat map, unless it was the last request."""
        session, facts = self._view.session, self._view.session.facts
        if facts is None or not session.offers("heat"):
            return
        by = kind(setup.optimizer)
        asked = heat(by, session.theory_of(by), facts, self._view.steps, setup.schedule)
        asked = heat_on_screen(asked, facts)
        if asked != self._heat:
            self._heat = asked
            session.heated = self._view.heat_cursor = None
            self._send(asked)

    def zoom(self, setup: Setup) -> bool:
        """Zoom the ruler in on the selected rate; after the last zoom, show all rates.

        Return whether there is a ruler to zoom.
        """
        view, run = self._view, self._view.session.current
        if run is None or view.session.swept is None:
            return False
        view.zoom = zoomed(view.rate or run.lr, view.zoom)
        self.ask(setup)
        view.dirty = True
        return True
