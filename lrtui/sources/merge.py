"""Splits and merges the reports of a run."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import chain, pairwise

from msgspec.structs import replace

from lrtui.messages import AnyMessage, Ended, Greeting, Progress, Rewound, Started, State


def split_steps(progress: Progress, seconds_before: float) -> Iterator[Progress]:
    """Split a report into single steps as far as it has their weights, and the rest.

    ``seconds_before`` is the time of the run's last report.
    """
    steps, alone = progress.numbered(), len(progress.trajectory)
    per_step = (progress.seconds - seconds_before) / len(steps)
    for first, end in pairwise(sorted({*range(alone + 1), len(steps)})):
        path = progress.trajectory[first:end]
        yield replace(
            progress,
            steps=[*steps[first:end]] if isinstance(progress.steps, list) else steps[first],
            scalars={name: column[first:end] for name, column in progress.scalars.items()},
            weights=path[-1] if path else progress.weights,
            trajectory=path,
            seconds=seconds_before + per_step * end if end < len(steps) else progress.seconds,
        )


def split_at(progress: Progress, step: int) -> tuple[Progress, Progress | None]:
    """Return a report up to a step, at least its first, and the rest if there is any."""
    steps = progress.numbered()
    first = bisect_right(steps, step)
    if first >= len(steps):
        return progress, None
    parts = []
    for part in (slice(0, first), slice(first, None)):
        path = progress.trajectory[part]
        weights = path[-1] if part.stop and len(path) == first else progress.weights
        parts.append(
            replace(
                progress,
                steps=[*steps[part]] if isinstance(progress.steps, list) else steps[part][0],
                scalars={name: column[part] for name, column in progress.scalars.items()},
                trajectory=path,
                weights=weights,
            )
        )
    return parts[0], parts[1]


def merge_reports(messages: Sequence[AnyMessage]) -> list[AnyMessage]:
    """Merge consecutive reports of a run.

    Messages about the state separate reports, so that a change of the rate keeps its place.
    """
    found: list[AnyMessage] = []
    held: dict[int, list[Progress]] = {}

    def release() -> None:
        found.extend(merge(reports) for reports in held.values())
        held.clear()

    for message in messages:
        if isinstance(message, Progress):
            held.setdefault(message.run, []).append(message)
            continue
        if isinstance(message, State | Started | Ended | Greeting | Rewound):
            release()
        found.append(message)
    release()
    return found


def merge(reports: Sequence[Progress]) -> Progress:
    """Merge consecutive reports of one run."""
    last = reports[-1]
    if len(reports) == 1:
        return last
    names = set(last.scalars).intersection(*(report.scalars for report in reports))
    steps = [report.numbered() for report in reports]
    numbers: int | list[int] = reports[0].first
    if any(b[0] - a[-1] != 1 for a, b in pairwise(steps)) or any(
        isinstance(report.steps, list) for report in reports
    ):
        numbers = [*chain.from_iterable(steps)]
    trajectory: list[list[float | None]] = []
    for report, path in zip(reports, steps, strict=True):
        trajectory += report.trajectory
        if len(report.trajectory) < len(path):
            break
    return replace(
        last,
        steps=numbers,
        scalars={
            name: [*chain.from_iterable(report.scalars[name] for report in reports)]
            for name in last.scalars
            if name in names
        },
        trajectory=trajectory,
    )
