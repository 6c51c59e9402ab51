import random

import numpy as np
import torch
from torch import nn

x = torch.randn(64, 4)
y = (x[:, :1] > 0).float()


def model():
    net = nn.Sequential(
        nn.Linear(4, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 1)
    )
    with torch.no_grad():
        net[0].weight += 0.01 * random.random() + 0.01 * float(np.random.rand())
    return net


loss = nn.functional.binary_cross_entropy_with_logits
