"""A small network on a cosine schedule, as a person might train it: what the recording shows."""

import time

import torch
from torch import nn

import lrtui

torch.set_num_threads(1)
torch.manual_seed(0)
x = torch.linspace(-1, 1, 256)[:, None]
y = torch.cos(4 * torch.acos(x))
model = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 20_000)
monitor = lrtui.Monitor(optimizer, model=model, scheduler=schedule, name="network.py")
for _ in range(20_000):
    batch = torch.randint(0, 256, (64,))
    loss = nn.functional.mse_loss(model(x[batch]), y[batch])
    optimizer.zero_grad()
    loss.backward()
    norm = nn.utils.clip_grad_norm_(model.parameters(), 10.0)
    optimizer.step()
    schedule.step()
    monitor.step(loss, gradient=norm)
    if monitor.should_stop:
        break
    time.sleep(0.004)
