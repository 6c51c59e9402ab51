"""The methods of the main screen that the actions call."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual.binding import BindingType
from textual.screen import Screen

from lrtui.messages import Seek
from lrtui.screen import layout
from lrtui.screen.actions import ACTIONS, BY_NAME
from lrtui.screen.control.controller import Controller
from lrtui.screen.pane_widget import PaneWidget
from lrtui.screen.panes import along
from lrtui.screen.panes.every_rate import EVERY_RATE, moved
from lrtui.screen.panes.heat import HEAT
from lrtui.screen.panes.loss import LOSS, last_shown
from lrtui.screen.panes.pane import Pane
from lrtui.screen.panes.scalar import SCALAR, UPDATES_NAME, choose, chosen, names_of, turn
from lrtui.screen.panes.updates import UPDATES
from lrtui.session.setup import Setup
from lrtui.text.ascii_fallback import printable
from lrtui.text.file_names import unused

if TYPE_CHECKING:
    from lrtui.screen.terminal.driver import LineDriver

SEEKS = {
    "left": Seek(reports=-1),
    "right": Seek(reports=1),
    "home": Seek(step=0),
    "pageup": Seek(chapters=-1),
    "pagedown": Seek(chapters=1),
}
"""Keys that go to another place in a record."""


class Keys(Screen[None]):
    """A screen with the methods of the actions.

    Attributes:
        controller: the runs, and what can be done with them.
        view: the state of the screen.
        line: the driver that knows how far the terminal has got, ``None`` for another driver.
    """

    BINDINGS: ClassVar[list[BindingType]] = [action.binding() for action in ACTIONS]

    def __init__(self, controller: Controller) -> None:
        """Create the screen of a controller."""
        super().__init__()
        self.controller = controller
        self.view = controller.view
        self.line: LineDriver | None = None

    @property
    def is_in_front(self) -> bool:
        """Whether keys are for this screen; textual's ``is_current`` is true behind a palette."""
        return self.app.screen is self

    def take_over(self) -> None:
        """Do nothing as the user starts a run; a tour ends then."""

    def action_do(self, name: str) -> None:
        """Carry out an action of the table."""
        BY_NAME[name].do(self)

    def next_scalar(self) -> None:
        """Show the next scalar, or the chosen one if that is hidden."""
        if self._scalar_pane() in layout.shown(self.view):
            turn(self.view)
        if name := chosen(self.view):
            self._show_scalar(name)
        else:
            self.controller.notify("no scalar is reported besides the losses", "dim")

    def _scalar_pane(self) -> Pane:
        return UPDATES if chosen(self.view) == UPDATES_NAME else SCALAR

    def _show_scalar(self, name: str) -> None:
        """Show a scalar; alone if it has no room beside the other panes."""
        choose(self.view, name)
        if self._scalar_pane() not in layout.shown(self.view):
            self.view.alone = self._scalar_pane().id
        self.view.dirty = True

    def find_scalar(self) -> None:
        """Show a scalar chosen from a list."""
        from textual.command import SimpleProvider

        from lrtui.screen.dialogs.command_palette import Palette

        if self.is_in_front:
            names = names_of(self.view)
            found = SimpleProvider(
                self, [(printable(name), partial(self._show_scalar, name)) for name in names]
            )
            self.app.push_screen(Palette([found], f"Search for one of {len(names)} scalars…"))  # type: ignore[list-item]

    def next_along(self) -> None:
        """Draw the loss along the next quantity: steps, time, a count such as tokens."""
        by = along.turn(self.view)
        if len(along.choices(self.view)) == 1:
            self.controller.notify("the time of its steps is not known", "dim")
        else:
            self.controller.notify(f"the loss by {by}", "dim")

    def open_settings(self) -> None:
        """Show the settings, and run them if the user asks for that."""
        from lrtui.screen.dialogs.settings_panel import SettingsPanel

        def run(setup: Setup | None) -> None:
            if setup is not None:
                self.take_over()
                self.controller.set_up(setup)

        if self.is_in_front:
            self.app.push_screen(SettingsPanel(self.controller.setup), run)

    def name_run(self) -> None:
        """Give the highlighted run a name."""
        from lrtui.screen.dialogs.name_field import NameField

        def rename(name: str | None) -> None:
            if name is not None and run is not None:
                self.controller.table.mark(run, name=name)

        run = self.view.pointed_at
        if run is not None and self.is_in_front:
            self.app.push_screen(NameField(run.number, run.name), rename)

    def copy_command_line(self) -> None:
        """Show and copy the command line that reproduces the run."""
        line = self.controller.command_line()
        if line:
            self.app.copy_to_clipboard(line)
            self.controller.notify(line, "good")

    def save_picture(self) -> None:
        """Write the screen as it is to an SVG file."""
        path = unused(Path.cwd(), "lrtui-screen", ".svg")
        try:
            path.write_text(self.app.export_screenshot(title="lrtui"), encoding="utf-8")
        except OSError as error:
            self.controller.complain(f"the screen was not written: {error.strerror}")
        else:
            self.controller.notify(f"the screen was written to {path}", "good")

    def next_scale(self) -> None:
        """Change the scale of the loss."""
        scales = self.view.scales()
        at = scales.index(self.view.scale) if self.view.scale in scales else 0
        self.view.scale = scales[(at + 1) % len(scales)]
        self.view.dirty = True

    def next_chart(self) -> None:
        """Turn to the next chart; show it alone if it was hidden."""
        found = layout.charts(self.view)
        chart = layout.chart(self.view)
        if chart is None:
            why = "nothing to turn here: give the Monitor a model to see more"
            self.controller.notify(why, "dim")
            return
        is_beside_others = chart in layout.shown(self.view) and self.view.alone is None
        self.view.chart = found[(found.index(chart) + 1) % len(found)].id
        if not is_beside_others:
            self.view.alone = self.view.chart
        self.view.dirty = True

    def toggle_every_rate(self) -> None:
        """Show the steps to settle at every rate, and go back."""
        self.view.alone = None if self.view.alone == EVERY_RATE.id else EVERY_RATE.id
        self.view.dirty = True

    def move_cursor(self, cells: int) -> None:
        """Move the cursor of the chart on the screen: of every rate, or of the losses."""
        view = self.view
        view.dirty, view.place = True, None
        chart = EVERY_RATE if view.alone == EVERY_RATE.id else LOSS
        widget = self.query_one(f"#{chart.id}", PaneWidget)
        if chart is EVERY_RATE:
            view.rate = moved(view, cells, *widget.inner)
        elif (run := view.session.current) is not None and view.session.has_losses:
            last = last_shown(view)
            # A step, or the steps of so many cells if those are more.
            a_cell = round(last / max(widget.inner.width, 1)) if abs(cells) > 1 else 1
            here = run.step if view.cursor is None else view.cursor + cells * max(a_cell, 1)
            view.cursor = min(max(here, 0), last)
        if self.line is None or self.line.is_free:
            widget.paint()  # at once: no other pane has changed

    def toggle_heat(self) -> None:
        """Show rate and momentum side by side, and go back."""
        self.view.alone = None if self.view.alone == HEAT.id else HEAT.id
        self.controller.heat()
        self.view.dirty = True

    def next_view(self) -> None:
        """Show one pane on all the room, then the next, then all again."""
        self.view.alone = layout.next_alone(self.view)
        self.view.dirty = True

    def open_help(self) -> None:
        """Show the help, unless something is in front already: keys may arrive bundled."""
        from lrtui.screen.dialogs.help import Help

        if self.is_in_front:
            self.app.push_screen(Help(self.view))

    def redraw(self) -> None:
        """Redraw the screen, whatever the terminal shows."""
        if self.line:
            self.line.redraw()
