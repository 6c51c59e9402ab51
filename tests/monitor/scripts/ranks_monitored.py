"""A training of several ranks, each with a Monitor; writes the weights before each step of each."""

import json
import sys
import time
from pathlib import Path

import torch
import torch.distributed as dist

import lrtui

sys.path.insert(0, str(Path(__file__).parents[1]))
from late import perhaps_late

out, steps = Path(sys.argv[1]), int(sys.argv[2])
torch.set_num_threads(1)
dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)
model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(4, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.5)
torch.manual_seed(rank)  # each its own share of the data
x = torch.randn(64, 4)
y = x.sum(1, keepdim=True)
weights = []
with lrtui.Monitor(optimizer, model=model, name="ranks") as monitor:
    for _ in range(steps):
        weights.append(sum(p.detach().double().sum().item() for p in model.parameters()))
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(model(x), y + 0.1 * torch.randn(64, 1))
        loss = perhaps_late(loss)
        loss.backward()
        optimizer.step()
        monitor.step(loss)
        if monitor.should_stop:
            break
        time.sleep(0.002)
(out / f"{rank}.json").write_text(json.dumps({"weights": weights}))
dist.destroy_process_group()
