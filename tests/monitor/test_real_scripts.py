"""Scripts as people write them, unchanged, under ``lrtui run``."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lrtui.messages import (
    Follow,
    Hold,
    Progress,
    Rewind,
    Scale,
    Started,
    State,
    Stop,
)
from tests import forks
from tests.monitor.trainings import Viewer, training, until

pytestmark = pytest.mark.slow

LINEAR = """
import torch, time, sys
torch.set_num_threads(1); torch.manual_seed(0)
def model(): return torch.nn.Linear(4, 1)
def loss_of(m, scale=1.0): return scale * m(torch.randn(8, 4)).pow(2).mean()
def train(m, o, steps, pause=0.002):
    for i in range(steps):
        o.zero_grad(); l = loss_of(m); l.backward(); o.step(); time.sleep(pause)
"""


def under_lrtui(tmp_path: Path, source: str, *words: str, name: str = "s.py") -> list[str]:
    (tmp_path / name).write_text(LINEAR + source)
    return ["-m", "lrtui", "run", str(tmp_path / name), *words]


def by_run(viewer: Viewer, column: str) -> dict[int, dict[int, float | None]]:
    """What was told of a scalar, by run and step."""
    found: dict[int, dict[int, float | None]] = {}
    for message in viewer.messages:
        if isinstance(message, Started):
            found[message.run] = {}
        elif isinstance(message, Progress) and column in message.scalars:
            numbered = zip(message.numbered(), message.scalars[column], strict=True)
            found[message.run] |= dict(numbered)
    return found


# --- whatever trains is watched -----------------------------------------------------------

FOLDS = """
for fold in range(3):
    m = model(); o = torch.optim.SGD(m.parameters(), lr=0.1 * (fold + 1)); train(m, o, 200)
"""

MADE_BEFOREHAND = """
a, b = model(), model()
oa, ob = torch.optim.SGD(a.parameters(), lr=0.1), torch.optim.SGD(b.parameters(), lr=0.2)
train(a, oa, 200); train(b, ob, 200)
m = model(); train(m, torch.optim.SGD(m.parameters(), lr=0.3), 200)
"""

A_MODEL_TWICE = """
def fit(lr):
    m = model(); train(m, torch.optim.SGD(m.parameters(), lr=lr), 200)
for lr in (0.1, 0.2, 0.3): fit(lr)
"""


@pytest.mark.parametrize("source", [FOLDS, MADE_BEFOREHAND, A_MODEL_TWICE])
def test_one_training_after_another_is_a_run_after_another(source: str, tmp_path: Path) -> None:
    with training(*under_lrtui(tmp_path, source)) as running:
        viewer = running.viewer()
        viewer.read_all()
        assert running.wait() == 0
        assert len({m.run for m in viewer.messages if hasattr(m, "run")}) == 3
    rates = by_run(viewer, "lr")
    for run in (1, 2, 3):
        assert [*rates[run]] == [*range(1, 201)]
        assert {round(lr or 0, 9) for lr in rates[run].values()} == {round(0.1 * run, 9)}


def test_one_who_comes_late_is_told_of_the_runs_before(tmp_path: Path) -> None:
    with training(*under_lrtui(tmp_path, FOLDS + "time.sleep(30)")) as running:
        first = running.viewer()
        first.wait_for(lambda: len(by_run(first, "lr").get(3, {})) == 200, "the last run")
        late = running.viewer()
        late.wait_for(lambda: len(by_run(late, "lr").get(3, {})) == 200, "the last run")
        losses, known = by_run(late, "loss"), by_run(first, "loss")
        assert losses[3] == known[3]
        for run in (1, 2):
            assert losses[run].items() <= known[run].items()
            assert max(losses[run]) == 200


def test_what_was_made_of_the_rate_ends_with_its_run(tmp_path: Path) -> None:
    with training(*under_lrtui(tmp_path, FOLDS.replace("200", "600"))) as running:
        viewer = running.viewer()
        assert viewer.tell(Scale(by=0.5)).done
        viewer.read_all()
    rates = by_run(viewer, "lr")
    assert rates[1][600] == pytest.approx(0.05)
    assert {*rates[2].values()} == {0.2}
    states = [m for m in viewer.messages if isinstance(m, State) and m.run == 2]
    assert [(state.scale, state.held) for state in states] == [(1.0, None)]


NOTEBOOK = """
import lrtui
m = model(); o = torch.optim.SGD(m.parameters(), lr=0.1)
def cell():
    monitor = lrtui.Monitor(o, name="cell")
    for i in range(400):
        o.zero_grad(); l = loss_of(m); l.backward(); used.append(o.param_groups[0]["lr"]); o.step()
        monitor.step(l); time.sleep(0.002)
used = []
steps = sys.modules["torch.optim.sgd"].sgd
def spy(*args, **kwargs):
    used[-1] = kwargs["lr"]; return steps(*args, **kwargs)
sys.modules["torch.optim.sgd"].sgd = spy
cell(); cell()
print("used", used[399], {*used[400:]})
"""


def test_a_cell_that_is_run_again_begins_without_the_scale_of_before(tmp_path: Path) -> None:
    (tmp_path / "s.py").write_text(LINEAR + NOTEBOOK)
    with training(str(tmp_path / "s.py")) as running:
        viewer = running.viewer()
        assert viewer.tell(Scale(by=0.5)).done
        viewer.read_all()
        assert running.wait() == 0
        assert running.sockets() == []
        assert "used 0.05 {0.1}" in running.output()
    rates = by_run(viewer, "lr")
    assert rates[1][400] == pytest.approx(0.05)
    assert {*rates[2].values()} == {0.1}


AT_ONCE = """
import lrtui
os = [torch.optim.SGD(model().parameters(), lr=0.1 * (i + 1)) for i in range(3)]
ms = [lrtui.Monitor(o, name="one") for o in os]
for i in range(5000):
    for o, m in zip(os, ms): o.step(); m.step(1.0)
    time.sleep(0.002)
"""


def test_several_trainings_of_a_process_at_once_have_a_number_each(tmp_path: Path) -> None:
    from lrtui.sources.trainings import choose, find

    (tmp_path / "s.py").write_text(LINEAR + AT_ONCE)
    with training(str(tmp_path / "s.py")) as running:
        until(lambda: len(running.sockets()) == 3, "three sockets")
        pid = running.process.pid
        until(lambda: len([t for t in find() if t.pid == pid and t.greeting]) == 3, "all answer")
        with pytest.raises(ValueError, match=f"3 trainings.*{pid} \\(one\\), {pid}.2 \\(one\\)"):
            choose(str(pid)) if choose(f"{pid}.3") else None
        second = Viewer(choose(f"{pid}.2").path)
        second.wait_for(lambda: bool(second.column("lr")), "its rate")
        assert {*second.column("lr").values()} == {0.2}
        second.close()


# --- several optimizers ---------------------------------------------------------------------

ACTOR_CRITIC = """
a, c = model(), model()
oa, oc = torch.optim.Adam(a.parameters(), 1e-3), torch.optim.Adam(c.parameters(), 2e-3)
for i in range(100000):
    la = loss_of(a) + 100; lc = loss_of(c) + 7
    oa.zero_grad(); la.backward(); oc.zero_grad(); lc.backward(); oa.step(); oc.step()
    time.sleep(0.002)
"""

GAN = """
d, g = model(), torch.nn.Linear(4, 4)
od, og = torch.optim.SGD(d.parameters(), 1e-3), torch.optim.SGD(g.parameters(), 2e-3)
for i in range(100000):
    d.zero_grad(); loss_of(d).add(50).backward()
    d(g(torch.randn(8, 4)).detach()).pow(2).mean().add(50).backward()
    od.step()
    g.zero_grad(); d(g(torch.randn(8, 4))).pow(2).mean().add(7).backward(); og.step()
    time.sleep(0.002)
"""


@pytest.mark.parametrize(
    ("source", "first", "second"),
    [(ACTOR_CRITIC, ("oa", 1e-3), ("oc", 2e-3)), (GAN, ("od", 1e-3), ("og", 2e-3))],
    ids=["actor and critic", "GAN"],
)
def test_each_loss_is_that_of_its_optimizer_and_a_person_says_which_is_followed(
    source: str, first: tuple[str, float], second: tuple[str, float], tmp_path: Path
) -> None:
    with training(*under_lrtui(tmp_path, source)) as running:
        viewer = running.viewer()
        other = f"loss {second[0]}"
        viewer.wait_for(lambda: len(viewer.column(other)) > 20, "the other loss")
        losses = [v for v in viewer.column("loss").values() if v is not None]
        others = [v for v in viewer.column(other).values() if v is not None]
        assert min(losses) >= 100
        assert 7 <= min(others) <= max(others) < 50
        refused = viewer.tell(Follow(optimizer="nobody"))
        assert not refused.done
        assert f"there are: {first[0]}, {second[0]}" in refused.text
        followed = viewer.tell(Follow())
        assert f"({second[0]})" in followed.text
        viewer.wait_for(lambda: len(by_run(viewer, "loss").get(2, {})) > 20, "its own run")
        found = [v for v in by_run(viewer, "loss")[2].values() if v is not None]
        assert 7 <= min(found) <= max(found) < 50
        assert {*by_run(viewer, "lr")[2].values()} == {second[1]}
        held = viewer.tell(Hold(lr=0.004))  # the other one keeps its ratio
        viewer.wait_for(
            lambda: max(by_run(viewer, "lr")[2]) > held.step + 20, "steps at the new rate"
        )
        assert by_run(viewer, "lr")[2][held.step + 1] == 0.004
        viewer.tell(Stop())
        assert running.wait() == 130


# --- what runs without lrtui runs with it -----------------------------------------------------

NO_LR = """
class Own(torch.optim.Optimizer):
    def __init__(self, params, eta=0.1): super().__init__(params, dict(eta=eta))
    @torch.no_grad()
    def step(self, closure=None):
        for g in self.param_groups:
            for p in g["params"]: p.add_(p.grad, alpha=-g["eta"])
m = model(); train(m, Own(m.parameters()), 150); print(m.weight.tolist())
"""

LR_IS_NONE = NO_LR.replace("dict(eta=eta)", "dict(eta=eta, lr=None)")

LOOKAHEAD = """
class Lookahead(torch.optim.Optimizer):
    def __init__(self, base):  # as timm's: no call of the base class
        self._optimizer_step_pre_hooks = self._optimizer_step_post_hooks = {}
        self.base, self.param_groups, self.defaults, self.state = base, base.param_groups, {}, {}
    def zero_grad(self): self.base.zero_grad()
    def step(self, closure=None): return self.base.step(closure)
m = model(); train(m, Lookahead(torch.optim.SGD(m.parameters(), 0.1)), 150)
print(m.weight.tolist())
"""

ODD_GROUPS = """
m = model(); o = torch.optim.SGD(m.parameters(), 0.1)
train(m, o, 60); o.param_groups[0]["lr"] = torch.tensor(0.05); train(m, o, 60)
o.param_groups[0]["note"] = "x"; del o.defaults["lr"]; train(m, o, 30); print(m.weight.tolist())
"""

BACKWARD_OF_NOTHING = """
m = model(); o = torch.optim.SGD(m.parameters(), 0.1)
for i in range(150):
    o.zero_grad(); a, b = loss_of(m), loss_of(m); torch.autograd.backward([a, b]); o.step()
torch.autograd.backward([]) if False else print(m.weight.tolist())
"""


@pytest.mark.parametrize(
    ("source", "start"),
    [
        (NO_LR, subprocess.run),  # the real thing
        (LR_IS_NONE, forks.run),
        (LOOKAHEAD, forks.run),
        (ODD_GROUPS, forks.run),
        (BACKWARD_OF_NOTHING, forks.run),
    ],
    ids=["no rate", "the rate is None", "lookahead", "odd groups", "backward of nothing"],
)
def test_a_script_does_the_same_as_under_python(
    source: str, start: Callable[..., Any], tmp_path: Path
) -> None:
    path = tmp_path / "s.py"
    path.write_text(LINEAR + source)
    found = [
        start(
            [sys.executable, *ours, str(path)],
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
            env={**os.environ, "LRTUI_DIR": str(tmp_path / "s")},
        )
        for ours in ([], ["-m", "lrtui", "run"])
    ]
    assert found[0].returncode == 0, found[0].stderr
    assert (found[1].stdout, found[1].returncode) == (found[0].stdout, 0)
    assert "Traceback" not in found[1].stderr


def test_without_a_rate_steps_and_losses_are_shown_and_no_rate_is_offered(tmp_path: Path) -> None:
    source = LR_IS_NONE.replace("150", "5000")
    with training(*under_lrtui(tmp_path, source)) as running:
        viewer = running.viewer()
        assert not {"hold", "scale"} & {*viewer.greeting.capabilities}
        viewer.wait_for(lambda: len(viewer.column("loss")) > 50, "losses")
        refused = viewer.tell(Hold(lr=0.1))
        assert not refused.done
        assert "no lr in its groups" in refused.text


def test_a_hook_that_fails_is_said_once_and_training_goes_on_as_without(tmp_path: Path) -> None:
    source = """
from lrtui.monitor.rate_control import RateControl
def broken(self, *args): raise RuntimeError("a bug of ours")
RateControl.before = broken
m = model(); train(m, torch.optim.SGD(m.parameters(), 0.1), 150); print("steps", m.weight.tolist())
"""
    command = [sys.executable, *under_lrtui(tmp_path, source)]
    env = {**os.environ, "LRTUI_DIR": str(tmp_path / "s")}
    done = forks.run(command, capture_output=True, text=True, timeout=100, env=env)
    assert done.returncode == 0
    assert done.stdout.startswith("steps [")
    said = done.stderr.splitlines()
    assert said == ["lrtui: this training can no longer be watched: RuntimeError: a bug of ours"]


# --- what is not known ------------------------------------------------------------------------

NO_LOSS = """
from torch.func import functional_call, grad_and_value
m = model(); o = torch.optim.SGD(m.parameters(), lr=0.1); ps = dict(m.named_parameters())
s = torch.optim.lr_scheduler.ExponentialLR(o, 0.999)
for i in range(100000):
    x = torch.randn(8, 4)
    g, l = grad_and_value(lambda p: functional_call(m, p, (x,)).pow(2).mean())(ps)
    for k, p in ps.items(): p.grad = g[k]
    o.step(); s.step(); time.sleep(0.002)
"""


def test_steps_and_rates_are_shown_where_no_loss_is_known(tmp_path: Path) -> None:
    with training(*under_lrtui(tmp_path, NO_LOSS)) as running:
        viewer = running.viewer()
        viewer.wait_for(lambda: len(viewer.column("lr")) > 100, "rates")
        told = [m for m in viewer.messages if isinstance(m, Progress)]
        assert all(message.no_loss for message in told)
        rates = viewer.column("lr")
        assert rates[100] == pytest.approx(0.1 * 0.999**99)
        assert viewer.tell(Hold(lr=0.02)).done


def test_the_loss_of_a_few_steps_that_have_none_is_left_out(tmp_path: Path) -> None:
    source = """
m = model(); o = torch.optim.SGD(m.parameters(), lr=0.1)
for i in range(100000):
    o.zero_grad(); l = loss_of(m)
    if i % 10 == 0:
        for p, g in zip(m.parameters(), torch.autograd.grad(l, [*m.parameters()])): p.grad = g
    else: l.backward()
    o.step(); time.sleep(0.002)
"""
    with training(*under_lrtui(tmp_path, source)) as running:
        viewer = running.viewer()
        viewer.wait_for(lambda: len(viewer.column("loss")) > 60, "losses")
        assert not any(getattr(message, "no_loss", False) for message in viewer.messages)
        assert None not in viewer.column("loss").values()
        assert not {1, 11, 21} & {*viewer.column("loss")}


BY_HAND = """
m = model()
for i in range(100000):
    l = loss_of(m); l.backward()
    with torch.no_grad():
        for p in m.parameters(): p -= 0.01 * p.grad; p.grad = None
    time.sleep(0.002)
"""


def test_where_no_optimizer_steps_that_is_said_and_losses_are_shown(tmp_path: Path) -> None:
    with training(*under_lrtui(tmp_path, BY_HAND)) as running:
        viewer = running.viewer()
        viewer.wait_for(lambda: len(viewer.column("loss")) > 20, "losses")
        said = running.output()
        assert "backward passes and no step of a torch.optim optimizer" in said
        assert said.count("no step of") == 1
        assert "no torch.optim step" in viewer.greeting.title
        assert not {"hold", "scale"} & {*viewer.greeting.capabilities}


def test_a_module_whose_package_imports_torch_is_watched(tmp_path: Path) -> None:
    package = tmp_path / "pack"
    package.mkdir()
    (package / "__init__.py").write_text("import torch\n")
    (package / "train.py").write_text(
        LINEAR + "m = model()\ntrain(m, torch.optim.SGD(m.parameters(), 0.1), 100000)"
    )
    env = {"PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"}
    with training("-m", "lrtui", "run", "-m", "pack.train", env=env) as running:
        viewer = running.viewer()
        viewer.wait_for(lambda: len(viewer.column("loss")) > 20, "losses")


# --- groups -----------------------------------------------------------------------------------

DECAYED = """
layers = [torch.nn.Linear(4, 4) for _ in range(6)]; m = torch.nn.Sequential(*layers)
lrs = [1e-3 * 0.5 ** (5 - i) for i in range(6)]
o = torch.optim.SGD([dict(params=l.parameters(), lr=lr) for l, lr in zip(layers, lrs)])
used = []
o.register_step_pre_hook(lambda *_: used.append([g["lr"] for g in o.param_groups]))
try:
    for i in range(100000):
        o.zero_grad(); l = loss_of(m); l.backward(); o.step(); time.sleep(0.002)
finally:
    print("last", used[-1], [g["lr"] for g in o.param_groups])
"""


def test_the_rate_of_groups_is_their_largest_and_their_range_is_told(tmp_path: Path) -> None:
    with training(*under_lrtui(tmp_path, DECAYED)) as running:
        viewer = running.viewer()
        viewer.wait_for(lambda: len(viewer.column("lr")) > 10, "rates")
        assert {*viewer.column("lr").values()} == {1e-3}
        states = [m for m in viewer.messages if isinstance(m, State)]
        assert states[-1].groups == 6
        assert states[-1].lowest == pytest.approx(1e-3 / 32)
        held = viewer.tell(Hold(lr=0.01))
        assert "the largest of 6 groups, the others keep their ratio to it" in held.text
        viewer.wait_for(lambda: max(viewer.column("lr")) > held.step + 10, "steps")
        viewer.tell(Stop())
        running.wait()
        last = re.search(r"last \[(.*?)\] \[(.*?)\]", running.output())
        assert last is not None
        in_force, left = ([float(x) for x in text.split(", ")] for text in last.groups())
        assert in_force == pytest.approx([0.01 * 0.5 ** (5 - i) for i in range(6)])
        assert left == [1e-3 * 0.5 ** (5 - i) for i in range(6)]


PRODIGY = """
class Prodigy(torch.optim.Optimizer):
    def __init__(self, params): super().__init__(params, dict(lr=1.0, d=1e-4, d0=1e-6))
    @torch.no_grad()
    def step(self, closure=None):
        g = self.param_groups[0]; g["d"] *= 1.001; used.append(g["d"] * g["lr"])
        for p in g["params"]: p.add_(p.grad, alpha=-g["d"] * g["lr"])
used = []
m = model(); train(m, Prodigy(m.parameters()), 100000)
"""


def test_the_rate_of_an_optimizer_that_estimates_it_is_the_one_it_uses(tmp_path: Path) -> None:
    with training(*under_lrtui(tmp_path, PRODIGY)) as running:
        viewer = running.viewer()
        assert {"scale"} == {"hold", "scale"} & {*viewer.greeting.capabilities}
        viewer.wait_for(lambda: len(viewer.column("lr")) > 50, "rates")
        rates = viewer.column("lr")
        assert rates[50] == pytest.approx(1e-4 * 1.001**49)
        assert viewer.tell(Scale(by=0.5)).done
        assert "can only be scaled" in viewer.tell(Hold(lr=0.1)).text


# --- how it ends ------------------------------------------------------------------------------


def test_an_interrupt_shows_the_scripts_own_traceback(tmp_path: Path) -> None:
    path = tmp_path / "s.py"
    path.write_text(
        "import torch, time\nprint('on', flush=True)\ndef wait():\n    time.sleep(60)\nwait()\n"
    )
    shown = []
    for command in ([], ["-m", "lrtui", "run"]):
        process = subprocess.Popen(
            [sys.executable, *command, str(path)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "on\n"
        time.sleep(0.5)  # it has come to its sleep
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)
        shown.append((process.returncode, error))
    assert shown[0] == shown[1]
    assert "KeyboardInterrupt" in shown[0][1]


def test_the_line_that_says_how_to_watch_stands_above_a_progress_bar(tmp_path: Path) -> None:
    pytest.importorskip("tqdm")
    source = """
from tqdm import tqdm
m = model(); o = torch.optim.SGD(m.parameters(), lr=0.1)
for i in tqdm(range(200), mininterval=0.01):
    o.zero_grad(); l = loss_of(m); l.backward(); o.step(); time.sleep(0.01)
"""
    command = [sys.executable, *under_lrtui(tmp_path, source)]
    env = {**os.environ, "LRTUI_DIR": str(tmp_path / "s")}
    done = forks.run(command, capture_output=True, text=True, timeout=100, env=env)
    lines = re.split(r"[\r\n]+", done.stderr)
    assert [line for line in lines if "lrtui" in line] == [
        line for line in lines if line.startswith("lrtui: lrtui watch")
    ]


SPAWNED = """
import os, torch.distributed as dist, torch.multiprocessing as mp
def work(rank, port):
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=port)
    dist.init_process_group("gloo", rank=rank, world_size=2)
    m = torch.nn.parallel.DistributedDataParallel(model())
    train(m, torch.optim.SGD(m.parameters(), 0.01), 100000, 0.005)
if __name__ == "__main__":
    mp.spawn(work, args=(sys.argv[1],), nprocs=2)
    print("after it")
"""


@pytest.mark.timeout(200)
def test_ranks_that_torch_spawns_are_watched_and_stopped_together(tmp_path: Path) -> None:
    from tests.monitor.test_ranks import free_port

    command = under_lrtui(tmp_path, SPAWNED, str(free_port()))
    with training(*command) as running:
        viewer = running.viewer()
        assert viewer.greeting.ranks == 2
        held = viewer.tell(Hold(lr=0.02))
        assert held.done, held.text
        viewer.wait_for(lambda: max(viewer.column("lr")) > held.step + 10, "steps")
        assert viewer.column("lr")[held.step + 1] == 0.02
        assert viewer.tell(Stop()).done
        assert running.wait() == 130
        assert "after it" not in running.output()
        assert "Traceback" not in running.output()


ONE_OF_TWO = """
import torch.distributed as dist, lrtui, os
dist.init_process_group("gloo"); rank = dist.get_rank()
m = torch.nn.parallel.DistributedDataParallel(model()); o = torch.optim.SGD(m.parameters(), 0.01)
monitor = lrtui.Monitor(o) if rank == 0 else None
for i in range(100000):
    o.zero_grad(); l = loss_of(m); l.backward(); o.step()
    if monitor: monitor.step(l)
    time.sleep(0.002)
"""


@pytest.mark.timeout(200)
def test_where_a_rank_is_not_watched_commands_are_refused_at_once(tmp_path: Path) -> None:
    from tests.monitor.test_ranks import torchrun

    path = tmp_path / "s.py"
    path.write_text(LINEAR + ONE_OF_TWO)
    with training(*torchrun(2, str(path))) as running:
        viewer = running.viewer()
        viewer.wait_for(lambda: len(viewer.column("loss")) > 10, "steps")
        viewer.tell(Hold(lr=0.02))  # the first one waits for ranks that may still come
        begun, step = time.monotonic(), max(viewer.column("loss"))
        refused = viewer.tell(Hold(lr=0.02))
        assert time.monotonic() - begun < 3  # not the 10 s for which ranks are waited for
        assert not refused.done
        assert "lrtui is not in rank 1: start all ranks by torchrun" in refused.text
        viewer.wait_for(lambda: max(viewer.column("loss")) > step + 50, "training goes on")
        assert {*viewer.column("lr").values()} == {0.01}


FORKED = """
import multiprocessing
def work(lr):
    m = model(); train(m, torch.optim.SGD(m.parameters(), lr), 100000)
if __name__ == "__main__":
    work_of = multiprocessing.get_context(sys.argv[1]).Process
    processes = [work_of(target=work, args=(0.1 * (i + 1),), daemon=True) for i in range(2)]
    [p.start() for p in processes]; [p.join() for p in processes]
"""


@pytest.mark.parametrize("way", ["fork", "spawn"])
def test_what_another_process_trains_is_a_training_of_its_own(way: str, tmp_path: Path) -> None:
    with training(*under_lrtui(tmp_path, FORKED, way)) as running:
        until(lambda: len(running.sockets()) == 2, "two sockets")
        rates: set[float | None] = set()
        for path in running.sockets():
            viewer = Viewer(path)
            viewer.wait_for(lambda v=viewer: len(v.column("lr")) > 5, "rates")  # type: ignore[misc]
            rates |= {*viewer.column("lr").values()}
            viewer.close()
        assert rates == {0.1, 0.2}


MANY = """
ms = [model() for _ in range(8)]; os = [torch.optim.SGD(m.parameters(), 0.01) for m in ms]
for i in range(100000):
    for m, o in zip(ms, os):
        o.zero_grad(); l = loss_of(m); l.backward(); o.step()
    time.sleep(0.002)
"""


def test_of_many_optimizers_the_first_are_told(tmp_path: Path) -> None:
    with training(*under_lrtui(tmp_path, MANY)) as running:
        viewer = running.viewer()
        viewer.wait_for(lambda: len(viewer.column("loss")) > 50, "losses")
        names = {n for m in viewer.messages for n in getattr(m, "scalars", ())}
        assert len([name for name in names if name.startswith("loss ")]) == 3
        assert viewer.tell(Follow(optimizer=sorted(names)[-1].split()[-1])).step > 0


BACK_FROM_NAN = """
import lrtui
m = model(); o = torch.optim.SGD(m.parameters(), lr=0.01)
monitor = lrtui.Monitor(o, model=m)
for i in range(100000):
    o.zero_grad(); l = loss_of(m); l.backward(); o.step(); monitor.step(l); time.sleep(0.002)
    if monitor.should_stop: break
print("weights", m.weight.tolist())
"""


def test_the_way_back_from_nan_leads_to_weights_that_are_finite(tmp_path: Path) -> None:
    (tmp_path / "s.py").write_text(LINEAR + BACK_FROM_NAN)
    with training(str(tmp_path / "s.py")) as running:
        viewer = running.viewer()
        viewer.wait_for_snapshot()
        viewer.tell(Hold(lr=1e30))
        viewer.wait_for(lambda: None in viewer.column("loss").values(), "NaN")
        time.sleep(2.5)  # snapshots would be due
        back = viewer.tell(Rewind(by=1.0))
        assert back.done, back.text
        held = viewer.tell(Hold(lr=0.001))
        viewer.wait_for(lambda: max(viewer.column("loss")) > held.step + 50, "steps")
        late = [v for step, v in viewer.column("loss").items() if step > back.step + 1]
        assert None not in late
        viewer.tell(Stop())
        assert running.wait() == 0
        assert "nan" not in running.output()
