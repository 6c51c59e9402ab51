"""Whether what the lab says of random runs is so, and whether its advice is good.

Runs of the lab at random settings, read as the screen reads them: verdict, forecast, row of the
table, and advice, from the session. They are held against a loop over torch.optim in float64, which
shares nothing with the lab but the problem's data and model.

    python -m tests.benchmarks.lab_truth           # 200 runs, 100 advices taken
"""

from __future__ import annotations

import math
import random
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any

import torch
from torch import Tensor

from lrtui.analysis.advice import Advice
from lrtui.analysis.diagnosis import DIVERGED_FACTOR, DIVERGED_FACTOR_ADAPTIVE
from lrtui.messages import (
    AnyCommand,
    AnyMessage,
    Greeting,
    Message,
    Optimizer,
    SetLr,
    Start,
    decode_message,
    encode,
)
from lrtui.messages.problem_settings import ProblemSettings
from lrtui.problems.problem import Problem, trained
from lrtui.session.rate_axis import advice_sweep, ends, outcomes
from lrtui.session.run import Run
from lrtui.session.session import Session
from lrtui.trainer.loop import Trainer, sweep_work
from lrtui.trainer.schedules import make

BEYOND = 3000
"""Steps that a run of a quadratic loss is followed for, to see where it stays settled."""

HUGE = 1e6
"""How many times the first a loss is on the way that float32 does not come back from exactly."""

BUDGET = 60.0


@dataclass(frozen=True)
class Case:
    """A run: what is trained, how, and at which steps the rate is changed to what."""

    settings: ProblemSettings
    optimizer: Optimizer
    schedule: str
    lr: float
    steps: int
    changes: tuple[tuple[int, float], ...] = ()

    def __str__(self) -> str:
        s, by = self.settings, self.optimizer
        batch = "" if s.batch is None else f" batch {s.batch}"
        moved = f" {self.schedule}" if self.schedule != "constant" else ""
        changed = f" changed {self.changes}" if self.changes else ""
        return (
            f"{s.name} seed {s.seed}{batch} {by.name} {by.momentum:g} {by.weight_decay:g}{moved} "
            f"rate {self.lr:.6g} steps {self.steps}{changed}"
        )


class Inbox(SimpleQueue[AnyCommand]):
    """Has the rate changed in the middle of a run: after the trainer has looked so many times."""

    def __init__(self) -> None:
        self.due: list[tuple[int, float]] = []
        self._looks = 0

    def begin(self, changes: Sequence[tuple[int, float]]) -> None:
        self.due, self._looks = [*changes], 0

    def empty(self) -> bool:
        self._looks += 1
        return not self.due or self._looks < self.due[0][0]

    def get(self, block: bool = True, timeout: float | None = None) -> AnyCommand:
        if self.empty():
            raise Empty
        return SetLr(lr=self.due.pop(0)[1])


class Lab:
    """A problem in a trainer, and a session that hears it."""

    def __init__(self, settings: ProblemSettings) -> None:
        self.session = Session()
        self.inbox = Inbox()
        self._say(Greeting(program="", pid=1, folder="/", title="", capabilities=["sweep"]))
        self.trainer = Trainer(settings, self.inbox, self._say, lambda _: None)
        assert self.trainer.problem is not None
        self.problem: Problem = self.trainer.problem

    def _say(self, message: Message) -> None:
        told: AnyMessage | None = decode_message(encode(message))
        assert told is not None
        self.session.apply(told)

    def run(self, case: Case) -> Run:
        """Carry out a run, and then the sweep that its advice follows from, if it needs one."""
        session = self.session
        begun = session.begin(case.lr, case.steps, case.optimizer, case.schedule)
        self.inbox.begin(case.changes)
        start = Start(
            run=begun.number,
            lr=case.lr,
            steps=case.steps,
            speed=None,
            optimizer=case.optimizer,
            schedule=case.schedule,
        )
        self.trainer.train(start)
        run = session.current
        assert run is not None
        if (sweep := advice_sweep(session, run, BUDGET)) is not None:
            *_, found = sweep_work(self.problem, sweep)
            assert found is not None
            session.apply(found)
        return run


def course(
    problem: Problem,
    case: Case,
    steps: int,
    lr: float,
    changes: Sequence[tuple[int, float]] = (),
    dtype: torch.dtype = torch.float64,
) -> Iterator[tuple[float, float]]:
    """Yield the loss on the batch of each step, and that on all data, as one would compute them."""
    model = problem.model().to(dtype)
    by, parameters = case.optimizer, trained(model)
    kinds: dict[str, Any] = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    if by.is_adaptive:
        optimizer = kinds[by.name](parameters, lr, betas=by.betas, weight_decay=by.weight_decay)
    else:
        optimizer = torch.optim.SGD(
            parameters,
            lr,
            momentum=by.momentum,
            weight_decay=by.weight_decay,
            nesterov=by.name == "nesterov",
        )
    scheduler = None
    if case.schedule != "constant":
        scheduler = make(case.schedule, optimizer, case.steps)
    batches, due = problem.batches(), dict(changes)
    every = next(problem_data(problem))
    for step in range(steps + 1):
        loss = problem.loss(model, converted(next(batches), dtype))
        with torch.no_grad():
            yield loss.item(), problem.loss(model, converted(every, dtype)).item()
        if step in due:
            for group in optimizer.param_groups:
                group["lr"] = due[step]
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if scheduler is not None and step < case.steps - 1:
            scheduler.step()


def problem_data(problem: Problem) -> Iterator[Any]:
    """Yield all the data of a problem."""
    x = getattr(problem, "x", None)
    yield (x, problem.y) if x is not None else problem.probe  # type: ignore[attr-defined]


def converted(batch: Any, dtype: torch.dtype) -> Any:
    """Return a batch in another precision; classes stay as they are."""
    if isinstance(batch, Tensor):
        return batch.to(dtype) if batch.is_floating_point() else batch
    if isinstance(batch, tuple | list):
        return tuple(converted(part, dtype) for part in batch)
    return batch


def settled_from(losses: Sequence[float], target: float) -> int | None:
    """Return the step from which on all losses are at most a target."""
    over = [step for step, loss in enumerate(losses) if not loss <= target]
    since = over[-1] + 1 if over else 0
    return since if since < len(losses) else None


def contradictions(lab: Lab, case: Case, run: Run) -> list[str]:
    """Return what is said of a run that is not so, or that contradicts something else said."""
    session, found = lab.session, []
    verdict, evidence = run.verdict()
    advice = session.advice_after(run)
    said = f"{verdict} ({evidence}), forecast {run.forecast}, settled {run.settled_at}, {advice}"
    theory = session.theory_of(run.optimizer, run.schedule)
    losses = [*course(lab.problem, case, case.steps, case.lr, run.changes)]
    # Where a loss was huge on the way, float32 has lost what float64 has not.
    single = [*course(lab.problem, case, case.steps, case.lr, run.changes, torch.float32)]
    end, first = single[-1][1], single[0][1]
    times = DIVERGED_FACTOR_ADAPTIVE if case.optimizer.is_adaptive else DIVERGED_FACTOR
    grew = not math.isfinite(end) or end > first
    # Of batches, the last one and all data have to be as high: one of them can be by chance.
    blown = not math.isfinite(end) or min(single[-1]) > times * abs(first)

    if (verdict == "settled") != (run.settled_at is not None):
        found.append("verdict and settled step")
    if run.status() != verdict:
        found.append("status")
    if verdict == "diverged" and not grew:
        found.append("false diverged")
    if blown and run.outcome != "stopped" and verdict not in ("diverged", "diverging", "rising"):
        found.append("missed divergence")
    if verdict == "settled" and advice is not None:
        sooner = advice.steps is not None and advice.steps < (run.settled_at or 0)
        found += [] if sooner else ["advice to settle no sooner"]
    if verdict in ("too slow", "too few steps") and theory is not None and advice is None:
        found.append("too slow, and nothing advised")
    if advice is not None and advice.lr == run.lr and not run.changes and not advice.more_steps:
        found.append("the rate itself advised")
    if theory is not None and run.is_exact:
        found += of_exact(lab, case, run, [loss for loss, _ in losses])
        found += of_table(lab, case, run, verdict)
        if advice is not None and advice.steps is not None:
            found += of_advice(lab, case, advice)
    elif theory is None:
        found += of_measured(verdict, [whole for _, whole in single])
    return [f"{what}: {case}: {said}, float32 {first:.4g} to {end:.4g}" for what in found]


def of_exact(lab: Lab, case: Case, run: Run, losses: list[float]) -> list[str]:
    """Hold verdict and forecast of an exact run against the losses in float64, and those beyond."""
    theory = lab.session.theory_of(run.optimizer, run.schedule)
    assert theory is not None
    hair = 1
    if run.lr >= theory.max_stable_lr:
        return ["settles past the limit"] if run.forecast is not None else []
    most = BEYOND
    dtype = torch.float32 if max(losses) > HUGE * losses[0] else torch.float64
    far = [loss for loss, _ in course(lab.problem, case, most, case.lr, run.changes, dtype)]
    target = theory.settled_loss * (1 + 1e-9)
    truth = settled_from(far, target)
    found = []
    if run.forecast is not None and run.forecast <= most - 100:
        if truth is None or abs(truth - run.forecast) > hair:
            found.append(f"forecast, where it settles at {truth}")
    elif truth is not None and truth < most - 200:
        found.append(f"no forecast, where it settles at {truth}")
    at = run.settled_at
    if at is not None and (truth is None or abs(truth - at) > hair):
        found.append(f"settled, where it settles at {truth}")
    if at is not None and run.forecast is not None and abs(at - run.forecast) > hair:
        found.append("settled and forecast")
    if at is None and truth is not None and truth <= case.steps - hair:
        found.append(f"not settled, where it settles at {truth}")
    return found


def of_table(lab: Lab, case: Case, run: Run, verdict: str) -> list[str]:
    """Hold the verdict against that of the same rate in a sweep."""
    if run.changes:
        return []
    from lrtui.messages import Sweep

    theory = lab.session.theory_of(run.optimizer, run.schedule)
    command = Sweep(lrs=[case.lr], steps=case.steps, optimizer=case.optimizer)
    *_, told = sweep_work(lab.problem, command)
    assert told is not None
    ((word, at),) = outcomes(told, theory, case.steps)
    hair = 1
    if (word == "settled") != (verdict == "settled"):
        close = [s for s in (at, run.settled_at) if s is not None and s >= case.steps - hair]
        return [] if close else [f"the table says {word} at {at}"]
    if at is not None and run.settled_at is not None and abs(at - run.settled_at) > hair:
        return [f"the table says it settled at {at}"]
    high = ("diverged", "diverging", "above its start", "rising", "spike")
    if word == "diverged" and verdict not in high:
        return [f"the table says {word}"]
    return []


def of_advice(lab: Lab, case: Case, advice: Advice) -> list[str]:
    """Hold the step at which the advised rate is said to settle against float64."""
    theory = lab.session.theory_of(case.optimizer, case.schedule)
    assert theory is not None
    assert advice.steps is not None
    if advice.steps > BEYOND:
        return []
    plain = Case(case.settings, case.optimizer, "constant", advice.lr, advice.steps)
    hair = 1
    far = [loss for loss, _ in course(lab.problem, plain, advice.steps + hair, advice.lr)]
    target = theory.settled_loss * (1 + 1e-9)
    late = settled_from(far, target)
    return [] if late is not None and late <= advice.steps + hair else [f"advice settles at {late}"]


def of_measured(verdict: str, whole: list[float]) -> list[str]:
    """Hold the word of a run of which only losses are known against those on all data."""
    end, first = whole[-1], whole[0]
    k = len(whole)
    before, after = whole[k // 2 : 3 * k // 4], whole[3 * k // 4 :]
    if not before or not all(map(math.isfinite, [*before, *after])):
        return []
    fell = 1 - (sum(after) / len(after)) / (sum(before) / len(before) or 1.0)
    if verdict == "rising" and end < first and fell > 0.05:
        return ["rising, and it fell"]
    if verdict == "above its start" and end < 0.9 * first:
        return ["above its start, and below it"]
    if verdict in ("falling", "falling, swinging") and fell < -0.05:
        return [f"falling, and it rose by {-fell:.0%}"]
    if verdict == "level" and abs(fell) > 0.15:
        return [f"level, and it moved by {fell:.0%}"]
    return []


def draw(rng: random.Random, changes: bool = False, steps: int = 300) -> Case:
    """Draw a case; the rate once the problem is known, see ``rated``."""
    name = rng.choice(["line", "line", "line", "bowl", "bowl", "rosenbrock", "sine", "moons"])
    batched = name in ("line", "sine", "moons") and rng.random() < 0.25
    settings = ProblemSettings(
        name=name,
        seed=rng.randrange(10**6, 10**9),
        batch=rng.choice([4, 10, 25]) if batched else None,
        spread=rng.choice(["symmetric", "unit"]) if name == "line" else "symmetric",
        noise=rng.choice(["uniform", "gaussian"]) if name == "line" else "uniform",
    )
    decay = rng.choice([0.0, 0.0, 10 ** rng.uniform(-4, -1)])
    beta = round(rng.uniform(0.3, 0.97), 2)
    optimizer = rng.choice(
        [
            Optimizer(),
            Optimizer(weight_decay=decay),
            Optimizer(momentum=beta, weight_decay=decay),
            Optimizer(name="nesterov", momentum=beta, weight_decay=decay),
            Optimizer(name="adam", weight_decay=decay),
            Optimizer(name="adamw", weight_decay=decay or 0.01),
        ]
    )
    schedules = ["constant"] * 6 + ["cosine", "linear", "onecycle", "warmup:10"]
    schedule = "constant" if changes else rng.choice(schedules)
    return Case(settings, optimizer, schedule, math.nan, rng.randint(12, steps))


def rated(lab: Lab, case: Case, rng: random.Random, changes: bool = False) -> Case:
    """Return the case with a rate, and perhaps changes of it, drawn over all that may be shown."""
    theory = lab.session.theory_of(case.optimizer)
    low, high = ends(theory, case.optimizer, lab.problem.facts.sharpness) or (1e-4, 1.0)
    if case.optimizer.is_adaptive:
        low, high = 1e-4, 3.0

    def rate() -> float:
        return float(f"{low * (high / low) ** rng.uniform(0.2, 1):.4g}")

    changed: tuple[tuple[int, float], ...] = ()
    if changes:
        changed = ((rng.randint(1, case.steps - 1), rate()),)
    return Case(case.settings, case.optimizer, case.schedule, rate(), case.steps, changed)


@dataclass
class Found:
    """What came of some runs."""

    runs: int = 0
    words: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    advices: int = 0
    worse: list[str] = field(default_factory=list)


def check(seed: int, found: Found, take_advice: bool = True, changes: bool = False) -> None:
    """Carry out a random run, hold what is said of it against the truth, and take the advice."""
    rng = random.Random(seed)
    case = draw(rng, changes)
    lab = Lab(case.settings)
    case = rated(lab, case, rng, changes)
    run = lab.run(case)
    found.runs += 1
    found.words[run.verdict()[0]] += 1
    found.wrong += contradictions(lab, case, run)
    advice = lab.session.advice_after(run)
    if advice is None or not take_advice:
        return
    found.advices += 1
    steps = case.steps
    if advice.more_steps and advice.steps is not None:
        if advice.steps > 20_000:
            found.advices -= 1
            return
        steps = advice.steps
    after = lab.run(Case(case.settings, case.optimizer, case.schedule, advice.lr, steps))
    if not is_no_worse(run, after):
        found.worse.append(
            f"{case}: {run.verdict()}, {run.loss}, settled {run.settled_at}; {advice}; "
            f"then {after.verdict()}, {after.loss}, settled {after.settled_at}"
        )


def is_no_worse(before: Run, after: Run) -> bool:
    """Return whether a run ended lower than the one before it, or settled sooner."""
    if after.settled_at is not None and after.settled_at <= (before.settled_at or math.inf):
        return True
    if after.series is None or before.series is None:
        return False
    ended = [run.series.at(run.step) for run in (before, after) if run.series]
    was, now = (math.inf if loss is None else loss for loss in ended)
    return now < was


def main() -> None:
    """Print what came of 200 runs, and of 100 advices."""
    torch.set_num_threads(1)
    numbers = [int(word) for word in sys.argv[1:] if word.isdigit()]
    found, seed = Found(), numbers[0] if numbers else 90_000
    while found.runs < 200 or found.advices < 100:
        check(seed, found, take_advice=found.advices < 100)
        seed += 1
    print(f"{found.runs} runs: {dict(found.words.most_common())}")
    for kind in ("false diverged", "missed divergence"):
        print(kind, sum(text.startswith(kind) for text in found.wrong))
    print(f"contradictions: {len(found.wrong)}", *found.wrong, sep="\n")
    print(f"advices taken: {found.advices}, worse after it: {len(found.worse)}")
    print(*found.worse, sep="\n")


if __name__ == "__main__":
    main()
