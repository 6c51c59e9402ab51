"""A training of several ranks as people write them; writes a digest of what it leaves behind.

    ddp.py FOLDER STEPS [hidden] [sharded]

With ``hidden``, the network of the last rank keeps state where nobody can see it; with ``sharded``,
each rank has a part of each weight, as by FSDP.
"""

import sys
from contextlib import nullcontext
from pathlib import Path

import torch
import torch.distributed as dist
import torch.nn.functional as F
from setups import digest, pictures
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.utils.data import DataLoader, DistributedSampler

out, steps = Path(sys.argv[1]), int(sys.argv[2])
torch.set_num_threads(1)
dist.init_process_group("gloo")
rank, ranks = dist.get_rank(), dist.get_world_size()
torch.manual_seed(1)
model = nn.Sequential(
    nn.Linear(64, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, 10)
)
if "hidden" in sys.argv and rank == ranks - 1:
    calls = [0]
    model.register_forward_hook(
        lambda *args: (calls.__setitem__(0, calls[0] + 1), args[-1] * (1 + 1e-3 * calls[0]))[1]
    )
torch.manual_seed(10 + rank)  # each rank drops out others
if "sharded" in sys.argv:
    parallel, accumulating = fully_shard(model, mesh=init_device_mesh("cpu", (ranks,))), nullcontext
else:
    parallel = nn.parallel.DistributedDataParallel(model)
    accumulating = parallel.no_sync
optimizer = torch.optim.AdamW(parallel.parameters(), 2e-3)
sampler = DistributedSampler(pictures(), seed=3)
loader = DataLoader(pictures(), 16, sampler=sampler, drop_last=True)
losses: list[float] = []
while len(losses) < steps:
    sampler.set_epoch(len(losses))
    batches = iter(loader)
    for x, y in batches:
        more = next(batches, None)
        if more is None or len(losses) == steps:
            break
        with accumulating():
            first = F.cross_entropy(parallel(x), y) / 2
            first.backward()
        second = F.cross_entropy(parallel(more[0]), more[1]) / 2
        second.backward()
        nn.utils.clip_grad_norm_(parallel.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        losses.append((first + second).item())
(out / str(rank)).write_text(digest(model, optimizer, losses))
dist.destroy_process_group()
