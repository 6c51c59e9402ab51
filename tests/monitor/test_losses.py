"""The loss of a step, found from outside; each script says what it was."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests import forks

pytestmark = pytest.mark.slow

HEAD = """
import json, sys, torch
from lrtui.monitor.losses import LossFinder
from torch.optim.optimizer import register_optimizer_step_pre_hook as pre
from torch.optim.optimizer import register_optimizer_step_post_hook as post
finder, found, true = LossFinder(print), [], []
pre(lambda o, a, k: finder.begin_step(a, k))
post(lambda o, a, k: found.append(finder.end_step(o)))
torch.manual_seed(0)
net = torch.nn.Linear(4, 1)
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
def loss_of():
    return (net(torch.randn(8, 4)) ** 2).mean()
"""
TAIL = "\nprint(json.dumps([found, true]))"

LOOPS = {
    "plain": """
for _ in range(3):
    optimizer.zero_grad(); l = loss_of(); l.backward(); optimizer.step(); true.append(l.item())
""",
    "accumulated": """
for _ in range(3):
    optimizer.zero_grad(); s = 0
    for _ in range(4):
        l = loss_of() / 4; l.backward(); s += l.item()
    optimizer.step(); true.append(s)
""",
    "skipped by hand": """
for i in range(6):
    optimizer.zero_grad(); l = loss_of(); l.backward()
    if i % 2: continue
    optimizer.step(); true.append(l.item())
""",
    "scaled, with overflows": """
scaler = torch.amp.GradScaler("cpu", init_scale=2.0**40)
for i in range(12):
    l = loss_of()
    if i in (2, 5): l = l * float("inf")
    scaler.scale(l).backward(); before = len(found)
    scaler.step(optimizer); scaler.update(); optimizer.zero_grad(set_to_none=True)
    if len(found) > before: true.append(l.item())
""",
    "scaled and accumulated": """
scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
for i in range(3):
    s = 0
    for _ in range(2):
        l = loss_of() / 2; scaler.scale(l).backward(); s += l.item()
    scaler.step(optimizer); scaler.update(); optimizer.zero_grad(); true.append(s)
""",
    "LBFGS": """
w = torch.nn.Parameter(torch.ones(3))
optimizer = torch.optim.LBFGS([w], lr=0.5, max_iter=5)
def closure():
    optimizer.zero_grad(); l = ((w - 2) ** 4).sum(); l.backward(); return l
for _ in range(3):
    true.append(optimizer.step(closure).item())
""",
    "a closure": """
for _ in range(3):
    def closure():
        optimizer.zero_grad(); l = loss_of(); l.backward(); true.append(l.item()); return l
    optimizer.step(closure=closure)
""",
    "accumulated up to a closure": """
for _ in range(3):
    optimizer.zero_grad()
    a = loss_of() / 2; a.backward()
    def closure():
        l = loss_of() / 2; l.backward(); true.append(a.item() + l.item()); return l
    optimizer.step(closure)
""",
    "two optimizers": """
other = torch.nn.Linear(4, 1); second = torch.optim.Adam(other.parameters())
for _ in range(3):
    optimizer.zero_grad(); l = loss_of(); l.backward(); optimizer.step(); true.append(l.item())
    second.zero_grad(); m = other(torch.randn(8, 4)).abs().mean(); m.backward(); second.step()
    true.append(m.item())
""",
    "no loss of one number": """
for _ in range(2):
    optimizer.zero_grad(); y = net(torch.randn(8, 4)); y.backward(torch.ones_like(y))
    optimizer.step(); true.append(None)
""",
}


@pytest.mark.parametrize("loop", LOOPS)
def test_the_loss_is_the_true_one(loop: str, tmp_path: Path) -> None:
    path = tmp_path / "loop.py"
    path.write_text(HEAD + LOOPS[loop] + TAIL)
    done = forks.run(
        [sys.executable, str(path)], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    found, true = json.loads(done.stdout)
    assert len(true) >= 2
    assert found == pytest.approx(true, rel=1e-6)
