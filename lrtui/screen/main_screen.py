"""The main screen: takes keys and clicks, and shows what the messages tell."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import Screen
from textual.widgets import Input

from lrtui.messages import Seek
from lrtui.run.files import unused
from lrtui.run.rate import parse_rates, rate_text
from lrtui.screen import layout
from lrtui.screen.actions import ACTIONS, BY_KEY, BY_NAME
from lrtui.screen.border import BOX, BOX_KEYS, Border
from lrtui.screen.controller import Controller
from lrtui.screen.palette import styles
from lrtui.screen.pane_widget import PaneWidget
from lrtui.screen.panes import PANES
from lrtui.screen.panes.cursor import FAST
from lrtui.screen.panes.every_rate import EVERY_RATE, moved
from lrtui.screen.panes.heat import HEAT, move_cursor
from lrtui.screen.panes.loss import LOSS, last_shown
from lrtui.screen.panes.pane import (
    TALL,
    WIDE,
    Highlight,
    Pane,
    Place,
    Press,
    ReadPlace,
    ReadStep,
    Request,
    RunCell,
    RunRate,
)
from lrtui.screen.panes.scalar import turn
from lrtui.screen.rate_field import RateField

if TYPE_CHECKING:
    from lrtui.options import LabOptions
    from lrtui.screen.terminal.driver import LineDriver

CURSOR = {"left": -1, "right": 1, "shift+left": -FAST, "shift+right": FAST}
"""Cells that a key moves the cursor of the charts by."""

FIRST_WAIT = 0.02
"""Seconds between two tries to draw the first frame, until the panes have a size."""

SEEKS = {
    "left": Seek(reports=-1),
    "right": Seek(reports=1),
    "home": Seek(step=0),
    "end": Seek(end=True),
    "pageup": Seek(chapters=-1),
    "pagedown": Seek(chapters=1),
}
"""Keys that show another place of a record, and which."""

KEY_TIME = 0.02
"""Seconds that a key has the screen for itself, before a frame shows what it did."""


class MainScreen(Screen[None]):
    """The screen of the panes.

    Attributes:
        controller: the runs, and what can be done with them.
        view: what there is to show.
        line: the driver that knows how far the terminal has got, ``None`` where there is none.
    """

    BINDINGS: ClassVar[list[BindingType]] = [action.binding() for action in ACTIONS]

    def __init__(self, controller: Controller, fps: float) -> None:
        """Make the screen; the first rate runs as soon as it is mounted.

        Args:
            controller: what is shown.
            fps: frames a second, at most.
        """
        super().__init__()
        self.controller = controller
        self.view = controller.view
        self.line: LineDriver | None = None
        self._frame_time = 1 / fps
        self._last_key = float("-inf")
        self._woken = asyncio.Event()
        self._shown: list[Pane] = []
        self._drawn = False

    def compose(self) -> ComposeResult:
        """Lay out the panes, each where it belongs."""

        def panes(place: Place) -> list[PaneWidget]:
            return [PaneWidget(pane, self.view) for pane in PANES if pane.place == place]

        ruler, *box = panes("box")
        yield from panes("screen")
        yield from panes("header")
        with Vertical(id="box") as box_of_rate:
            self._box = Border(box_of_rate, BOX, BOX_KEYS)
            with Horizontal(id="rates"):
                yield RateField(self.steer)
                yield ruler
            yield from box
        yield Horizontal(*panes("top"), id="top")
        yield Horizontal(*panes("bottom"), id="bottom")
        yield from panes("caption")
        yield from panes("footer")

    def on_mount(self) -> None:
        """Start the first run and the frames."""
        self.app.theme_changed_signal.subscribe(self, lambda _: self._take_theme())
        self._take_theme()
        self.controller.run_next()
        self.run_worker(self._frames(), exit_on_error=True)

    def _take_theme(self) -> None:
        found = styles(self.app.current_theme, self.app.theme_variables)
        for widget in self.query(PaneWidget):
            widget.styles_of = found
        self.refresh(layout=True)

    # --- frames ---------------------------------------------------------------------------

    async def _frames(self) -> None:
        while True:
            with suppress(TimeoutError):  # a key is not left to wait for the next frame
                wait = self._frame_time if self._drawn else FIRST_WAIT
                await asyncio.wait_for(self._woken.wait(), wait)
                await asyncio.sleep(KEY_TIME)
            self._woken.clear()
            await self.frame()

    async def frame(self) -> None:
        """Take in what has arrived and show what changed by it."""
        self.controller.hear()
        # A frame is left out where the terminal has not been sent the last one yet.
        free = self.line is None or self.line.is_free
        if not (self.view.dirty and self.is_current and free):
            return
        if layout.shown(self.view) != self._shown:
            self.lay_out()
        self.view.dirty = False
        run = self.view.session.current
        if run is not None:
            now = rate_text(run.lr) if run.rates is None else f"{run.rates.last:.4g}"
            self.query_one(RateField).placeholder = now
        self._box.paint(self.view.session)
        for widget in self.query(PaneWidget):
            widget.paint()
            # A key that was pressed meanwhile is answered before the next pane is drawn.
            await asyncio.sleep(0.001)
            if time.monotonic() - self._last_key < KEY_TIME:
                await asyncio.sleep(KEY_TIME)
        self._drawn = self._drawn or any(w.content_size.area for w in self.query(PaneWidget))
        if self.line:
            self.line.release()

    @on(events.Resize)
    def lay_out(self) -> None:
        """Give each pane that is shown its place and its width."""
        if self.line and self._drawn:
            self.line.hold()
        self.view.size = columns, rows = self.size.width, self.size.height
        self._shown = layout.shown(self.view)
        narrow = columns < WIDE
        self.set_class(rows < TALL, "-short")
        self.set_class(narrow, "-narrow")
        self.set_class(self.view.alone in [pane.id for pane in self._shown], "-alone")
        for widget in self.query(PaneWidget):
            widget.display = widget.pane in self._shown
        places = {pane.place for pane in self._shown}
        for place in ("box", "top", "bottom"):
            self.query_one(f"#{place}").display = place in places
            row = [pane for pane in self._shown if pane.place == place and pane.title]
            for pane, width in zip(row, layout.widths(row, columns), strict=True):
                self.query_one(f"#{pane.id}").styles.width = "1fr" if narrow else width
        self.view.dirty = True

    @property
    def is_in_front(self) -> bool:
        """Whether keys are for this screen; textual's ``is_current`` is true behind a palette."""
        return self.app.screen is self

    def pressed(self, event: events.Key) -> None:
        """Note that a key was pressed, before anything is made of it; say if it is not offered."""
        now = time.monotonic()
        if now - self._last_key > self._frame_time:  # held keys are shown by the usual frames
            self._woken.set()
        self._last_key = now
        for field in self.query(RateField):  # none yet, for a key that comes early
            if not field.has_focus and self.is_in_front:  # lost by a click beside every widget
                self.set_focus(field)
        action = BY_KEY.get(event.key)
        asked = self.is_in_front and not self.view.typed  # else it may move in what is typed
        if asked and action and not action.is_offered(self.view.session):
            self.controller.complain(
                f"{action.sign} ({action.title}) is not for what is shown here"
            )

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Tell textual whether an action is possible now."""
        known = BY_NAME.get(action)
        return known is None or known.is_offered(self.view.session)

    def take_over(self) -> None:
        """Note that a person starts a run; a tour ends by it."""

    # --- the field, the mouse -------------------------------------------------------------

    @on(Input.Submitted)
    def _typed(self, event: Input.Submitted) -> None:
        self.take_over()
        self.submit(event.value)

    def submit(self, text: str) -> None:
        """Run the rate that was typed, or several in step, or say what is wrong with them."""
        if not text.strip():
            if self.view.alone == EVERY_RATE.id and self.view.rate is not None:
                self.controller.run(self.view.rate)
            else:
                self.controller.go_on_alone()
            return
        if self.controller.seeks:
            self.query_one(RateField).clear()
            self.controller.seek_step(text)
            return
        try:
            lrs = parse_rates(text)
        except ValueError as error:
            self.controller.complain(str(error))
            return
        self.query_one(RateField).clear()
        self.controller.race_rates(lrs)

    @on(Input.Changed)
    def _typing(self, event: Input.Changed) -> None:
        self.view.typed = event.value
        self.view.dirty = True
        if event.value:
            self.controller.clear_notice()

    def key_escape(self) -> None:
        """Clear the field, or put the cursor away."""
        self.view.cursor = self.view.place = self.view.rate = None
        for field in self.query(RateField):
            field.clear()
        self.controller.clear_notice()

    @on(events.Click)
    async def _clicked(self, event: events.Click) -> None:
        """Carry out what a click on a pane asks for."""
        widget = event.widget
        if not isinstance(widget, PaneWidget) or widget.pane.waits_for(self.view):
            return
        if (offset := event.get_content_offset(widget)) is not None:
            request = widget.pane.click(self.view, *offset, *widget.content_size)
            if request is not None:
                await self.carry_out(request)

    def take_up(self, problem: str) -> None:
        """Train another of the built-in problems."""
        self.take_over()
        self.controller.take_up(problem)

    async def carry_out(self, request: Request) -> None:
        """Do what was clicked, or chosen in the palette."""
        match request:
            case RunRate(lr=lr):
                self.take_over()
                self.controller.run(lr)
            case RunCell(lr=lr, momentum=momentum):
                self.take_over()
                self.controller.run_cell(lr, momentum)
            case Highlight(run=number):
                self.controller.table.highlight(number)
            case ReadStep(step=step):
                self.view.cursor, self.view.place = step, None
                self.view.dirty = True
            case ReadPlace(weights=weights):
                self.view.place = weights
                self.view.dirty = True
            case Press(action=name):
                if BY_NAME[name].steers:
                    self.take_over()
                await self.run_action(name)

    # --- the keys -------------------------------------------------------------------------

    def action_restart(self) -> None:
        """Restart at the same rate."""
        self.controller.restart()

    def action_smaller(self) -> None:
        """Restart at a smaller rate."""
        self.controller.run_scaled(1 / self.controller.factor)

    def action_larger(self) -> None:
        """Restart at a larger rate."""
        self.controller.run_scaled(self.controller.factor)

    def action_telling(self) -> None:
        """Run the next of the rates worth seeing for this problem."""
        self.controller.run_telling()

    def action_optimizer(self) -> None:
        """Restart with the next optimizer."""
        self.controller.run_next_optimizer()

    def action_schedule(self) -> None:
        """Restart with the next schedule."""
        self.controller.run_next_schedule()

    def action_race_optimizers(self) -> None:
        """Race the optimizers at the same rate."""
        self.controller.race_optimizers()

    def action_advice(self) -> None:
        """Take the advice."""
        self.controller.run_advice()

    def action_shrink(self) -> None:
        """Continue at a smaller rate."""
        self.controller.continue_scaled(1 / self.controller.factor)

    def action_grow(self) -> None:
        """Continue at a larger rate."""
        self.controller.continue_scaled(self.controller.factor)

    def action_release(self) -> None:
        """Give the rate back to the schedule."""
        self.controller.steering.release()

    def action_rewind(self) -> None:
        """Go back to a snapshot."""
        self.controller.steering.rewind()

    def action_checkpoint(self) -> None:
        """Have a checkpoint written."""
        self.controller.steering.checkpoint()

    def action_stop(self) -> None:
        """End the training that is watched."""
        self.controller.steering.stop()

    def action_scalar(self) -> None:
        """Show the next scalar."""
        turn(self.view)
        self.view.dirty = True

    def action_pause(self) -> None:
        """Pause the run, or continue it."""
        self.controller.pause()

    def action_step(self) -> None:
        """Take one step, then pause."""
        self.controller.step()

    def action_faster(self) -> None:
        """Take more steps a second."""
        self.controller.faster()

    def action_slower(self) -> None:
        """Take fewer steps a second."""
        self.controller.slower()

    def action_older(self) -> None:
        """Highlight the next older run."""
        self.controller.table.highlight_older()

    def action_newer(self) -> None:
        """Highlight the next newer run, or none."""
        self.controller.table.highlight_newer()

    def action_export(self) -> None:
        """Write the losses of the runs to a CSV file."""
        self.controller.table.export()

    def action_export_json(self) -> None:
        """Write the losses of the runs to a JSON file."""
        self.controller.table.export(".json")

    def action_settings(self) -> None:
        """Show the settings, and run them if they are to be."""
        from lrtui.screen.settings_panel import SettingsPanel

        def run(options: LabOptions | None) -> None:
            if options is not None:
                self.take_over()
                self.controller.set_up(options)

        if self.is_in_front:
            self.app.push_screen(SettingsPanel(self.controller.options()), run)

    def action_pin(self) -> None:
        """Pin the highlighted run, hide it, or neither."""
        self.controller.table.pin()

    def action_name(self) -> None:
        """Give the highlighted run a name."""
        from lrtui.screen.name_field import NameField

        def rename(name: str | None) -> None:
            if name is not None and run is not None:
                self.controller.table.mark(run, name=name)

        run = self.view.pointed_at
        if run is not None and self.is_in_front:
            self.app.push_screen(NameField(run.number, run.name), rename)

    def action_remove(self) -> None:
        """Remove the highlighted run from the table."""
        self.controller.table.remove()

    def action_reproduce(self) -> None:
        """Show and copy the command line that reproduces the run."""
        line = self.controller.command_line()
        if line:
            self.app.copy_to_clipboard(line)
            self.controller.notify(line, "good")

    def action_picture(self) -> None:
        """Write the screen as it is to an SVG file."""
        path = unused(Path.cwd(), "lrtui-screen", ".svg")
        try:
            path.write_text(self.app.export_screenshot(title="lrtui"), encoding="utf-8")
        except OSError as error:
            self.controller.complain(f"the screen was not written: {error.strerror}")
        else:
            self.controller.notify(f"the screen was written to {path}", "good")

    def action_scale(self) -> None:
        """Change the scale of the loss."""
        scales = self.view.scales()
        at = scales.index(self.view.scale) if self.view.scale in scales else 0
        self.view.scale = scales[(at + 1) % len(scales)]
        self.view.dirty = True

    def action_lens(self) -> None:
        """Turn the lens to the next of its panes, and show it where it was not to be seen."""
        found = layout.lenses(self.view)
        lens = layout.lens(self.view)
        if lens is None:
            self.controller.notify("no picture is known of what is trained", "dim")
            return
        is_beside_others = lens in layout.shown(self.view) and self.view.alone is None
        self.view.lens = found[(found.index(lens) + 1) % len(found)].id
        if not is_beside_others:
            self.view.alone = self.view.lens
        self.view.dirty = True

    def action_every_rate(self) -> None:
        """Show the steps to settle at every rate, and go back."""
        self.view.alone = None if self.view.alone == EVERY_RATE.id else EVERY_RATE.id
        self.view.dirty = True

    def action_zoom_ruler(self) -> None:
        """Zoom the ruler round the rate, further, and back."""
        self.controller.zoom_ruler()

    def action_cursor_left(self) -> None:
        """Move the cursor to the left."""
        self._move_cursor(-1)

    def action_cursor_right(self) -> None:
        """Move the cursor to the right."""
        self._move_cursor(1)

    def _move_cursor(self, cells: int) -> None:
        """Move the cursor of the chart that is shown, of all the rates or of the losses."""
        view = self.view
        view.dirty, view.place = True, None
        chart = EVERY_RATE if view.alone == EVERY_RATE.id else LOSS
        widget = self.query_one(f"#{chart.id}", PaneWidget)
        if chart is EVERY_RATE:
            view.rate = moved(view, cells, *widget.content_size)
        elif (run := view.session.current) is not None and view.session.has_losses:
            last = last_shown(view)
            a_cell = max(1, round(last / max(widget.content_size.width, 1)))
            here = run.step if view.cursor is None else view.cursor + cells * a_cell
            view.cursor = min(max(here, 0), last)
        if self.line is None or self.line.is_free:
            widget.paint()  # at once: of all that a frame draws, only this has moved

    def action_seek_start(self) -> None:
        """Go to the start of the run of a record."""
        self.controller.seek(SEEKS["home"])

    def action_seek_end(self) -> None:
        """Go to the end of the run of a record."""
        self.controller.seek(SEEKS["end"])

    def action_run_before(self) -> None:
        """Go to the run before, in a record."""
        self.controller.seek(SEEKS["pageup"])

    def action_run_after(self) -> None:
        """Go to the run after, in a record."""
        self.controller.seek(SEEKS["pagedown"])

    def action_heat(self) -> None:
        """Show rate and momentum side by side, and go back."""
        self.view.alone = None if self.view.alone == HEAT.id else HEAT.id
        self.controller.heat()
        self.view.dirty = True

    async def steer(self, key: str) -> bool:
        """Do what a key means where nothing is typed, and in what is shown alone, if anything."""
        if not self.is_in_front:
            return False
        if self.controller.seeks and key in SEEKS:
            self.controller.seek(SEEKS[key])
            return True
        if self.view.alone != HEAT.id:
            if key in CURSOR:
                self._move_cursor(CURSOR[key])
            return key in CURSOR
        widget = self.query_one(f"#{HEAT.id}", PaneWidget)
        if key == "enter" and (cell := self.view.heat_cursor) is not None:
            await self.carry_out(RunCell(lr=cell[1], momentum=cell[0]))
            return True
        return move_cursor(self.view, key, *widget.content_size)

    def action_zoom(self) -> None:
        """Show one pane on all the room, then the next, then all again."""
        self.view.alone = layout.next_alone(self.view)
        self.view.dirty = True

    def action_help(self) -> None:
        """Show the help, unless something is in front already: keys may arrive bundled."""
        from lrtui.screen.help import Help

        if self.is_in_front:
            self.app.push_screen(Help(self.view))

    def action_redraw(self) -> None:
        """Redraw the screen, whatever the terminal shows."""
        if self.line:
            self.line.redraw()

    def action_suspend(self) -> None:
        """Go back to the shell until it says ``fg``."""
        self.app.action_suspend_process()

    def action_leave(self) -> None:
        """Leave."""
        self.app.exit()
