"""Messages and runs in words, for the log, the plain text and the last screen."""

from __future__ import annotations

import time
from collections.abc import Iterator

from lrtui.analysis.advice import Advice
from lrtui.messages import Greeting, Progress, State
from lrtui.session.run import Run
from lrtui.text.amounts import duration
from lrtui.text.rates import rate_text


def format_losses(progress: Progress, every: int) -> Iterator[tuple[int, str]]:
    """Yield the step and the loss in words, for every step that is a multiple of ``every``."""
    for step, loss in zip(progress.numbered(), progress.losses, strict=True):
        if step % every == 0:
            yield step, "not finite" if loss is None else f"{loss:.6g}"


def change_text(state: State) -> str:
    """Describe a change of the rate: ``step`` steps were taken at the old one."""
    return f"rate {rate_text(state.lr)} from step {state.step + 1:,}"


def advice_text(advice: Advice) -> str:
    """Format the advice on the rate to try next."""
    if advice.more_steps:
        return f"take more steps: {rate_text(advice.lr)} settles at step {advice.steps:,}"
    when = f", settles at step {advice.steps:,}" if advice.steps is not None else ""
    return f"try {rate_text(advice.lr)}{when}"


def run_line(run: Run) -> str:
    """Return a run as a row of the table that stays in the terminal."""
    loss = "–" if run.loss is None else f"{run.loss:.6g}"
    return (
        f"{run.number:>3}  rate {run.rate_in_words:<11}  {run.status():<13}"
        f"  step {run.step:>5,}  loss {loss}"
    )


def training_line(greeting: Greeting) -> str:
    """Return a training as a row of the list."""
    loss = "–" if greeting.loss is None else f"{greeting.loss:.4g}"
    ranks = f"  {greeting.ranks} ranks" if greeting.ranks > 1 else ""
    return (
        f"{greeting.pid:>8}  {greeting.name:<20}  {duration(time.time() - greeting.since):>8}"
        f"  step {greeting.step:>9,}  loss {loss:<9}{ranks}  {' '.join(greeting.command)}"
        f"  in {greeting.folder}"
    )
