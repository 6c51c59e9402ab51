"""Reports of a training that is not ours, besides its losses."""

from __future__ import annotations

import statistics
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lrtui import messages as msg
from lrtui.analysis.spikes import Spike
from lrtui.text.amounts import duration
from lrtui.text.validation import validation_kind

if TYPE_CHECKING:
    from lrtui.analysis.series import LossSeries

MAX_COMMANDS = 1000
"""Past commands kept."""

PACES = 60
"""Reports of steps a second kept for each rank."""

GAUGES = 12
"""Measurements of the headroom kept."""

LAG_SECONDS, LAG_STEPS = 5.0, 10
"""A rank lags if it is behind by this many seconds at the first rank's pace, and these steps."""

LOGGED_STALL = 60.0
"""Seconds of a stall that is logged; an evaluation is often shorter."""

LONG_STALL = 600.0
"""Seconds of a stall above which it is shown in minutes and hours."""

SCALARS = 32
"""Named scalars kept."""


@dataclass
class Live:
    """What a training reports about itself, and the commands it obeyed.

    Attributes:
        state: the last ``State``.
        steered: answers to commands, oldest first.
        rewinds: steps at which it was rewound.
        ranks: the last ``Ranks``.
        paces: recent steps a second of each rank.
        lagging: ranks that are far behind.
        snapshots: the last ``Snapshots``.
        vitals: the last ``Vitals``.
        updates: the last ``Updates``.
        trying: how far a try is, ``None`` while none is on.
        tried: the result of the last try.
        gauges: the last ``Gauge`` of each measurement, oldest first.
        scheduled: rate that its schedule asks for at each step.
        scalars: other scalars by name.
        spike: the last spike.
    """

    state: msg.State | None = None
    steered: deque[msg.Steered] = field(default_factory=lambda: deque(maxlen=MAX_COMMANDS))
    rewinds: list[int] = field(default_factory=list)
    ranks: msg.Ranks | None = None
    paces: dict[int, deque[float]] = field(default_factory=dict)
    lagging: set[int] = field(default_factory=set)
    snapshots: msg.Snapshots | None = None
    vitals: msg.Vitals | None = None
    updates: msg.Updates | None = None
    trying: msg.Trying | None = None
    tried: msg.Tried | None = None
    gauges: deque[msg.Gauge] = field(default_factory=lambda: deque(maxlen=GAUGES))
    scheduled: LossSeries | None = None
    scalars: dict[str, LossSeries] = field(default_factory=dict)
    spike: Spike | None = None

    @property
    def gauge(self) -> msg.Gauge | None:
        """The last ``Gauge``."""
        return self.gauges[-1] if self.gauges else None

    @property
    def validations(self) -> list[tuple[str, str, LossSeries]]:
        """The validation losses: name, label with the last value, and values."""
        found = ((name, validation_kind(name), series) for name, series in self.scalars.items())
        return [(name, f"{kind} {each.last:.4g}", each) for name, kind, each in found if kind]

    @property
    def pace(self) -> float | None:
        """Recent steps a second of rank 0."""
        return self.ranks.paces[0] if self.ranks is not None else None

    @property
    def stall(self) -> str:
        """How long the training has taken no step, and why; empty while its pace is usual."""
        ranks = self.ranks
        if ranks is None or not ranks.stalled:
            return ""
        text = f"no step for {stall_text(ranks.stalled)}"
        if ranks.blocker is not None:
            return f"{text}: rank {ranks.blocker} holds up the others, it {ranks.doing}"
        return f"{text}, {'rank 0 ' if len(ranks.steps) > 1 else ''}{ranks.doing}"

    @property
    def way_back(self) -> tuple[int, float] | None:
        """The snapshot to go back to and the factor on its rate, ``None`` without a snapshot.

        The last one before a spike; the rate is kept after a bad batch, else halved.
        """
        if self.snapshots is None:
            return None
        if self.spike is None or self.spike.over is not None:
            return self.snapshots.before, 0.5
        earlier = [step for step in self.snapshots.steps if step < self.spike.step]
        step = earlier[-1] if earlier else self.snapshots.before
        return step, 1.0 if self.spike.cause == "bad batch" else 0.5

    @property
    def is_by_hand(self) -> bool:
        """Whether a person has set the rate."""
        return self.state is not None and (self.state.held is not None or self.state.scale != 1)

    @property
    def since(self) -> int | None:
        """Step at which a person last set the rate, ``None`` if it is the schedule's."""
        if not self.is_by_hand:
            return None
        kinds = ("hold", "scale", "rewind", "adopt")
        return next((s.step for s in reversed(self.steered) if s.done and s.command in kinds), None)

    def note_ranks(self, ranks: msg.Ranks) -> list[str]:
        """Apply a report of the ranks; return sentences on new lags and stalls."""
        said = []
        was, self.ranks = self.ranks, ranks
        stalled = was.stalled if was is not None else 0.0
        if was is not None and stalled < LOGGED_STALL <= ranks.stalled:
            said.append(self.stall)
        elif not ranks.stalled and stalled >= LOGGED_STALL:
            said.append(f"steps again after {stall_text(stalled)} without one")
        for rank, pace in enumerate(ranks.paces):
            self.paces.setdefault(rank, deque(maxlen=PACES)).append(pace)
        first = ranks.steps.index(max(ranks.steps))
        usual = statistics.median([pace for pace in self.paces[first] if pace] or [0.0])
        far = max(LAG_SECONDS * usual, LAG_STEPS)
        for rank, step in enumerate(ranks.steps):
            behind, lags = ranks.steps[first] - step, rank in self.lagging
            if rank in ranks.ended:
                self.lagging.discard(rank)
            elif not lags and usual and behind >= far:
                self.lagging.add(rank)
                said.append(f"rank {rank} lags: {behind:,} steps behind rank {first}")
            elif lags and behind < far / 2:
                self.lagging.remove(rank)
                said.append(f"rank {rank} has caught up")
        return said

    def note(self, message: msg.LiveReport) -> None:
        """Apply a report."""
        match message:
            case msg.Snapshots():
                self.snapshots = message
            case msg.Gauge():
                if self.gauge is not None and self.gauge.step == message.step:
                    self.gauges.pop()  # its word is withdrawn
                self.gauges.append(message)
            case msg.Trying():
                self.trying = message
            case msg.Tried():
                self.trying, self.tried = None, message
            case msg.Vitals():
                self.vitals = message
            case msg.Updates():
                self.updates = message
            case msg.Steered():
                self.steered.append(message)
                if message.command in ("rewind", "adopt") and message.done:
                    self.rewinds.append(message.step)
                if message.command in ("adopt", "cancel") or not message.done:
                    self.trying = None
                if message.command == "adopt" and message.done:
                    self.tried = None

    def take(self, progress: msg.Progress) -> None:
        """Add the scalars of a report, besides the loss and the rate in force."""
        from lrtui.analysis.series import LossSeries

        steps = progress.numbered()
        for name, column in progress.scalars.items():
            values = [(at, v) for at, v in zip(steps, column, strict=True) if v is not None]
            if name in ("loss", "lr") or not values:
                continue
            if name == "scheduled":
                series = self.scheduled = self.scheduled or LossSeries()
            elif name in self.scalars or len(self.scalars) < SCALARS:
                series = self.scalars.setdefault(name, LossSeries())
            else:
                continue
            series.append(*map(list, zip(*values, strict=True)))


def stall_text(seconds: float) -> str:
    """Format the length of a stall."""
    return f"{seconds:.0f} s" if seconds < LONG_STALL else duration(seconds)
