"""What the demos' training loops share: optimizers, and processes that train as one."""

from __future__ import annotations

import torch
import torch.distributed as distributed

SCALES = (2.0, 1.0)  # of the learning rate, by optimizer


def optimizers(named: list[tuple[str, torch.nn.Parameter]], rate: float) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside, where it needs half of AdamW's steps; AdamW for the rest."""
    matrices = [p for n, p in named if ".layers." in n and "_proj." in n]
    others = [p for n, p in named if not (".layers." in n and "_proj." in n)]
    return [
        torch.optim.Muon(matrices, lr=rate, weight_decay=0.05, momentum=0.95, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=rate, betas=(0.9, 0.98), weight_decay=0.01, fused=True),
    ]


def meet(trained: list[torch.Tensor], spent: float) -> float:
    """Averages the gradients over the processes; all go by the first one's clock."""
    flat = torch.cat([p.grad.flatten() for p in trained])
    distributed.all_reduce(flat)
    flat /= distributed.get_world_size()
    for p, part in zip(trained, flat.split([p.numel() for p in trained])):
        p.grad.copy_(part.view_as(p))
    clock = torch.tensor([spent], dtype=torch.float64)
    distributed.broadcast(clock, 0)
    return clock.item()
