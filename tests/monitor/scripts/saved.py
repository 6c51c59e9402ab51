"""Trains twice, each loss by its own hand as well; ends in the way that it is told to."""

import json
import os
import signal
import sys
import time

import torch

out, mode = sys.argv[1:]
if mode == "handles":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))


def train(closes=False):
    w = torch.nn.Parameter(torch.ones(3))
    optimizer = torch.optim.SGD([w], lr=0.1)
    monitor = None
    if mode == "thrice":
        import lrtui

        monitor = lrtui.Monitor(optimizer)
    losses = []
    for step in range(40):
        optimizer.zero_grad()
        loss = (w**2).sum()
        loss.backward()
        optimizer.step()
        if monitor is not None:
            monitor.step(loss)
        losses.append(loss.item())
        if step == 20:
            if os.fork() == 0:  # as a worker that loads data
                sys.exit()
            os.wait()
            time.sleep(0.3)
    if closes:
        monitor.close()
    return losses


found = [train()]
if mode == "raises":
    raise RuntimeError("as asked")
while mode != "thrice":
    time.sleep(0.01)
found += [train(closes=True), train()]
with open(out, "w") as file:
    json.dump(found, file)
