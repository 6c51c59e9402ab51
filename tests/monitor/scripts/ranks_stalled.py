"""A training of ranks that know nothing of lrtui; after a while the last one stands still."""

import time

import torch
import torch.distributed as dist

torch.set_num_threads(1)
dist.init_process_group("gloo")
rank, size = dist.get_rank(), dist.get_world_size()
model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(4, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
begun = time.monotonic()
stands = torch.zeros(1)
while True:
    optimizer.zero_grad()
    loss = model(torch.randn(64, 4)).square().mean()
    loss.backward()
    optimizer.step()
    time.sleep(0.01)
    stands[0] = float(time.monotonic() > begun + 6)
    dist.broadcast(stands, 0)
    if stands and rank == size - 1:
        while True:
            time.sleep(0.01)
