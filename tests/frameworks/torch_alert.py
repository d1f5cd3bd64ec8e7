"""An operator without a deterministic implementation: must work as it does unpreloaded, and be listed."""
import torch

x = torch.zeros(3)
x.put_(torch.tensor([0, 0]), torch.tensor([1.0, 2.0]))
print(torch.nn.functional.max_unpool1d(torch.ones(1, 1, 2), torch.tensor([[[0, 2]]]), 2))
torch.backends.cudnn.benchmark = True
torch.use_deterministic_algorithms(False)
print(torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic)
import time
start = time.perf_counter()
for _ in range(20):
    torch.empty(10_000_000)
print("filled", time.perf_counter() - start > 0.1)
