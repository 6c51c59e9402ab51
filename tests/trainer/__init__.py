import torch

torch.set_num_threads(1)  # small steps take ten times as long on two
