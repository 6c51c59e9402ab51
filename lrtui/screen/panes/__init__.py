"""The panes: one file and one definition each, in the order of the screen."""

from __future__ import annotations

from lrtui.screen.panes.bowl import BOWL
from lrtui.screen.panes.caption import CAPTION
from lrtui.screen.panes.classes import CLASSES
from lrtui.screen.panes.curve import CURVE
from lrtui.screen.panes.every_rate import EVERY_RATE
from lrtui.screen.panes.fit import FIT
from lrtui.screen.panes.footer import FOOTER
from lrtui.screen.panes.header import HEADER
from lrtui.screen.panes.heat import HEAT
from lrtui.screen.panes.log import LOG
from lrtui.screen.panes.loss import LOSS
from lrtui.screen.panes.map import MAP, PLANE
from lrtui.screen.panes.notice import NOTICE
from lrtui.screen.panes.numbers import NUMBERS
from lrtui.screen.panes.pane import Pane
from lrtui.screen.panes.ranks import RANKS
from lrtui.screen.panes.rate import RATE, RATE_IN_FORCE
from lrtui.screen.panes.ruler import RULER
from lrtui.screen.panes.runs import RUNS
from lrtui.screen.panes.scalar import SCALAR
from lrtui.screen.panes.sharpness import SHARPNESS
from lrtui.screen.panes.slice import SLICE
from lrtui.screen.panes.small import SMALL
from lrtui.screen.panes.status import STATUS
from lrtui.screen.panes.trainings import TRAININGS
from lrtui.screen.panes.tried import TRIED
from lrtui.screen.panes.updates import UPDATES

PANES: tuple[Pane, ...] = (
    SMALL, HEADER, NUMBERS, RULER, STATUS, TRIED, FIT, CURVE, CLASSES, PLANE, LOSS, EVERY_RATE,
    HEAT, BOWL, MAP, SHARPNESS, SLICE, RATE, RATE_IN_FORCE, SCALAR, UPDATES, RANKS, RUNS,
    TRAININGS, LOG, CAPTION, NOTICE, FOOTER,
)  # fmt: skip
