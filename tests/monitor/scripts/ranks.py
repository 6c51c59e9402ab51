"""A training of several ranks, with stragglers; writes what rate each step of each rank had."""

import json
import random
import sys
import time
from pathlib import Path

import torch
import torch.distributed as dist

sys.path.insert(0, str(Path(__file__).parents[1]))
from late import perhaps_late

out, steps, straggle = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
torch.set_num_threads(1)
dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)
model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(16, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
x, y = torch.randn(64, 16), torch.randn(64, 1)
rates, hooks = [], []


# Registered after lrtui's own, so that it sees the rate in force.
def note(optimizer, arguments, keywords):
    rates.append(optimizer.param_groups[0]["lr"])


for _ in range(steps):
    optimizer.zero_grad()
    loss = torch.nn.functional.mse_loss(model(x), y)
    loss = perhaps_late(loss)
    loss.backward()
    optimizer.step()
    if not hooks:
        hooks.append(optimizer.register_step_pre_hook(note))
    time.sleep(0.001)
    if random.random() < straggle:
        time.sleep(0.02 * random.random())
weights = [p.detach().double().sum().item() for p in model.parameters()]
(out / f"{rank}.json").write_text(json.dumps({"rates": rates, "weights": weights}))
dist.destroy_process_group()
