"""First stage: the VQ autoencoder, 64 codes of 512 for a picture of 64x64.

The codebook lives on the unit sphere, since a Janus checkpoint normalises codebook rows when it
decodes; it follows the encoder by exponential moving averages, and codes that nothing uses are
moved to vectors that are badly served. The first steps leave the vectors unquantised: a codebook
over a fresh encoder, whose outputs all point one way, would never leave that way. `python train_vq.py OUT.pt`;
an OUT.pt that exists is trained further.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import time

import numpy as np
import torch
import torch.nn.functional as F
from transformers.models.janus.modeling_janus import JanusVQVAE, JanusVQVAEResnetBlock

import model
import world

FREE = 100  # steps before the codebook takes part

def pictures(rng: random.Random, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Training pictures [B, 3, 64, 64] in [-1, 1] and a weight [B, 1, 64, 64] that favours things."""
    found = []
    while len(found) < count:
        scene = world.random_scene(rng)
        if not scene.is_held_out():
            found.append(world.render(scene))
    rgb = torch.from_numpy(np.stack(found))
    thing = (rgb != torch.tensor(world.BACKGROUND, dtype=torch.uint8)).any(-1)
    pixels = rgb.permute(0, 3, 1, 2).float() / 127.5 - 1
    return pixels, 1 + 2 * thing[:, None].float()


def _normalised(x, weight, bias):
    b, c, h, w = x.shape
    y = x.float().permute(0, 2, 3, 1).reshape(b, h * w, 32, c // 32)
    y = y - y.mean((1, 3), keepdim=True)
    y = y * torch.rsqrt(y.square().mean((1, 3), keepdim=True) + 1e-6)
    return y.reshape(b, h, w, c) * weight + bias


@torch.compile(dynamic=False)
def _norm(x, weight, bias):
    return _normalised(x, weight, bias).bfloat16().permute(0, 3, 1, 2)


@torch.compile(dynamic=False)
def _norm_swish(x, weight, bias):
    return F.silu(_normalised(x, weight, bias)).bfloat16().permute(0, 3, 1, 2)


def _residual(block, x):
    h = block.conv1(_norm_swish(x, block.norm1.weight, block.norm1.bias))
    h = block.conv2(_norm_swish(h, block.norm2.weight, block.norm2.bias))
    return (block.nin_shortcut(x) if block.in_channels != block.out_channels else x) + h


def compile_group_norms() -> None:
    """Eager group norm is two thirds of a training step on a CPU; its backward is not vectorised."""
    torch._dynamo.config.recompile_limit = 64
    torch.nn.GroupNorm.forward = lambda norm, x: _norm(x, norm.weight, norm.bias)
    JanusVQVAEResnetBlock.forward = _residual


class Codebook:
    """Unit vectors that follow the encoder's unit vectors."""

    def __init__(self, codes: int, dims: int, seed: int):
        generator = torch.Generator().manual_seed(seed)
        self.vectors = F.normalize(torch.randn(codes, dims, generator=generator), dim=-1)
        self.count = torch.ones(codes)
        self.sum = self.vectors.clone()
        self.decay = 0.98

    def nearest(self, z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        best = (z @ self.vectors.T).max(dim=-1)
        return best.indices, best.values

    def follow(self, z: torch.Tensor, ids: torch.Tensor) -> None:
        count = torch.bincount(ids, minlength=len(self.vectors)).float()
        total = torch.zeros_like(self.sum).index_add_(0, ids, z)
        self.count.mul_(self.decay).add_(count, alpha=1 - self.decay)
        self.sum.mul_(self.decay).add_(total, alpha=1 - self.decay)
        self.vectors = F.normalize(self.sum, dim=-1)

    def restart(self, z: torch.Tensor, cosine: torch.Tensor, below: float) -> int:
        dead = (self.count < below).nonzero()[:, 0]
        if len(dead):
            badly_served = (1 - cosine).clamp_min(1e-6)
            chosen = torch.multinomial(badly_served, len(dead))
            self.sum[dead] = z[chosen]
            self.count[dead] = 1.0
            self.vectors = F.normalize(self.sum, dim=-1)
        return len(dead)


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("out")
    arguments.add_argument("--steps", type=int, default=1300)
    arguments.add_argument("--batch", type=int, default=32)
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--rate", type=float, default=2e-3)
    args = arguments.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(11)
    rng = random.Random(11)
    compile_group_norms()

    vq = JanusVQVAE(model.vq_config()).to(memory_format=torch.channels_last)
    vq.train()
    for module in vq.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.reset_parameters()
    codebook = Codebook(model.CODES, 8, 11)
    free = FREE
    if os.path.exists(args.out):
        vq.load_state_dict(torch.load(args.out))
        codebook.vectors = vq.quantize.embedding.weight.data.clone()
        codebook.sum = codebook.vectors.clone()
        free = -1
    trained = [p for n, p in vq.named_parameters() if "quantize" not in n]
    optimizer = torch.optim.AdamW(trained, lr=args.rate, betas=(0.9, 0.98), weight_decay=1e-4)

    started = time.time()
    for step in range(args.steps):
        warm = min(1.0, (step + 1) / 60)
        optimizer.param_groups[0]["lr"] = args.rate * warm * (
            0.03 + 0.97 * 0.5 * (1 + math.cos(math.pi * step / args.steps))
        )
        pixels, weight = pictures(rng, args.batch)
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            z = vq.quant_conv(vq.encoder(pixels))
        z = F.normalize(z.float(), dim=1)
        flat = z.permute(0, 2, 3, 1).reshape(-1, 8)
        with torch.no_grad():
            seen = flat.detach()
            if step == free:  # a spread-out start: each new code is where the others serve worst
                codebook.vectors = seen[:1].clone()
                served = seen @ codebook.vectors[0]
                for _ in range(model.CODES - 1):
                    new = seen[torch.multinomial((1 - served).clamp_min(1e-9), 1)]
                    codebook.vectors = torch.cat([codebook.vectors, new])
                    served = torch.maximum(served, seen @ new[0])
                codebook.sum = codebook.vectors.clone()
            ids, cosine = codebook.nearest(seen)
            codes = codebook.vectors[ids]
            if step >= free:
                codebook.follow(seen, ids)
            restarted = 0
            if step % 20 == 19 and step > free and step < 0.8 * args.steps:
                restarted = codebook.restart(seen, cosine, 0.3)
        e = codes.view(args.batch, 8, 8, 8).permute(0, 3, 1, 2)
        straight = z + (e - z).detach() if step >= free else z
        with torch.autocast("cpu", dtype=torch.bfloat16):
            back = vq.decoder(vq.post_quant_conv(straight)).float()
        error = back - pixels
        loss_l1 = (error.abs() * weight).mean()
        loss_l2 = (error.square() * weight).mean()
        commit = (1 - (z * e).sum(1)).mean()
        loss = loss_l1 + loss_l2 + (0.5 * commit if step >= free else 0.0)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        if step % 20 == 19 or step == args.steps - 1:
            used = int((codebook.count > 0.05).sum())
            print(
                f"step {step + 1} l1 {error.abs().mean():.4f} l2 {error.square().mean():.4f}"
                f" weighted {loss_l1 + loss_l2:.4f} commit {commit:.4f} used {used}"
                f" restarted {restarted}"
                f" {(time.time() - started) / (step + 1):.3f} s/step",
                flush=True,
            )
        if step % 200 == 199 or step == args.steps - 1:
            vq.quantize.embedding.weight.data.copy_(codebook.vectors)
            torch.save(vq.state_dict(), args.out)


if __name__ == "__main__":
    main()
