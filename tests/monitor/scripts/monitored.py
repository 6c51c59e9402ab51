"""A linear fit with a Monitor: STEPS steps of SECONDS each; writes the rate of each step to OUT."""

import json
import sys
import time
from pathlib import Path

import torch
from torch import nn

import lrtui

sys.path.insert(0, str(Path(__file__).parents[1]))
from late import perhaps_late

steps, seconds, out = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
torch.set_num_threads(1)
torch.manual_seed(0)
x = torch.randn(64, 4)
y = x @ torch.randn(4, 1) + 0.1 * torch.randn(64, 1)
model = nn.Linear(4, 1)
optimizer = torch.optim.SGD(
    [{"params": [model.weight]}, {"params": [model.bias], "lr": 0.02}], lr=0.1
)
schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 / (1 + 0.001 * step))
kept, rates, losses = [], [], []


def checkpoint():
    kept.append(optimizer.state_dict()["param_groups"][0]["lr"])


monitor = lrtui.Monitor(
    optimizer, model=model, scheduler=schedule, checkpoint=checkpoint, name="fit"
)
optimizer.register_step_pre_hook(lambda *_: rates.append([g["lr"] for g in optimizer.param_groups]))
for step in range(steps):
    optimizer.zero_grad()
    here = nn.functional.mse_loss(model(x), y)
    loss = perhaps_late(here)
    loss.backward()
    optimizer.step()
    schedule.step()
    losses.append(here.item())
    monitor.step(loss, double=2 * loss.detach())
    if monitor.should_stop:
        break
    time.sleep(seconds)
left = optimizer.param_groups[0]["lr"]
Path(out).write_text(json.dumps({"rates": rates, "losses": losses, "kept": kept, "left": left}))
print("ended after", step + 1)
