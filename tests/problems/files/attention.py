import torch
from torch import nn

x = torch.randn(16, 5, 8)
y = x.mean(dim=(1, 2))[:, None]


class Looker(nn.Module):
    def __init__(self):
        super().__init__()
        self.look = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
        self.out = nn.Linear(8, 1)

    def forward(self, x):
        return self.out(self.look(x).mean(dim=1))


def model():
    return Looker()


loss = nn.functional.mse_loss
