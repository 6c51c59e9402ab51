"""A script that knows nothing of lrtui: epochs over a slow loader, clipping, AdamW.

Usage: vitals.py OUT [EPOCHS] [SECONDS A SAMPLE] [STALL AFTER EPOCH]
"""

import json
import random
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.utils import clip_grad_norm_
from torch.utils.data import DataLoader, TensorDataset

out = Path(sys.argv[1])
num_epochs = int(sys.argv[2]) if len(sys.argv) > 2 else 4
seconds = float(sys.argv[3]) if len(sys.argv) > 3 else 0.0
stalls = int(sys.argv[4]) if len(sys.argv) > 4 else -1


class Slow(TensorDataset):
    stalled = False

    def __getitem__(self, i):
        time.sleep(seconds)
        while Slow.stalled:
            time.sleep(0.05)
        return super().__getitem__(i)


def main():
    torch.manual_seed(3)
    random.seed(3)
    np.random.seed(3)
    data = Slow(torch.randn(80, 6), torch.randn(80, 1))
    loader = DataLoader(data, batch_size=8, shuffle=True)
    model = nn.Sequential(
        nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 1)
    )
    optimizer = torch.optim.AdamW(model.parameters(), 0.01, betas=(0.9, 0.95), weight_decay=0.1)
    norms = []
    for epoch in range(num_epochs):
        Slow.stalled = epoch == stalls
        for x, y in loader:
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x), y)
            loss.backward()
            norms.append(float(clip_grad_norm_(model.parameters(), 1.0)))
            optimizer.step()
    state = {k: v.double().tolist() for k, v in model.state_dict().items()}
    rng = [torch.rand(3).tolist(), random.random(), float(np.random.rand())]
    out.write_text(json.dumps({"norms": norms, "state": state, "rng": rng}))
    input()


main()
