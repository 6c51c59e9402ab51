"""A source without a trainer: what it says is computed here, in float64."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import numpy as np
from msgspec.structs import replace
from textual import events
from textual.keys import _character_to_key
from textual.pilot import Pilot

from lrtui.analysis.theory import Theory
from lrtui.messages import (
    ALL_CAPABILITIES,
    AnyMessage,
    Command,
    Ended,
    Greeting,
    GridResult,
    Heat,
    LineScene,
    Message,
    Pause,
    ProblemFacts,
    Progress,
    Quadratic,
    Race,
    Resume,
    SetLr,
    SetSpeed,
    Start,
    Started,
    State,
    Step,
    Sweep,
    SweepResult,
)
from lrtui.messages.problem_settings import ProblemSettings
from lrtui.screen.app import LrtuiApp
from lrtui.screen.control.controller import Controller
from lrtui.screen.main_screen import MainScreen
from lrtui.screen.pane_widget import PADDING, PaneWidget
from lrtui.session.setup import Setup
from lrtui.sources.fake import FakeSource

START = (-1.0, 1.0)

CHARACTERS = {"minus": "-", "plus": "+", "full_stop": ".", "space": " ", "enter": "\r"}
"""Characters of keys that a number may be typed with, by textual's names."""


def data() -> tuple[np.ndarray, np.ndarray]:
    """Return a hundred points about the post's line."""
    rng = np.random.default_rng(1)
    x = np.column_stack([rng.uniform(-1, 1, 100), np.ones(100)])
    return x, x @ [3.0, 2.0] + rng.uniform(0, 1, 100)


def greeting(capabilities: Sequence[str] = ALL_CAPABILITIES) -> Greeting:
    return Greeting(
        program="lrtui test",
        pid=1,
        folder="/",
        title="line fit · 100 points · uniform noise",
        capabilities=list(capabilities),
    )


def scene() -> LineScene:
    x, y = data()
    return LineScene(x=x[:, 0].tolist(), y=y.tolist(), true_weights=(3.0, 2.0))


def quadratic() -> Quadratic:
    x, y = data()
    values, vectors = np.linalg.eigh(2 / len(y) * x.T @ x)
    best = np.linalg.lstsq(x, y, rcond=None)[0]
    return Quadratic(
        eigenvalues=values.tolist(),
        eigenvectors=vectors.T.tolist(),
        minimum=best.tolist(),
        min_loss=float(((x @ best - y) ** 2).mean()),
        start=list(START),
    )


def facts() -> ProblemFacts:
    return ProblemFacts(name="line", weights=2, samples=100, sharpness=quadratic().eigenvalues[-1])


def theory() -> Theory:
    return Theory.of(quadratic())


def swept(command: Sweep) -> SweepResult:
    """Return what a trainer answers to a sweep, from the closed form."""
    known = theory().with_optimizer(command.optimizer)
    excess = [known.excess(START, lr)(command.steps) for lr in command.lrs]
    at = [known.settles_at(START, lr) for lr in command.lrs]
    return SweepResult(
        lrs=command.lrs,
        steps=command.steps,
        losses=[known.min_loss + e if e < 3e38 else None for e in excess],
        settled_at=[k if k is not None and k <= command.steps else None for k in at],
        optimizer=command.optimizer,
    )


def heated(command: Heat) -> GridResult:
    """Return what a trainer answers to a heat map, from the closed form."""
    settled: list[list[int | None]] = []
    losses: list[list[float | None]] = []
    for momentum in command.momenta:
        known = theory().with_optimizer(replace(command.optimizer, momentum=momentum))
        at = known.settles_each(START, command.lrs)
        settled.append([k if k is not None and k <= command.steps else None for k in at])
        ends = [float(known.losses(START, lr, [command.steps])[0]) for lr in command.lrs]
        losses.append([loss if loss < 3e38 else None for loss in ends])
    return GridResult(
        lrs=command.lrs,
        momenta=command.momenta,
        steps=command.steps,
        losses=losses,
        settled_at=settled,
        finished=[[True] * len(command.lrs)] * len(command.momenta),
        first_loss=theory().start_loss(),
        optimizer=command.optimizer,
        schedule=command.schedule,
    )


def descent(start: Start, until: int | None = None) -> list[AnyMessage]:
    """Return what a trainer tells of a run, from its start to its end or to a step before it."""
    x, y = data()
    a = np.array(START)
    losses: list[float | None] = []
    trajectory: list[list[float | None]] = []
    for step in range((start.steps if until is None else until) + 1):
        if step:
            a = a - start.lr * 2 / len(y) * x.T @ (x @ a - y)
        loss = float(((x @ a - y) ** 2).mean())
        losses.append(loss if loss < 3e38 else None)  # where float32 ends
        trajectory.append([*map(float, a)])
        if losses[-1] is None:
            break
    told: list[AnyMessage] = [
        Started(run=start.run, lr=start.lr, steps=start.steps, optimizer=start.optimizer),
        State(
            run=start.run, step=0, paused=False, speed=start.speed, lr=start.lr, answers=start.id
        ),
        Progress(
            run=start.run,
            steps=0,
            scalars={"loss": losses},
            weights=trajectory[-1],
            trajectory=trajectory[:256],
            seconds=len(losses) / 20,
        ),
    ]
    if until is not None:
        return told
    finite = [v for v in losses if v is not None]
    bad = losses[-1] is None or finite[-1] > finite[0]
    told.append(
        Ended(
            run=start.run,
            outcome="diverged" if bad else "done",
            step=len(losses) - 1,
            loss=finite[-1],
            reason=f"at rate {start.lr:g} it ended as it had to",
        )
    )
    return told


def only_until(step: int) -> Callable[[Start], list[AnyMessage]]:
    """Return an answer to a start: a run that is on at a step."""
    return lambda start: descent(start, until=step)


class FakeTrainer(FakeSource):
    """Answers as a trainer does, except that a run takes no step by itself.

    Attributes:
        silent: whether commands about the current run are left unanswered.
    """

    def __init__(
        self,
        train: Callable[[Start], list[AnyMessage]] = descent,
        first: Sequence[AnyMessage] | None = None,
    ) -> None:
        super().__init__(
            [greeting(), scene(), quadratic(), facts()] if first is None else first, self._answer
        )
        self.silent = False
        self.noted: list[Message] = []
        self._train = train
        self._state: State | None = None

    def note(self, message: Message) -> None:
        self.noted.append(message)

    def _answer(self, command: Command) -> list[AnyMessage]:
        if isinstance(command, Heat):
            return [heated(command)]
        if isinstance(command, Sweep):
            return [swept(command)]
        if isinstance(command, Race):
            # One after another, which is not how a trainer tells it, but as good.
            race = [entrant.run for entrant in command.entrants]
            parts = [self._answer(start) for start in command.starts()]
            return [
                replace(message, race=race) if isinstance(message, Started) else message
                for part in parts
                for message in part
            ]
        if isinstance(command, Start):
            told = self._train(command)
            on = not any(isinstance(message, Ended) for message in told)
            states = [message for message in told if isinstance(message, State)]
            self._state = states[0] if states and on else None
            return told
        if self._state is None or self.silent:
            return []
        state = self._state
        self._state = State(
            run=state.run,
            step=40,
            paused=isinstance(command, Pause | Step)
            or (state.paused and not isinstance(command, Resume)),
            speed=command.speed if isinstance(command, SetSpeed) else state.speed,
            lr=command.lr if isinstance(command, SetLr) else state.lr,
            asked_by="viewer",
            answers=command.id,
        )
        return [self._state]


def make_app(
    source: FakeSource,
    *lrs: float,
    steps: int = 100,
    settings: ProblemSettings | None = None,
    speed: float = 20.0,
) -> LrtuiApp:
    """Return the app on a fake source; frames come when a test asks for them."""
    settings = settings or ProblemSettings()
    controller = Controller(
        source,
        [[lr] for lr in lrs or (0.1,)],
        setup=Setup(settings, steps=steps),
        speed=speed,
    )
    return LrtuiApp(MainScreen(controller, fps=0.001), "textual-dark")


def main_screen(app: LrtuiApp) -> MainScreen:
    screen = app.screen_stack[0]
    assert isinstance(screen, MainScreen)
    return screen


async def settle(pilot: Pilot[None]) -> None:
    """Let messages pass until no more follow from them.

    On a busy machine ``pilot.pause`` takes a process that waits for its turn for an idle one.
    """
    for _ in range(50):
        await asyncio.sleep(0)
    await pilot.pause()


async def frame(pilot: Pilot[None], count: int = 1) -> None:
    """Let frames pass."""
    for _ in range(count):
        await settle(pilot)
        await main_screen(pilot.app).frame()  # type: ignore[arg-type]
        await pilot.pause()


async def press(pilot: Pilot[None], *keys: str) -> None:
    """Press keys in one go, as a slow line bundles them; pilot.press waits after each."""
    for key in keys:
        name = _character_to_key(key) if len(key) == 1 and not key.isalnum() else key
        character = key if len(key) == 1 else CHARACTERS.get(key)
        pilot.app.post_message(events.Key(name, character))
    await settle(pilot)


def text(app: LrtuiApp, pane: str) -> str:
    """Return what a pane shows, without its borders; its heading is the first line."""
    widget = main_screen(app).query_one(f"#{pane}", PaneWidget)
    lines = [widget.render_line(y).text for y in range(widget.size.height)]
    if widget.frame is None:
        return "\n".join(line.rstrip() for line in lines)
    width, height = widget.inner
    first = lines[0][3 + len(widget.pane.title) :].partition("─")[0].rstrip()
    body = [line[PADDING : PADDING + width].rstrip() for line in lines[1:]]
    heading = [first] if widget.pane.heading else []
    return "\n".join([*heading, *body][:height])


def starts(source: FakeSource) -> list[float]:
    """Return the rates of the runs that were asked for."""
    return [c.lr for c in source.sent if isinstance(c, Start)]


def asked(source: FakeSource) -> list[Command]:
    """Return the commands, without their numbers."""
    return [replace(c, id=0) for c in source.sent]
