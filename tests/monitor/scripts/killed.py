"""A script that prints to standard error in many ways, trains for a while, and is killed or ends.

Usage: killed.py kill|end
"""

import logging
import os
import signal
import sys
import time
import traceback

import torch
from tqdm import tqdm

logging.basicConfig(stream=sys.stderr, format="%(message)s")
weight = torch.nn.Parameter(torch.ones(3))
optimizer = torch.optim.SGD([weight], 0.01)
print("tty", sys.stderr.isatty(), os.readlink("/proc/self/fd/2") == os.readlink("/proc/self/fd/1"))
print("x" * 100_000, file=sys.stderr)
for step in tqdm(range(150), file=sys.stderr):
    weight.grad = None
    weight.square().sum().backward()
    optimizer.step()
    time.sleep(0.02)
    if step == 60:
        logging.warning("a warning with an ünusual letter")
        sys.stderr.writelines(["one line\n", "another\n"])
        try:
            raise RuntimeError("something odd")
        except RuntimeError:
            traceback.print_exc()
if sys.argv[1] == "kill":
    os.kill(os.getpid(), signal.SIGKILL)
