import torch
from torch import nn

x = torch.randn(32, 6)
y = x.flip(1)


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(6, 6, bias=False)
        self.again = nn.Linear(6, 6, bias=False)
        self.again.weight = self.first.weight
        self.still = nn.Linear(6, 6)
        self.still.requires_grad_(False)

    def forward(self, x):
        return self.again(torch.tanh(self.still(self.first(x))))


def model():
    return Tied()


loss = nn.functional.mse_loss
