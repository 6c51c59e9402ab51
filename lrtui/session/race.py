"""The runs of a race of scripts: those that have diverged, and the final table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from time import monotonic

from msgspec.structs import replace

from lrtui import messages as msg
from lrtui.session.reports import RaceRow, RaceTable
from lrtui.session.run import Run
from lrtui.session.session import Session
from lrtui.text.rates import rate_text

CHECK_SECONDS = 1.0
"""Least seconds between two checks of a run's verdict."""

CONFIRMING_LOSSES = 10
"""Further losses for which a run must stay diverged before it is ended."""


class Standings:
    """Keeps the runs of a race apart, each as a session of its own."""

    def __init__(self) -> None:
        """Start without a run."""
        self._sessions: dict[int, Session] = {}
        self._names: dict[int, str] = {}
        self._looked_at: dict[int, float] = {}
        self._diverged_at: dict[int, int] = {}  # losses of a run when it was first found diverged

    def take(self, messages: Sequence[msg.AnyMessage]) -> dict[str, str]:
        """Apply messages; return by name the runs that have diverged for good, with the evidence.

        A run is reported again until it has ended.
        """
        changed: set[int] = set()
        for message in messages:
            number = getattr(message, "run", None)
            if isinstance(message, msg.Joined):
                self._names[message.run] = message.greeting.name
                session = self._sessions.setdefault(message.run, Session())
                session.apply(message.greeting)
            elif number in self._sessions:
                self._sessions[number].apply(message)
                if isinstance(message, msg.Progress):
                    changed.add(number)
        found = {}
        for number in changed:
            if (why := self._divergence(number)) is not None:
                found[self._names[number]] = why
        return found

    def _divergence(self, number: int) -> str | None:
        """Return the evidence that a run has diverged for good, ``None`` if it has not."""
        now, run = monotonic(), self._sessions[number].current
        if run is None or not run.is_on or run.series is None:
            return None
        if now < self._looked_at.get(number, 0.0) + CHECK_SECONDS:
            return None
        self._looked_at[number] = now
        verdict, evidence, _ = run.reading()
        if verdict != "diverged":
            self._diverged_at.pop(number, None)
            return None
        since = self._diverged_at.setdefault(number, run.series.count)
        return evidence if run.series.count >= since + CONFIRMING_LOSSES else None

    def run_of(self, name: str) -> Run | None:
        """Return the last run of a name that has a loss, else its last run."""
        runs = [self._sessions[n].current for n in self._names if self._names[n] == name]
        found = [run for run in runs if run is not None]
        known = [run for run in found if run.series is not None]
        return (known or found or [None])[-1]  # type: ignore[list-item]


def table(standings: Standings, entries: Mapping[str, tuple[float, int | None]]) -> RaceTable:
    """Return the table at the end of a race; ``entries`` has rate and seed of its runs by name."""
    from lrtui.analysis.race import best_of, compare, loss_at

    runs = {name: standings.run_of(name) for name in entries}
    broken = {name: why for name, run in runs.items() if (why := broke(run))}
    sound = {
        name: run
        for name, run in runs.items()
        if run is not None and run.series is not None and name not in broken
    }
    whole = {name: run for name, run in sound.items() if run.outcome == "done"}
    compared = whole if len(whole) > 1 else sound
    step = min((run.step for run in compared.values()), default=0)
    rows = []
    losses: dict[float, list[float]] = {}
    bad = {entries[name][0] for name in broken}
    for name, (lr, seed) in entries.items():
        run = runs[name]
        series = run.series if run is not None else None
        at = loss_at(series, step) if series is not None and name in compared else None
        if at is not None and lr not in bad:
            losses.setdefault(lr, []).append(at)
        best = best_of(series, run.step) if run is not None and name in sound and series else None
        verdict, evidence = run.verdict() if run is not None else ("", "")
        rows.append(
            RaceRow(
                name=name,
                rate=lr,
                seed=seed,
                verdict=run.status() if run is not None and run.outcome else verdict or "not run",
                evidence=broken.get(name, evidence),
                outcome=(run.outcome or "stopped") if run is not None else "not run",
                steps=run.step if run is not None else 0,
                loss=loss_at(series, run.step) if run is not None and series is not None else None,
                best=best[1] if best else None,
                best_step=best[0] if best else None,
                at_step=at,
            )
        )
    comparison = compare(losses)
    means = [*comparison.means]
    found = RaceTable(
        runs=rows,
        step=step,
        best=means[0] if means else None,
        second=means[1] if len(means) > 1 else None,
        difference=comparison.difference(means[1]) if len(means) > 1 else None,
        spread=comparison.spread,
        within_chance=[*comparison.within_chance],
        broke=sorted(bad),
        advice=[],
    )
    return replace(found, advice=[*advice(found)])


def broke(run: Run | None) -> str:
    """Return why a run broke, empty if it did not."""
    if run is None or run.outcome is None:
        return ""
    if run.outcome == "failed":
        return run.reason
    verdict, evidence = run.verdict()
    return evidence if verdict == "diverged" else ""


def advice(found: RaceTable) -> Iterator[str]:
    """Yield the conclusions of a race as sentences, none on rates that were not tried."""
    from lrtui.analysis.race import window

    by_rate: dict[float, list[RaceRow]] = {}
    for row in found.runs:
        by_rate.setdefault(row.rate, []).append(row)
    for lr in found.broke:
        bad = [row for row in by_rate[lr] if row.verdict in ("diverged", "failed")]
        how = "failed" if all(row.verdict == "failed" for row in bad) else "broke"
        of = f" with {len(bad)} of {len(by_rate[lr])} seeds" if len(by_rate[lr]) > 1 else ""
        yield f"{rate_text(lr)} {how}{of}: {bad[0].evidence}"
    if found.best is None:
        yield "no rate can be compared with another"
        return
    mine = [row.at_step for row in by_rate[found.best] if row.at_step is not None]
    loss = f"{sum(mine) / len(mine):.4g} over {window(found.step):,} steps"
    best = rate_text(found.best)
    if found.second is None or found.difference is None:
        yield f"at step {found.step:,} {best} is at a mean of {loss}; nothing compares with it"
        return
    second = rate_text(found.second)
    line = f"at step {found.step:,} {best} is lowest, at a mean of {loss}: "
    line += f"{found.difference:.3g} below {second}"
    if found.spread is None:
        yield f"{line}; one seed a rate cannot tell that from noise, as --seeds 3 could"
    elif not found.spread:
        yield f"{line}; the seeds made no difference, so that nothing is known of noise"
    else:
        times = found.difference / found.spread
        said = f"{line}, {times:.1f} times the spread between seeds ({found.spread:.2g})"
        others = ", ".join(map(rate_text, found.within_chance))
        yield f"{said}; within chance of it: {others}" if others else f"{said}, beyond chance"
    tried = sorted(by_rate)
    for end, which in ((tried[-1], "largest"), (tried[0], "smallest")):
        if found.best == end:
            yield f"{best} is the {which} that was tried: what lies beyond it is not known"
