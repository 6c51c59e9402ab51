"""What other rates would do: asked of the source for the ruler and the heat map."""

from __future__ import annotations

from collections.abc import Callable

from lrtui.messages import Command, Heat
from lrtui.screen.control.view import HEAT_PANE, View
from lrtui.session.heat_grid import heat, heat_on_screen, kind
from lrtui.session.rate_axis import ruler_sweep, zoomed
from lrtui.session.setup import Setup


class Sweeps:
    """Asks what other rates would do, once for each setup."""

    def __init__(self, view: View, send: Callable[[Command], None]) -> None:
        """Ask for nothing yet.

        Args:
            view: what there is to show.
            send: sends a command that nothing answers but its result.
        """
        self._view, self._send = view, send
        self._heat: Heat | None = None  # the last one that was asked for

    def forget(self) -> None:
        """Forget what was asked for: another source answers from now on."""
        self._heat = None

    def ask(self, setup: Setup) -> None:
        """Ask for what is shown of other rates, where it is not known: the ruler, the heat map."""
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
        if command is None or (known and (known.lrs, known.steps) == (command.lrs, command.steps)):
            return
        self._send(command)

    def ask_heat(self, setup: Setup) -> None:
        """Ask what every rate would do at every momentum, unless that was asked last."""
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
        """Zoom the ruler round the rate that is pointed at, further, and back to all rates.

        Returns:
            Whether there is a ruler to zoom.
        """
        view, run = self._view, self._view.session.current
        if run is None or view.session.swept is None:
            return False
        view.zoom = zoomed(view.rate or run.lr, view.zoom)
        self.ask(setup)
        view.dirty = True
        return True
