"""An unseeded PyTorch training: dropout, shuffling DataLoader with two workers that augment with numpy and random. argv: times, style."""
import random
import sys

import numpy as np
import torch
from torch import nn

import digits


class Digits(torch.utils.data.Dataset):
    def __init__(self):
        self.x, self.y = digits.load()

    def __len__(self):
        return 640

    def __getitem__(self, i):
        noise = np.float32(random.random() * 0.05 + np.random.default_rng().random() * 0.05)
        return self.x[i].reshape(64) + noise, self.y[i]


def train():
    model = nn.Sequential(nn.Linear(64, 48), nn.ReLU(), nn.Dropout(0.3), nn.Linear(48, 10))
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    loader = torch.utils.data.DataLoader(Digits(), batch_size=64, shuffle=True, num_workers=2)
    for _ in range(2):
        for x, y in loader:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
        print("loss", float(loss).hex())
    print("weights", digits.sha(p.detach().numpy() for p in model.parameters()))


if __name__ == "__main__":
    torch.set_num_threads(1)
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    if len(sys.argv) > 2:
        torch.manual_seed(123)
        random.seed(5)
        np.random.seed(5)
        Digits.__getitem__ = lambda self, i: (self.x[i].reshape(64), self.y[i])
    for _ in range(times):
        train()
