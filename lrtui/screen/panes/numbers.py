"""The important numbers in one row: the rate, the loss, and the step at which the run settles."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lrtui.analysis.headroom import MOST_CALM
from lrtui.screen.control.view import View
from lrtui.screen.draw.spans import Row, length
from lrtui.screen.panes.pane import Pane, Press
from lrtui.screen.panes.ranks import LEVELS
from lrtui.screen.panes.sharpness import allowed_by, formula, value_text
from lrtui.session.run import Run
from lrtui.session.sentences import advice_text
from lrtui.text.validation import validation_kind

FIELD = 18
"""Cells of the word before the field of the rate, and of that field."""

LOWEST_LEFT = -0.5
"""Slope left of the lowest sign; that of the highest is 1."""

HINTS = ("type a rate and press Enter; p runs the presets", "type a rate, press Enter")
"""First steps of a new user, from the longest text to the shortest."""


def draw(view: View, width: int, height: int) -> list[Row]:
    """Draw the numbers, and at the right which rate to try next."""
    run = view.session.current
    items: list[Row] = [[(f"{' rate':<{FIELD}}", "dim")]]
    if run is not None:
        items += loss_of(run)
        items += scalars_of(run) if run.live is not None else end_of(run)
    essential = length(joined(items[:2], width))
    right = next((row for row in advice(view) if length(row) + essential <= width), [])
    left = joined(items, width - length(right))
    return [[*left, (" " * (width - length(left) - length(right)), "dim"), *right]]


def joined(items: Iterable[Row], width: int) -> Row:
    """Return the items that fit whole into the width: no number stands without its name."""
    row: Row = []
    for item in items:
        if length(row) + length(item) <= width:
            row += item
    return row


def loss_of(run: Run) -> Iterator[Row]:
    """Yield the last loss in a fixed width, so that nothing right of it moves."""
    if run.series is None:
        return
    last = run.series.recent[-1]
    loss = f"{last:.4g}" if last == last else "not finite"
    if run.live is None or not (validations := run.live.validations):
        yield [("loss ", "dim"), (f"{loss:<11}", "strong")]
        return
    yield [("loss ", "dim"), (loss, "strong")]
    of_validation = f" ({validations[0][1]})"
    yield [(f"{of_validation:<{26 - len(loss)}}", "dim")]


def end_of(run: Run) -> Iterator[Row]:
    """Yield at which step a run settled, or will settle, and its schedule."""
    if (at := run.settled_at) is not None:
        foreseen = "" if run.forecast is None else ", as forecast"
        if run.forecast not in (None, at):
            foreseen = f", forecast {run.forecast:,}"
        yield [("settled at ", "dim"), (f"{at:,}", "strong")]
        yield [(foreseen, "dim")]
    elif run.forecast is not None:
        word = "settles at " if run.is_on else "would settle at "
        yield [(word, "dim"), (f"{run.forecast:,}", "strong")]
    if run.schedule != "constant":
        yield [(f"  {run.schedule} schedule", "dim")]


def scalars_of(run: Run) -> Iterator[Row]:
    """Yield the last values that a training reports besides its loss, with their names."""
    assert run.live is not None
    vitals = run.live.vitals
    for name, series in run.live.scalars.items():
        if name == "slope left" or (run.series is not None and validation_kind(name)):
            continue
        label = "norm" if name == "grad_norm" else name
        yield [(f"{label} ", "dim"), (f"{series.last:<7.3g} ", "strong")]
        if name == "grad_norm" and vitals is not None and vitals.clipped is not None:
            yield [(f"{vitals.clipped:>4.0%} clipped   ", "dim")]
    gauge = None if run.sharpness else run.live.gauge
    if gauge is not None and abs(gauge.calm) <= MOST_CALM:
        left = f"{round(gauge.left, 2) + 0.0:.0%}".replace("-", "−")  # no −0
        history = curve(each.left for each in run.live.gauges)
        yield [("slope left ", "dim"), (f"{left:<5}", "strong"), (f"{history}  ", "dim")]
    if run.sharpness:
        value, allowed = run.sharpness[-1][1], allowed_by(run)
        yield [("sharpness ", "dim"), (f"{value_text(value):<7} ", "strong")]
        if allowed is not None:
            yield [(f"{value / allowed:.2f} of {formula(run)}  ", "dim")]
    if vitals is not None and vitals.data_wait is not None:
        yield [("data wait ", "dim"), (f"{vitals.data_wait:<5.0%}", "strong")]
    if vitals is not None and vitals.epoch is not None:
        of = "" if vitals.epochs is None else f"/{vitals.epochs:,}"
        yield [("epoch ", "dim"), (f"{vitals.epoch:,}{of}", "strong")]


def curve(lefts: Iterable[float]) -> str:
    """Return a small curve of the slope left."""
    shares = ((left - LOWEST_LEFT) / (1 - LOWEST_LEFT) for left in lefts)
    return "".join(LEVELS[min(max(int(8 * share), 0), 7)] for share in shares)


def advice(view: View) -> list[Row]:
    """Return which rate to try next, from most to fewest words."""
    session = view.session
    if not session.offers("start") or session.failure or session.unusable:
        return []
    found = session.advice() if session.has_losses else None
    if found is not None:
        key, text = ("a ", "strong"), advice_text(found)
        forms = [f"{text}: {found.reason}", text, text.partition(", ")[0].partition(":")[0]]
        return [[key, (form, "text"), (" ", "dim")] for form in forms]
    if session.has_losses and session.theory is not None:
        return [[("no rate settles sooner ", "dim")]]
    if session.has_losses and session.swept is not None:
        return [[("none of the rates tried did better ", "dim")]]
    return [[(f"{hint} ", "dim")] for hint in HINTS]


def click(view: View, x: int, y: int, width: int, height: int) -> Press | None:
    """Take the advice if it is clicked."""
    (row,) = draw(view, width, height)
    starts = [length(row[:i]) for i, span in enumerate(row) if span == ("a ", "strong")]
    return Press("advice") if starts and x >= starts[0] else None


NUMBERS = Pane(
    id="numbers",
    title="numbers",
    place="row",
    draw=draw,
    help="The rate, the loss, where the run settles; a: which rate to try next, and why.",
    click=click,
)
