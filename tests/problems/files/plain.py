import torch
from torch import nn

x = torch.linspace(-2, 2, 64)[:, None]
y = torch.sin(2 * x)


def model():
    return nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 1))


loss = nn.functional.mse_loss
target = 0.05
