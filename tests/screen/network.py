"""A small network on the screen, without a trainer: its messages, computed here."""

from __future__ import annotations

import numpy as np
from msgspec.structs import replace

from lrtui.messages import (
    AnyMessage,
    Command,
    CurveScene,
    Picture,
    ProblemFacts,
    Progress,
    Sharpness,
    Start,
    Started,
    State,
    Sweep,
    SweepResult,
)
from lrtui.messages.problem_settings import ProblemSettings
from lrtui.screen.app import LrtuiApp
from lrtui.sources.fake import FakeSource
from tests.screen.fake import greeting, make_app

STEPS = 240


def network_app() -> LrtuiApp:
    """Return the app on a network that is at step 240 of 600."""
    x = np.linspace(-2, 2, 40)
    grid = np.linspace(-2, 2, 80)
    scene = CurveScene(x=x.tolist(), y=(np.sin(2 * x)).tolist(), grid=grid.tolist())
    facts = ProblemFacts(name="sine", weights=97, samples=40, sharpness=6.0)

    def answer(command: Command) -> list[AnyMessage]:
        if isinstance(command, Sweep):
            best = [abs(np.log(lr / 0.3)) for lr in command.lrs]
            losses = [
                None if lr > 1 else float(0.01 * np.exp(far))
                for lr, far in zip(command.lrs, best, strict=True)
            ]
            return [
                SweepResult(
                    lrs=command.lrs,
                    steps=command.steps,
                    losses=losses,
                    settled_at=[None] * len(losses),
                    optimizer=command.optimizer,
                    first_loss=0.6,
                    taken=[command.steps] * len(losses),
                )
            ]
        if not isinstance(command, Start):
            return []
        at = np.arange(STEPS + 1)
        falling = (0.02 + 0.6 * np.exp(-at / 60)).tolist()
        started = Started(run=command.run, lr=command.lr, steps=600, optimizer=command.optimizer)
        return [
            started,
            State(
                run=command.run, step=0, paused=False, speed=20.0, lr=command.lr, answers=command.id
            ),
            Progress(run=command.run, steps=0, scalars={"loss": falling}, seconds=12.0),
            Picture(run=command.run, step=STEPS, values=(0.9 * np.sin(2 * grid)).tolist()),
            *(
                Sharpness(run=command.run, step=step, value=6 + step / 30, error=0.01)
                for step in range(0, STEPS + 1, 20)
            ),
        ]

    hello = replace(greeting(), title="sine · 1-32-1 tanh · 97 weights · 40 points")
    source = FakeSource([hello, scene, facts], answer)
    return make_app(source, 0.1, steps=600, settings=ProblemSettings(name="sine"))
