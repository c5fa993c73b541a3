"""First stage: the KL coder, 8x8 latents of 8 channels for a picture of 64x64, as diffusers' AutoencoderKL.

It starts from the VQ autoencoder of the demo Chameleon, which has the same convolutions, and learns
to do without its codebook and without attention inside the levels:
`python train_vae.py CHAMELEON_FOLDER OUT.pt [--minutes 12]`. An OUT.pt that exists is trained further.
The end sets scaling_factor and shift_factor, so that latents have mean 0 and variance 1.
"""

from __future__ import annotations

import argparse
import math
import os
import pathlib
import random
import time

import numpy as np
import torch
import torch.nn.functional as F
from diffusers.models.resnet import ResnetBlock2D
from safetensors.torch import load_file

import model
import world


def renamed(name: str, levels: int) -> str | None:
    """A name of CompVis' coder under diffusers' names; None for attention inside a level."""
    part = name.split(".")
    coder, rest = part[0], part[1:]
    attention = {"norm": "group_norm", "q": "to_q", "k": "to_k", "v": "to_v", "proj_out": "to_out.0"}
    if rest[0] in ("down", "up"):
        level = int(rest[1]) if rest[0] == "down" else levels - 1 - int(rest[1])
        at = f"{coder}.{rest[0]}_blocks.{level}"
        if rest[2] == "attn":
            return None
        if rest[2] == "block":
            return f"{at}.resnets.{rest[3]}." + ".".join(rest[4:]).replace("nin_shortcut", "conv_shortcut")
        return f"{at}.{rest[2]}rs.0." + ".".join(rest[3:])
    if rest[0] == "mid":
        if rest[1] == "attn_1":
            return f"{coder}.mid_block.attentions.0.{attention[rest[2]]}.{rest[3]}"
        return f"{coder}.mid_block.resnets.{int(rest[1][-1]) - 1}." + ".".join(rest[2:])
    return f"{coder}." + ".".join(rest).replace("norm_out", "conv_norm_out")


@torch.no_grad()
def from_chameleon(folder: str, vae, pixels: torch.Tensor) -> None:
    """Takes over the demo Chameleon's VQ autoencoder. The 1x1 convolutions around its codebook are
    folded into their neighbours; the codebook is left out, so that latents are given the size that
    its rows have by means of `pixels` [B, 3, 64, 64]."""
    start = "model.vqmodel."
    old = {n[len(start):]: t.float() for n, t in
           load_file(pathlib.Path(folder) / "model.safetensors").items() if n.startswith(start)}
    levels = len(vae.config.block_out_channels)
    state = vae.state_dict()
    for name, tensor in old.items():
        if name.split(".")[0] in ("encoder", "decoder"):
            new = renamed(name, levels)
            if new is not None:
                if state[new].dim() == 2:
                    tensor = tensor[:, :, 0, 0]
                if state[new].shape == tensor.shape:  # the others are folded below
                    state[new].copy_(tensor)
    c = model.CHANNELS
    project = old["quant_conv.weight"][:, :, 0, 0]
    mean = torch.einsum("oc,cihw->oihw", project, old["encoder.conv_out.weight"])
    state["encoder.conv_out.weight"].zero_()[:c].copy_(mean)
    state["encoder.conv_out.bias"].fill_(-4.0)[:c].copy_(
        project @ old["encoder.conv_out.bias"] + old["quant_conv.bias"])
    project = old["post_quant_conv.weight"][:, :, 0, 0]
    first = old["decoder.conv_in.weight"]
    state["decoder.conv_in.weight"].copy_(torch.einsum("oihw,ic->ochw", first, project))
    state["decoder.conv_in.bias"].copy_(
        old["decoder.conv_in.bias"] + torch.einsum("oihw,i->o", first, old["post_quant_conv.bias"]))
    vae.load_state_dict(state)
    size = vae.encode(pixels).latent_dist.mean.norm(dim=1).mean()
    # Unit vectors of 8 numbers become vectors of variance 1.
    larger = c**0.5 / size
    vae.encoder.conv_out.weight[:c] *= larger
    vae.encoder.conv_out.bias[:c] *= larger
    vae.decoder.conv_in.weight /= c**0.5


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


def _residual(block, x, temb=None):
    h = block.conv1(_norm_swish(x, block.norm1.weight, block.norm1.bias))
    h = block.conv2(_norm_swish(h, block.norm2.weight, block.norm2.bias))
    return (x if block.conv_shortcut is None else block.conv_shortcut(x)) + h


def compile_group_norms() -> None:
    """Eager group norm is two thirds of a training step on a CPU; its backward is not vectorised."""
    torch._dynamo.config.recompile_limit = 64
    torch.nn.GroupNorm.forward = lambda norm, x: (
        _norm(x, norm.weight, norm.bias) if x.dim() == 4
        else _norm(x[..., None], norm.weight, norm.bias)[..., 0])
    ResnetBlock2D.forward = _residual


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


@torch.no_grad()
@torch.autocast("cpu", dtype=torch.bfloat16)
def measure(vae, rng: random.Random) -> tuple[float, float]:
    """Mean and inverse deviation of what the encoder says of 256 pictures."""
    z = torch.cat([vae.encoder(pictures(rng, 64)[0]).chunk(2, dim=1)[0].float() for _ in range(4)])
    return z.mean().item(), 1 / z.std().item()


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("chameleon")
    arguments.add_argument("out")
    arguments.add_argument("--minutes", type=float, default=12)
    arguments.add_argument("--batch", type=int, default=32)
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--rate", type=float, default=1e-3)
    arguments.add_argument("--kl", type=float, default=1e-3)
    arguments.add_argument("--noise", type=float, default=0.15,
                           help="deviation of noise that the decoder has to live with")
    args = arguments.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(11)
    rng = random.Random(11)
    vae = model.build_vae()
    if os.path.exists(args.out):
        vae.load_state_dict(torch.load(args.out)["model"])
        rng = random.Random(12)
    else:
        from_chameleon(args.chameleon, vae, pictures(rng, 64)[0])
    vae = vae.to(memory_format=torch.channels_last)
    compile_group_norms()
    trained = list(vae.parameters())
    average = [p.detach().clone() for p in trained]
    optimizer = torch.optim.AdamW(trained, lr=args.rate, betas=(0.9, 0.98), weight_decay=0.01, fused=True)

    def save() -> None:
        """The averaged weights; their latents' mean and deviation are measured anew."""
        kept = [p.detach().clone() for p in trained]
        with torch.no_grad():
            torch._foreach_copy_(trained, average)
            shift, scale = measure(vae, random.Random(13))
            torch.save({"model": vae.state_dict(), "shift": shift, "scale": scale}, args.out)
            torch._foreach_copy_(trained, kept)
        print(f"saved; shift {shift:.4f} scale {scale:.4f}", flush=True)

    step, spent, last = 0, 0.0, time.time()
    budget = args.minutes * 60
    while spent < budget:
        optimizer.param_groups[0]["lr"] = args.rate * min(1.0, (step + 1) / 40) * (
            0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * spent / budget)))
        pixels, weight = pictures(rng, args.batch)
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            moments = vae.encoder(pixels)
        mean, logvar = moments.float().chunk(2, dim=1)
        logvar = logvar.clamp(-12, 4)
        kl = 0.5 * (mean.square() + logvar.exp() - 1 - logvar).mean()
        z = mean + torch.randn_like(mean) * (logvar.exp() + args.noise**2).sqrt()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            back = vae.decoder(z).float()
        error = back - pixels
        loss = (error.abs() * weight).mean() + (error.square() * weight).mean() + args.kl * kl
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        torch._foreach_lerp_(average, [p.detach() for p in trained], max(0.01, 1 / (step + 1)))
        step += 1
        now = time.time()
        if step > 3:  # the first steps compile
            spent += now - last
        last = now
        if step % 20 == 0:
            print(f"step {step} l1 {error.abs().mean():.4f} l2 {error.square().mean():.4f} kl {kl:.3f}"
                  f" size {mean.std():.3f} posterior {(0.5 * logvar).exp().mean():.3f}"
                  f" spent {spent / 60:.1f} min", flush=True)
        if step % 100 == 0:
            save()
            last = time.time()
    save()


if __name__ == "__main__":
    main()
