"""What each pane of the lab shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lrtui.screen import texts
from lrtui.screen.pane import Pane
from lrtui.screen.ruler import ruler
from lrtui.screen.spans import note

if TYPE_CHECKING:
    from lrtui.screen.main_screen import MainScreen


def paint(lab: MainScreen, pane: Pane) -> None:
    """Brings a pane up to date; a chart only where something it shows has changed."""
    controller = lab.controller
    session, run = controller.session, controller.session.current
    match pane.id:
        case "header":
            pane.update(lambda w, _: texts.header(session, controller.paused, controller.speed, w))
        case "status":
            told = (session, controller.paused, controller.complaint, controller.details)
            pane.update(lambda w, h: texts.status(*told, w, h))
        case "runs":
            pane.update(
                lambda w, h: texts.runs_table(
                    session, controller.paused, controller.highlighted, w, h
                )
            )
        case "log":
            pane.update(lambda w, h: texts.log(controller.log, w, h))
        case "caption":
            pane.update(lambda w, h: texts.caption(lab.caption, w, h))
        case "footer":
            pane.update(lambda w, _: texts.footer(w))
        case "small":
            pane.update(lambda *_: texts.too_small(*lab.size))
        case "ruler":
            known = (id(session.swept), controller.aim)
            pane.update(lambda w, h: ruler(session, controller.steps, controller.aim, w, h), *known)
        case "sweep" if session.swept is None:
            pane.update(lambda w, h: note("the sweep is on its way", w, h))
        case "fit" | "bowl" if session.ready is None or session.bowl is None:
            pane.update(lambda w, h: note("the data comes with torch", w, h))
        case "loss" if run is None or run.series is None:
            pane.update(lambda w, h: note("the loss appears with the first step", w, h))
        case _:
            paint_chart(lab, pane)


def paint_chart(lab: MainScreen, pane: Pane) -> None:
    """Brings a chart up to date, once there is something to draw."""
    # Here, for plotext comes with it: the first frame does not wait for that.
    from lrtui.screen.bowl import bowl_chart, map_chart
    from lrtui.screen.charts import fit_chart, loss_chart, loss_seen, sweep_chart

    controller = lab.controller
    session, run = controller.session, controller.session.current
    marked = controller.highlighted
    weights = tuple(f"{w:.4g}" for w in run.weights) if run else ()
    path = (run.number, len(run.path), weights) if run else ()
    match pane.id:
        case "fit":
            pane.update(lambda w, h: fit_chart(session, w, h), id(session.ready), weights)
        case "bowl" if lab.map_view:
            pane.update(lambda w, h: map_chart(session, w, h, marked), "map", path, marked)
        case "bowl":
            pane.update(lambda w, h: bowl_chart(session, w, h), "bowl", path)
        case "sweep":
            known = (id(session.swept), controller.aim, path)
            pane.update(lambda w, h: sweep_chart(session, controller.steps, w, h), known)
        case "loss" if run and run.series:
            seen = (loss_seen(session, pane.content_size.width), lab.scale, marked)
            pane.update(lambda w, h: loss_chart(session, w, h, lab.scale, marked), seen)
