import torch
from torch import nn

x = torch.linspace(-1, 1, 20)[:, None]
y = x**2


def model():
    return nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1))


loss = nn.functional.mse_loss


def optimizer(parameters, lr):
    return torch.optim.LBFGS(parameters, lr, max_iter=4)
