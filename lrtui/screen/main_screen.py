"""The main screen: takes keys, and shows what the messages tell."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, ClassVar

from rich.style import Style
from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import Screen
from textual.widgets import Input

from lrtui.run.rate import complaint, parse_rate, rate_text
from lrtui.screen import texts
from lrtui.screen.commands import COMMANDS
from lrtui.screen.controller import LARGER, SMALLER, Controller
from lrtui.screen.layout import INSIDE, PANES, TALL, WIDE, WIDEST, usual_view
from lrtui.screen.paint import paint
from lrtui.screen.palette import styles
from lrtui.screen.pane import Pane
from lrtui.screen.rate_field import RateField
from lrtui.screen.ruler import rate_at
from lrtui.screen.spans import SCALES, Scale

if TYPE_CHECKING:
    from lrtui.screen.terminal.driver import LineDriver

FIRST_WAIT = 0.02
"""Seconds between two tries to draw the first frame, until the panes have a size."""
KEY_TIME = 0.02
"""Seconds that a key has the screen for itself."""


class MainScreen(Screen[None]):
    """The lab.

    Attributes:
        controller: the runs, and what can be done with them.
        line: the way to the terminal, ``None`` where there is none.
        last_key: when a key was pressed last, on the monotonic clock.
        scale: what the loss is asked for on.
        map_view: whether the bowl is turned into the map.
        tones: the style of each tone, from the theme.
        caption: what is told below the panes, empty if nothing is.
    """

    BINDINGS: ClassVar[list[BindingType]] = [command.binding() for command in COMMANDS]

    def __init__(self, controller: Controller, fps: float) -> None:
        """Makes the screen; the first rate runs as soon as it is mounted.

        Args:
            controller: what is shown.
            fps: frames a second, at most.
        """
        super().__init__()
        self.controller = controller
        self.line: LineDriver | None = None
        self.last_key = float("-inf")
        self.scale: Scale = "linear"
        self.map_view = False
        self.tones: dict[str, Style] = {}
        self._frame_time = 1 / fps
        self._view: str | None = None
        self.caption = ""
        self._drawn = False

    def compose(self) -> ComposeResult:
        """Lays out the panes."""
        yield Pane(id="small")
        yield Pane(id="header")
        with Vertical(id="rate-box") as box:
            box.border_title = "learning rate"
            with Horizontal(id="rates"):
                yield RateField()
                yield Pane(id="ruler")
            yield Pane(id="status")
        with Horizontal(id="charts"):
            yield titled(Pane(id="fit"), "fit")
            yield titled(Pane(id="loss"), "loss")
            yield titled(Pane(id="sweep"), "every rate")
        with Horizontal(id="tables"):
            yield titled(Pane(id="bowl"), "bowl")
            yield titled(Pane(id="runs"), "runs")
            yield titled(Pane(id="log"), "log")
        yield Pane(id="caption")
        yield Pane(id="footer")

    def on_mount(self) -> None:
        """Starts the first run and the frames."""
        self.app.theme_changed_signal.subscribe(self, lambda _: self._take_theme())
        self._take_theme()
        self.controller.run_next()
        self.run_worker(self._frames(), exit_on_error=True)

    def _take_theme(self) -> None:
        self.tones = styles(self.app.current_theme, self.app.theme_variables)
        self.refresh(layout=True)

    # --- frames ---------------------------------------------------------------------------

    async def _frames(self) -> None:
        while True:
            await asyncio.sleep(self._frame_time if self._drawn else FIRST_WAIT)
            await self.frame()

    async def frame(self) -> None:
        """Takes in what has arrived and shows what changed by it."""
        controller = self.controller
        controller.hear()
        # A frame is left out where the terminal has not been sent the last one yet.
        free = self.line is None or self.line.is_free
        if controller.changed and self.is_current and free:
            controller.changed = False
            self.query_one(RateField).placeholder = rate_text(controller.aim)
            for pane in self.query(Pane):
                paint(self, pane)
                # A key that was pressed meanwhile is answered before the next pane is drawn.
                await asyncio.sleep(0.001)
                if time.monotonic() - self.last_key < KEY_TIME:
                    await asyncio.sleep(KEY_TIME)
            self._drawn = self._drawn or any(p.content_size.area for p in self.query(Pane))
            if self.line:
                self.line.release()

    # --- what is shown where --------------------------------------------------------------

    def _arrange(self) -> None:
        """Shows the panes that fit, or the one that was asked for."""
        if self.line and self._drawn:
            self.line.hold()
        width, height = self.size
        small = width < texts.SMALLEST[0] or height < texts.SMALLEST[1]
        shown = usual_view(*self.size) if self._view is None else [self._view]
        self.set_class(height < TALL, "-short")
        self.set_class(width < WIDE, "-narrow")
        self.set_class(width < WIDEST, "-wide")
        for name in PANES:
            self.query_one(f"#{name}").display = name in shown
        for name, inside in INSIDE.items():
            self.query_one(f"#{name}").display = not small and any(n in shown for n in inside)
        self.set_class(len(shown) == 1, "-single")
        for name in ("header", "rate-box", "footer"):
            self.query_one(f"#{name}").display = not small
        self.query_one("#small").display = small
        self.query_one("#caption").display = bool(self.caption) and not small
        self.controller.changed = True

    @on(events.Resize)
    def _resized(self) -> None:
        self._arrange()

    def action_zoom(self) -> None:
        """Shows one pane on all the room, then the next, then all again."""
        usual = usual_view(*self.size)
        alone = [name for name in PANES if usual != [name]]
        views = [None, *alone]
        self._view = views[(views.index(self._view) + 1) % len(views)]
        self._arrange()

    def pressed(self, event: events.Key) -> None:
        """Notes that a key was pressed, before anything is made of it."""
        self.last_key = time.monotonic()

    def take_over(self) -> None:
        """Is told when a person starts a run; a tour ends by it."""

    # --- the field, the mouse -------------------------------------------------------------

    @on(Input.Submitted)
    def _typed(self, event: Input.Submitted) -> None:
        try:
            rate = parse_rate(event.value)
        except ValueError as error:
            self.controller.complain(str(error))
            return
        self.take_over()
        self.controller.run(rate)
        field = self.query_one(RateField)
        field.placeholder = rate_text(self.controller.aim)
        with field.prevent(Input.Changed):  # which would take back what run() may complain of
            field.clear()

    @on(Input.Changed)
    def _typing(self, event: Input.Changed) -> None:
        self.controller.complain(complaint(event.value))

    def key_escape(self) -> None:
        """Leaves the field."""
        self.query_one(RateField).clear()
        self.controller.complain("")

    @on(events.Click)
    def _clicked(self, event: events.Click) -> None:
        """Runs the rate clicked on the ruler, highlights the run clicked in the table."""
        pane, controller = event.widget, self.controller
        if not isinstance(pane, Pane) or (offset := event.get_content_offset(pane)) is None:
            return
        width, height = pane.content_size
        if pane.id == "ruler":
            rate = rate_at(controller.session, offset.x, width)
            if rate is not None:
                self.take_over()
                controller.run(rate)
        elif pane.id == "runs":
            rows = texts.listed(controller.session, controller.highlighted, height)
            if 1 <= offset.y <= len(rows):
                number = rows[offset.y - 1].number
                controller.highlight(None if number == controller.highlighted else number)

    # --- the keys -------------------------------------------------------------------------

    def action_restart(self) -> None:
        """Restarts at the same rate."""
        self.controller.restart()

    def action_smaller(self) -> None:
        """Restarts at a smaller rate."""
        self.controller.run_scaled(SMALLER)

    def action_larger(self) -> None:
        """Restarts at a larger rate."""
        self.controller.run_scaled(LARGER)

    def action_post(self) -> None:
        """Runs the next of the post's rates."""
        self.controller.run_post()

    def action_advice(self) -> None:
        """Runs the rate that is advised."""
        self.controller.run_advice()

    def action_shrink(self) -> None:
        """Goes on at a smaller rate."""
        self.controller.go_on_scaled(SMALLER)

    def action_grow(self) -> None:
        """Goes on at a larger rate."""
        self.controller.go_on_scaled(LARGER)

    def action_pause(self) -> None:
        """Pauses the run or lets it go on."""
        self.controller.pause()

    def action_step(self) -> None:
        """Takes one step and holds."""
        self.controller.step()

    def action_faster(self) -> None:
        """Takes more steps a second."""
        self.controller.faster()

    def action_slower(self) -> None:
        """Takes fewer steps a second."""
        self.controller.slower()

    def action_older(self) -> None:
        """Highlights the next older run."""
        self.controller.highlight_older()

    def action_newer(self) -> None:
        """Highlights the next newer run, or none."""
        self.controller.highlight_newer()

    def action_export(self) -> None:
        """Writes the losses of the runs to a CSV file."""
        self.controller.export()

    def action_scale(self) -> None:
        """Changes the scale of the loss."""
        self.scale = SCALES[(SCALES.index(self.scale) + 1) % len(SCALES)]
        self.controller.changed = True

    def action_map(self) -> None:
        """Turns the bowl into the map, and back."""
        self.map_view = not self.map_view
        pane = self.query_one("#bowl", Pane)
        pane.border_title = "map" if self.map_view else "bowl"
        if not pane.region.area:
            self._view = "bowl"
            self._arrange()
        self.controller.changed = True

    def action_sweep(self) -> None:
        """Shows the steps to settle at every rate, and goes back."""
        self._view = None if self._view == "sweep" else "sweep"
        self._arrange()

    def action_help(self) -> None:
        """Shows the help."""
        from lrtui.screen.help import Help

        self.app.push_screen(Help())

    def action_redraw(self) -> None:
        """Draws the screen anew, whatever the terminal shows."""
        if self.line:
            self.line.redraw()

    def action_suspend(self) -> None:
        """Goes back to the shell until it says ``fg``."""
        self.app.action_suspend_process()

    def action_leave(self) -> None:
        """Leaves."""
        self.app.exit()


def titled(pane: Pane, title: str) -> Pane:
    """Returns a pane with a title on its border."""
    pane.border_title = title
    return pane
