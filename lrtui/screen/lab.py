"""The main screen: takes keys, sends commands, and shows what the messages tell."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from rich.style import Style
from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import Screen
from textual.widgets import Input

from lrtui.messages import (
    Curvature,
    Ended,
    Failed,
    Pause,
    Printed,
    Progress,
    Resume,
    SetRate,
    SetSpeed,
    Start,
    Step,
)
from lrtui.run.rate import FACTOR, complaint, parse_rate, rate_text, scaled
from lrtui.run.ruler import ruler_sweep
from lrtui.run.session import Session
from lrtui.screen import texts
from lrtui.screen.commands import COMMANDS
from lrtui.screen.layout import INSIDE, PANES, TALL, WIDE, WIDEST, usual_view
from lrtui.screen.paint import paint
from lrtui.screen.pane import Pane
from lrtui.screen.rate_field import RateField
from lrtui.screen.rows import SCALES, Scale, Span
from lrtui.screen.ruler import rate_at
from lrtui.screen.tones import styles
from lrtui.source import Source

if TYPE_CHECKING:
    from lrtui.screen.driver import LineDriver

POST_RATES = (0.1, 0.7, 1.01)
SPEEDS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0)
LOG_LINES = 200
KEY_TIME = 0.02
"""Seconds that a key has the screen for itself."""


class Lab(Screen[None]):
    """The lab.

    Attributes:
        session: the runs so far.
        speed: steps a second, ``None`` for flat out.
        paused: whether the current run is held.
        last_key: when a key was pressed last, on the monotonic clock.
        line: the way to the terminal, ``None`` where there is none.
        scale: what the loss is asked for on.
        map_view: whether the bowl is turned into the map.
        tones: the style of each tone, from the theme.
        steps: steps of a run.
        highlighted: the number of an earlier run that stands out, ``None`` if none does.
        aim: the rate of the current run, or the one that it was last told to take.
        complaint: what is wrong with what was typed, empty if nothing is.
        details: the last lines of a trainer that failed.
        log_lines: what happened, the youngest first.
    """

    BINDINGS: ClassVar[list[BindingType]] = [command.binding() for command in COMMANDS]

    def __init__(
        self,
        source: Source,
        rates: Iterable[float],
        *,
        steps: int,
        speed: float | None,
        every: int,
        fps: float,
    ) -> None:
        """Makes the screen; the first rate runs as soon as it is mounted.

        Args:
            source: answers commands with messages.
            rates: the rates to run, one after the other.
            steps: steps a run.
            speed: steps a second, ``None`` for flat out.
            every: steps between two lines of the log.
            fps: frames a second, at most.
        """
        super().__init__()
        self.session = Session()
        self.speed = speed
        self.paused = False
        self.scale: Scale = "linear"
        self.map_view = False
        self.tones: dict[str, Style] = {}
        self._source = source
        self._queue = deque(rates)
        self.steps = steps
        self._every = every
        self._frame_time = 1 / fps
        self.log_lines: deque[Span] = deque(maxlen=LOG_LINES)
        self.details: list[str] = []
        self.complaint = ""
        self._changed = True
        self._view: str | None = None
        self.last_key = float("-inf")
        self.line: LineDriver | None = None
        self.aim = POST_RATES[0]
        self.highlighted: int | None = None

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
        yield Pane(id="footer")

    def on_mount(self) -> None:
        """Starts the first run and the frames."""
        self.app.theme_changed_signal.subscribe(self, lambda _: self._take_theme())
        self._take_theme()
        self._next_in_queue()
        self.run_worker(self._frames(), exit_on_error=True)

    def _take_theme(self) -> None:
        self.tones = styles(self.app.current_theme, self.app.theme_variables)
        self.refresh(layout=True)

    # --- frames ---------------------------------------------------------------------------

    async def _frames(self) -> None:
        while True:
            await asyncio.sleep(self._frame_time)
            await self.frame()

    async def frame(self) -> None:
        """Takes in what has arrived and shows what changed by it."""
        for message in self._source.poll():
            self._take_in(message)
        if self._changed and self.is_current and (self.line is None or self.line.is_free):
            self._changed = False
            for pane in self.query(Pane):
                paint(self, pane)
                # A key that was pressed meanwhile is answered before the next pane is drawn.
                await asyncio.sleep(0.001)
                if time.monotonic() - self.last_key < KEY_TIME:
                    await asyncio.sleep(KEY_TIME)

    def _take_in(self, message: object) -> None:
        self._changed |= self.session.apply(message)  # type: ignore[arg-type]
        run = self.session.current
        match message:
            case Printed(text=text):
                self._say(text, "change")
            case Curvature() if self.session.bowl and self.session.ready:
                points = self.session.ready.problem.points
                self._source.send(ruler_sweep(self.session.bowl, points, self.steps))
            case Failed(reason=reason, details=details):
                self._say(reason, "bad")
                self.details = details
            case Ended() if run and message.run == run.number:
                self._say(message.reason, "dim")
            case Progress() if run and message.run == run.number:
                first = -message.step % self._every
                lines = range(first, len(message.losses), self._every)
                for i in lines[-LOG_LINES:]:
                    loss = message.losses[i]
                    told = "not finite" if loss is None else f"{loss:.6g}"
                    self._say(f"{message.step + i:>7,}  {told}", "text")
        if run and run.outcome in ("done", "diverged"):
            self._next_in_queue()

    def _say(self, text: str, tone: str) -> None:
        self.log_lines.appendleft(("".join(c if c.isprintable() else " " for c in text), tone))
        self._changed = True

    # --- what is shown where --------------------------------------------------------------

    def _arrange(self) -> None:
        """Shows the panes that fit, or the one that was asked for."""
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
        self._changed = True

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

    # --- runs -----------------------------------------------------------------------------

    def _run(self, rate: float) -> None:
        """Starts a new run from the first weights."""
        run = self.session.begin(rate, self.steps)
        self.aim = rate
        self.paused = False
        self.complaint = ""
        self.details = []
        self.query_one(RateField).placeholder = rate_text(rate)
        self._say(f"run {run.number}  rate {rate_text(rate)}", "dim")
        self._source.send(Start(run=run.number, rate=rate, steps=self.steps, speed=self.speed))

    def _next_in_queue(self) -> None:
        if self._queue:
            self._run(self._queue.popleft())

    @on(Input.Submitted)
    def _typed(self, event: Input.Submitted) -> None:
        try:
            rate = parse_rate(event.value)
        except ValueError as error:
            self.complaint = str(error)
            self._changed = True
        else:
            self._queue.clear()
            self._run(rate)
            self.query_one(RateField).clear()

    @on(Input.Changed)
    def _typing(self, event: Input.Changed) -> None:
        self.complaint = complaint(event.value)
        self._changed = True

    def key_escape(self) -> None:
        """Leaves the field."""
        self.query_one(RateField).clear()
        self.complaint = ""
        self._changed = True

    def action_restart(self) -> None:
        """Restarts at the same rate."""
        self._run(self.aim)

    def action_smaller(self) -> None:
        """Restarts at a smaller rate."""
        self._run(scaled(self.aim, 1 / FACTOR))

    def action_larger(self) -> None:
        """Restarts at a larger rate."""
        self._run(scaled(self.aim, FACTOR))

    def action_post(self) -> None:
        """Runs the next of the post's rates."""
        self._run(next((rate for rate in POST_RATES if rate > self.aim), POST_RATES[0]))

    def _is_on(self) -> bool:
        """Returns whether a run is on; says so if none is."""
        run = self.session.current
        if run is not None and run.outcome is None:
            return True
        self.complaint = "no run is on; r restarts, or type a rate"
        self._changed = True
        return False

    def action_shrink(self) -> None:
        """Goes on at a smaller rate."""
        self._go_on_at(scaled(self.aim, 1 / FACTOR))

    def action_grow(self) -> None:
        """Goes on at a larger rate."""
        self._go_on_at(scaled(self.aim, FACTOR))

    def _go_on_at(self, rate: float) -> None:
        if self._is_on():
            self.aim = rate
            self.query_one(RateField).placeholder = rate_text(rate)
            self._say(f"rate {rate_text(rate)} from here", "change")
            self._source.send(SetRate(rate))

    def action_pause(self) -> None:
        """Pauses the run or lets it go on."""
        if self._is_on():
            self.paused = not self.paused
            self._source.send(Pause() if self.paused else Resume())
            self._changed = True

    def action_step(self) -> None:
        """Takes one step and holds."""
        if self._is_on():
            self.paused = True
            self._source.send(Step())
            self._changed = True

    def action_faster(self) -> None:
        """Takes more steps a second."""
        if self.speed is not None:
            self._pace(next((s for s in SPEEDS if s > self.speed), None))

    def action_slower(self) -> None:
        """Takes fewer steps a second."""
        speed = self.speed
        self._pace(max((s for s in SPEEDS if speed is None or s < speed), default=speed))

    def _pace(self, speed: float | None) -> None:
        self.speed = speed
        self._source.send(SetSpeed(speed))
        self._changed = True

    def action_scale(self) -> None:
        """Changes the scale of the loss."""
        self.scale = SCALES[(SCALES.index(self.scale) + 1) % len(SCALES)]
        self._changed = True

    def action_map(self) -> None:
        """Turns the bowl into the map, and back."""
        self.map_view = not self.map_view
        pane = self.query_one("#bowl", Pane)
        pane.border_title = "map" if self.map_view else "bowl"
        if not pane.region.area:
            self._view = "bowl"
            self._arrange()
        self._changed = True

    def action_older(self) -> None:
        """Highlights the next older run."""
        older = [r.number for r in self.session.runs[:-1]]
        if self.highlighted is not None:
            older = [number for number in older if number < self.highlighted]
        if older:
            self._highlight(older[-1])

    def action_newer(self) -> None:
        """Highlights the next newer run, or none."""
        if self.highlighted is not None:
            newer = [r.number for r in self.session.runs[:-1] if r.number > self.highlighted]
            self._highlight(newer[0] if newer else None)

    def _highlight(self, number: int | None) -> None:
        self.highlighted = number
        self._changed = True

    @on(events.Click)
    def _clicked(self, event: events.Click) -> None:
        """Runs the rate clicked on the ruler, highlights the run clicked in the table."""
        pane = event.widget
        if not isinstance(pane, Pane) or (offset := event.get_content_offset(pane)) is None:
            return
        if pane.id == "ruler":
            rate = rate_at(self.session, offset.x, pane.content_size.width)
            if rate is not None:
                self._queue.clear()
                self._run(rate)
        elif pane.id == "runs":
            rows = texts.listed(self.session, self.highlighted, pane.content_size.height)
            if 1 <= offset.y <= len(rows):
                number = rows[offset.y - 1].number
                self._highlight(None if number == self.highlighted else number)

    def action_sweep(self) -> None:
        """Shows the steps to settle at every rate, and goes back."""
        self._view = None if self._view == "sweep" else "sweep"
        self._arrange()

    def action_advice(self) -> None:
        """Runs the rate that is advised."""
        advice = self.session.advice()
        if advice is not None:
            self._run(advice.rate)
        else:
            self.complaint = "no rate is known to be better than this one"
            self._changed = True

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
