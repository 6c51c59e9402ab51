"""The main screen: handles keys and clicks, and draws the panes."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import suppress

from textual import events, on
from textual.app import ComposeResult
from textual.geometry import Region
from textual.widgets import Input

from lrtui.screen import layout
from lrtui.screen.actions import BY_NAME, at_key
from lrtui.screen.border import frames
from lrtui.screen.control.controller import Controller
from lrtui.screen.draw.palette import styles
from lrtui.screen.keys import SEEKS, Keys
from lrtui.screen.notices import news, sequence
from lrtui.screen.pane_widget import PaneWidget
from lrtui.screen.panes import PANES
from lrtui.screen.panes.cursor import FAST
from lrtui.screen.panes.every_rate import EVERY_RATE
from lrtui.screen.panes.heat import HEAT, move_cursor
from lrtui.screen.panes.pane import Highlight, Press, ReadPlace, ReadStep, Request, RunCell, RunRate
from lrtui.screen.panes.rate import lr_in_force
from lrtui.screen.panes.ruler import foreseen
from lrtui.screen.panes.small import is_small
from lrtui.screen.rate_field import RateField
from lrtui.text.rates import parse_rates, rate_text

SIGNS = ("minus", "plus")
"""Signs of a number; without a number they are keys."""

CURSOR = {"left": -1, "right": 1, "shift+left": -FAST, "shift+right": FAST}
"""Cells by which a key moves the cursor of the charts."""

FIRST_WAIT = 0.02
"""Seconds between attempts to draw the first frame, until the panes have sizes."""

MOVE_TIME = 0.2
"""Maximum seconds to wait for the panes to move."""

BREATH = 0.01
"""Seconds left for keys between two polls of a source that has more messages."""

KEY_TIME = 0.02
"""Seconds between a key and the frame that shows its effect."""


class MainScreen(Keys):
    """The screen of the panes.

    Attributes:
        field: in which a rate is typed.
        notifies: whether to notify the user while the terminal has no focus.
    """

    def __init__(self, controller: Controller, fps: float) -> None:
        """Create the screen, which draws at most ``fps`` frames a second.

        Mounting it starts the first run.
        """
        super().__init__(controller)
        self.field = RateField(self.steer)
        self.notifies = True
        self._frame_time = 1 / fps
        self._news: str | None = None  # the last, while the terminal has no focus
        self._last_key = float("-inf")
        self._woken = asyncio.Event()
        self._places: tuple[dict[str, Region], dict[str, Region]] = ({}, {})
        self._drawn = False

    def compose(self) -> ComposeResult:
        """Create the panes; ``lay_out`` places them."""
        for pane in PANES:
            yield PaneWidget(pane, self.view)
        yield self.field

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
            with suppress(TimeoutError):  # a key does not wait for the next frame
                wait = self._frame_time if self._drawn else FIRST_WAIT
                if self._drawn and self.controller.is_behind:
                    wait = await self._catch_up(wait)
                await asyncio.wait_for(self._woken.wait(), wait)
                await asyncio.sleep(KEY_TIME)
            self._woken.clear()
            await self.frame()

    async def _catch_up(self, seconds: float) -> float:
        """Read messages for a time, leaving room for keys; return what is left of that time."""
        until = time.monotonic() + seconds
        while self.controller.is_behind and not self._woken.is_set():
            if (left := until - time.monotonic()) <= 0:
                return 0.0
            self.controller.hear()
            await asyncio.sleep(min(BREATH, left))
        return max(until - time.monotonic(), 0.0)

    async def frame(self) -> None:
        """Apply new messages and draw the changes."""
        self.controller.hear()
        self._announce()
        # Skip the frame while the last one is still being sent.
        free = self.line is None or self.line.is_free
        if not (self.view.dirty and self.is_current and free):
            return
        if layout.places(self.view) != self._places:
            self.lay_out()
            moved = asyncio.Event()  # before drawing, wait for the new sizes
            self.call_after_refresh(moved.set)
            with suppress(TimeoutError):
                await asyncio.wait_for(moved.wait(), MOVE_TIME)
        self.view.dirty = False
        run = self.view.session.current
        if run is not None:
            moves = run.rates is not None or run.live is not None
            now = f"{lr_in_force(run):.4g}" if moves else rate_text(run.lr)
            self.field.placeholder = now if run.knows_rate else "–"
        if self.line and self._drawn:
            self.line.hold()  # one write: each costs 40 bytes extra
        for widget in self.query(PaneWidget):
            if not widget.paint():
                continue
            # Handle a key pressed meanwhile before drawing the next pane.
            await asyncio.sleep(0.001)
            if time.monotonic() - self._last_key < KEY_TIME:
                if self.line:
                    self.line.release()
                await asyncio.sleep(KEY_TIME)
        self._drawn = self._drawn or any(w.size.area for w in self.query(PaneWidget))
        if self.line:
            self.line.release()

    def _announce(self) -> None:
        """Ring the bell and notify when something happened while the terminal had no focus."""
        if self.app.app_focus or not self.notifies:
            self._news = None
            return
        before, self._news = self._news, news(self.view.session)
        if self._news and before is not None and self._news != before:
            if self.line is None:
                self.app.bell()
            else:
                self.line.write(sequence(f"lrtui: {self._news}", os.environ))

    @on(events.Resize)
    def lay_out(self) -> None:
        """Place the visible panes."""
        if self.line and self._drawn:
            self.line.hold()
        self.view.size = self.size.width, self.size.height
        self._places = layout.places(self.view)
        plain, boxes = self._places
        framed = frames(boxes)
        for widget in self.query(PaneWidget):
            name = widget.pane.id
            widget.display = name in plain or name in boxes
            frame = framed.get(name)
            if widget.display:
                widget.move(frame.region if frame else plain[name], frame)
        self.field.display = not is_small(self.view)
        self.view.dirty = True

    def pressed(self, event: events.Key) -> None:
        """Record a key press before it is handled; say why if its action is not offered."""
        now = time.monotonic()
        if now - self._last_key > self._frame_time:  # held keys are shown by the usual frames
            self._woken.set()
        self._last_key = now
        if self.field.is_attached and not self.field.has_focus and self.is_in_front:
            self.set_focus(self.field)  # lost by a click beside all widgets
        action = at_key(event.key)
        asked = self.is_in_front and not self.view.typed  # else it may edit the field
        if asked and action and not action.is_offered(self.view.session):
            self.controller.complain(action.why_not(self.view.session))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Return whether an action is possible now; called by textual."""
        if action != "do":
            return True
        return BY_NAME[str(parameters[0])].is_offered(self.view.session)

    # --- the field, the mouse -------------------------------------------------------------

    @on(Input.Submitted)
    def _typed(self, event: Input.Submitted) -> None:
        self.take_over()
        self.submit(event.value)

    def submit(self, text: str) -> None:
        """Run the typed rate, race several, or say why they are invalid."""
        if not text.strip():
            if self.view.preview is not None:
                self.controller.run(self.view.preview)
            elif self.view.alone == EVERY_RATE.id and self.view.rate is not None:
                self.controller.run(self.view.rate)
            elif not self.controller.steering.take_rate():
                self.controller.go_on_alone()
            return
        if self.controller.seeks:
            self.field.clear()
            self.controller.seek_step(text)
            return
        try:
            lrs = parse_rates(text)
        except ValueError as error:
            self.controller.complain(str(error))
            return
        self.field.clear()
        self.controller.race_rates(lrs)

    @on(Input.Changed)
    def _typing(self, event: Input.Changed) -> None:
        self.view.typed = event.value
        self.view.dirty = True
        if event.value:
            self.view.preview = None
            self.controller.clear_notice()

    def key_escape(self) -> None:
        """Cancel or close a try, else clear the field, the cursor and the message."""
        if not self.view.typed and self.controller.steering.leave_try():
            return
        self.view.cursor = self.view.place = self.view.rate = None
        self.field.clear()
        self.controller.clear_notice()

    @on(events.Click)
    async def _clicked(self, event: events.Click) -> None:
        """Handle a click on a pane."""
        widget, region = self.get_widget_at(event.screen_x, event.screen_y)
        if not isinstance(widget, PaneWidget):
            return
        x, y = event.screen_x - region.x, event.screen_y - region.y
        if (action := widget.action_at(x, y)) is not None:
            await self.carry_out(Press(action))
        elif not widget.pane.waits_for(self.view):
            request = widget.pane.click(self.view, *widget.inside(x, y), *widget.inner)
            if request is not None:
                await self.carry_out(request)

    def load_problem(self, problem: str) -> None:
        """Train another of the built-in problems."""
        self.take_over()
        self.controller.load_problem(problem)

    async def carry_out(self, request: Request) -> None:
        """Carry out a click, or a choice in the palette."""
        match request:
            case RunRate(lr=lr):
                self.take_over()
                self.controller.preview(lr, foreseen(self.view, lr))
            case RunCell(lr=lr, momentum=momentum) if self.view.heat_cursor == (momentum, lr):
                self.take_over()
                self.controller.run_cell(lr, momentum)
            case RunCell(lr=lr, momentum=momentum):
                self.view.heat_cursor = momentum, lr
                self.view.dirty = True
                self.controller.notify("Enter or a second click runs it", "strong")
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
                BY_NAME[name].do(self)

    async def steer(self, key: str) -> bool:
        """Handle a key while the field is empty; return whether that was one for it."""
        if not self.is_in_front:
            return False
        if key in SIGNS:
            if (action := at_key(key)) is not None:
                action.do(self)
            return True
        if self.controller.seeks and key == "end":
            self.controller.hold_at_end()
            return True
        if self.controller.seeks and key in SEEKS:
            self.controller.seek(SEEKS[key])
            return True
        if self.view.alone != HEAT.id:
            if key in CURSOR:
                self.move_cursor(CURSOR[key])
            return key in CURSOR
        widget = self.query_one(f"#{HEAT.id}", PaneWidget)
        if key == "enter" and (cell := self.view.heat_cursor) is not None:
            self.take_over()
            self.controller.run_cell(cell[1], cell[0])
            return True
        return move_cursor(self.view, key, *widget.inner)
