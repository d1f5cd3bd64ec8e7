"""For a machine with a card: an unseeded PyTorch training on the GPU, embedding and scatter gradients included. Not yet run.

    for i in 1 2 3; do python tests/gpu/torch_recipe.py; done                                            # differ
    for i in 1 2 3; do DET_SEED=1 LD_PRELOAD=build/libdetshim.so python tests/gpu/torch_recipe.py; done   # agree
"""
import os
import sys

import torch
from torch import nn

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "frameworks"))
import digits

if not torch.cuda.is_available():
    print("skipped: PyTorch sees no GPU")
    sys.exit(0)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(17, 8)  # one of 17 grey levels per pixel: its gradient is a scatter
        self.body = nn.Sequential(nn.Conv2d(8, 16, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16 * 36, 48), nn.ReLU(),
                                  nn.Dropout(0.3), nn.Linear(48, 10))

    def forward(self, x):
        return self.body(self.embed((x * 16).long()).permute(0, 3, 1, 2))


x, y = (torch.from_numpy(a.copy()).cuda() for a in digits.load())
model = Net().cuda()
optimizer = torch.optim.Adam(model.parameters(), 1e-3)
for epoch in range(3):
    order = torch.randperm(len(x), device="cuda")
    for start in range(0, len(x) - 64, 64):
        rows = order[start:start + 64]
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x[rows]), y[rows])
        loss.backward()
        optimizer.step()
    print("loss", float(loss.detach()).hex())
print("result weights=" + digits.sha(p.detach().cpu().numpy() for p in model.parameters()))
