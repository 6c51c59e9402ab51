"""A script that knows nothing of lrtui; it meets a bad batch at one step, a raised rate at another.

Usage: spiky.py OUT
"""

import json
import random
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

BAD, RAISED = 300, 700

torch.set_num_threads(1)
torch.manual_seed(3)
random.seed(3)
np.random.seed(3)
model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 1))
optimizer = torch.optim.SGD(model.parameters(), 0.02, momentum=0.9)
losses = []
for step in range(1, 801):
    x = torch.randn(16, 6)
    y = x.sum(1, keepdim=True).tanh() + 0.3 * torch.randn(16, 1)
    if step == BAD:
        y = y + 100 * torch.randn(16, 1)
    if step in (RAISED, RAISED + 20):
        optimizer.param_groups[0]["lr"] = 0.2 if step == RAISED else 0.02
    optimizer.zero_grad()
    loss = nn.functional.mse_loss(model(x), y)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1e3)
    optimizer.step()
    losses.append(loss.item())
    time.sleep(0.0005)
state = {k: v.double().tolist() for k, v in model.state_dict().items()}
rng = [torch.rand(3).tolist(), random.random(), float(np.random.rand())]
Path(sys.argv[1]).write_text(json.dumps({"losses": losses, "state": state, "rng": rng}))
input()
