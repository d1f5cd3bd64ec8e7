"""Two ranks under torchrun (gloo): initial weights after DDP, and a dropout mask, per rank."""
import torch
import torch.distributed as dist
from torch import nn

import digits

dist.init_process_group("gloo")
model = nn.parallel.DistributedDataParallel(nn.Linear(16, 4))
mask = nn.functional.dropout(torch.ones(64), 0.5)
mine = (digits.sha(p.detach().numpy() for p in model.parameters()), digits.sha([mask.numpy()]))
everyone = [None, None]
dist.all_gather_object(everyone, mine)
if dist.get_rank() == 0:
    print("weights equal", everyone[0][0] == everyone[1][0])
    print("masks differ", everyone[0][1] != everyone[1][1])
    print(everyone)
dist.destroy_process_group()
