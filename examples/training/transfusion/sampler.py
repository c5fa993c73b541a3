"""Answers with words and pictures: what Diptych does, in the plainest way, many requests at once.

A request is a list of parts, ids and latents [64, C]; <boi> and <eoi> are ids of their own. Words are
greedy. Before a picture up to three contexts are run once and their keys and values kept: all of it,
its pictures alone, and nothing; every step runs the noisy patches over them.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from diffusers import FlowMatchEulerDiscreteScheduler

import model
import train
from train import BOI, BOS, EOI, EOS, PAD, SEP


class Contexts:
    """Keys and values of R contexts, padded in front."""

    def __init__(self, transfusion: model.Transfusion, contexts: list[list], room: int):
        self.t = transfusion
        widths = [sum(model.PATCHES if isinstance(p, torch.Tensor) else 1 for p in c) for c in contexts]
        r, n = len(contexts), max(widths)
        embeddings = torch.zeros(r, n, model.HIDDEN)
        inside = torch.full((r, n), -1)
        self.shown = torch.zeros(r, n + room, dtype=torch.bool)
        self.cache = torch.zeros(
            len(transfusion.model.layers), 2, r, 4, n + room, model.HEAD)
        self.cos, self.sin = train.rotation(n + room)
        for i, (context, width) in enumerate(zip(contexts, widths)):
            at = n - width
            self.shown[i, at:n] = True
            ids = [PAD if isinstance(p, torch.Tensor) else p for p in context]
            row = transfusion.model.embed_tokens(torch.tensor(ids))
            for k, part in enumerate(context):
                if isinstance(part, torch.Tensor):
                    embeddings[i, at : at + model.PATCHES] = self.clean(part[None])[0]
                    inside[i, at : at + model.PATCHES] = k
                    at += model.PATCHES
                else:
                    embeddings[i, at] = row[k]
                    at += 1
        self.at = 0
        self.position = torch.zeros(r, dtype=torch.long)
        self.hidden = self.run(embeddings, inside, self.shown[:, :n], keep=True)[:, -1]

    def clean(self, latents: torch.Tensor) -> torch.Tensor:
        return self.t.patches(latents, torch.zeros(len(latents)))

    def run(self, x: torch.Tensor, inside: torch.Tensor, fed: torch.Tensor, keep: bool) -> torch.Tensor:
        """Embeddings [R, n, D] of which `fed` are there; the last hidden states [R, n, D]. `inside`
        numbers the pictures. What is not kept is overwritten by the next call."""
        r, n = inside.shape
        begin, end = self.at, self.at + n
        positions = (self.position[:, None] + fed.cumsum(1) - 1).clamp_min(0)
        self.shown[:, begin:end] = fed
        seen = self.shown[:, None, :end] & (torch.arange(end) <= torch.arange(begin, end)[:, None])
        seen[:, :, begin:] |= (inside[:, :, None] == inside[:, None]) & (inside >= 0)[:, None]
        mask = torch.where(seen, 0.0, -1e9)[:, None]
        cos, sin = self.cos[positions][:, None], self.sin[positions][:, None]
        m = self.t.model
        for layer, (keys, values) in zip(m.layers, self.cache):
            a, f = layer.self_attn, layer.mlp
            h = train.rms(x, layer.input_layernorm.weight)
            q, k, v = (p(h).view(r, n, 4, model.HEAD).transpose(1, 2) for p in (a.q_proj, a.k_proj, a.v_proj))
            q, keys[:, :, begin:end] = train.rotate(q, cos, sin), train.rotate(k, cos, sin)
            values[:, :, begin:end] = v
            h = F.scaled_dot_product_attention(q, keys[:, :, :end], values[:, :, :end], mask)
            x = x + a.o_proj(h.transpose(1, 2).reshape(r, n, -1))
            h = train.rms(x, layer.post_attention_layernorm.weight)
            x = x + f.down_proj(F.silu(f.gate_proj(h)) * f.up_proj(h))
        if keep:
            self.at, self.position = end, self.position + fed.sum(1)
        return train.rms(x, m.norm.weight)

    def velocity(self, latents: torch.Tensor, time: float) -> torch.Tensor:
        """Of noisy latents [R, 64, C] that follow the contexts."""
        inside = torch.zeros(latents.shape[:2], dtype=torch.long)
        x = self.t.patches(latents, torch.full((len(latents),), time))
        return self.t.patch_out.proj(self.run(x, inside, inside == 0, keep=False))


def alone(context: list) -> list:
    """The context's pictures without its words."""
    found: list = [BOS]
    for part in context:
        if isinstance(part, torch.Tensor):
            found += [BOI, part, EOI]
    return found + [SEP, BOI]


@torch.no_grad()
def draw(transfusion, contexts: list[list], steps: int, shift: float, text_scale: float,
         image_scale: float, generator: torch.Generator) -> torch.Tensor:
    """Latents [B, 64, C] of a picture that follows each context, which ends with <boi>."""
    b = len(contexts)
    seeing = any(isinstance(p, torch.Tensor) for c in contexts for p in c)
    rows = list(contexts) + ([alone(c) for c in contexts] if seeing else []) + [[BOS, SEP, BOI]] * b
    caches = Contexts(transfusion, rows, model.PATCHES)
    scheduler = FlowMatchEulerDiscreteScheduler(shift=shift)
    scheduler.set_timesteps(steps)
    x = torch.randn(b, model.PATCHES, model.CHANNELS, generator=generator)
    for time in scheduler.timesteps:
        parts = caches.velocity(x.repeat(len(rows) // b, 1, 1), float(time)).split(b)
        velocity = parts[-1] + image_scale * (parts[1] - parts[-1]) + text_scale * (parts[0] - parts[1])
        x = scheduler.step(velocity, time, x).prev_sample
    return x


@torch.no_grad()
def say(transfusion, contexts: list[list], longest: int) -> list[list[int]]:
    """The greedy words that follow each context, up to and with <boi> or </s>."""
    caches = Contexts(transfusion, contexts, longest)
    hidden, said = caches.hidden, [[] for _ in contexts]
    inside = torch.full((len(contexts), 1), -1)
    for _ in range(longest):
        ids = transfusion.lm_head(hidden).argmax(-1)
        going = torch.tensor([not s or s[-1] not in (BOI, EOS) for s in said])
        for s, i, more in zip(said, ids.tolist(), going.tolist()):
            if more:
                s.append(i)
        if all(s[-1] in (BOI, EOS) for s in said):
            break
        x = transfusion.model.embed_tokens(ids)[:, None]
        hidden = caches.run(x, inside, going[:, None], keep=True)[:, -1]
    return said


def plan(transfusion, contexts: list[list], longest: int = 48) -> list[list[int]]:
    """What the model says before it draws, <boi> at the end; <boi> alone where it says nothing."""
    said = say(transfusion, contexts, longest)
    return [ids[:-1] + [BOI] if ids[-1] in (BOI, EOS) else [BOI] for ids in said]


def tell(transfusion, contexts: list[list], settings, generator, longest: int = 40,
         most: int = 4) -> list[list]:
    """Words and pictures as they come: for every context ids and latents."""
    told: list[list] = [[] for _ in contexts]
    going = list(range(len(contexts)))
    for _ in range(most):
        for i, ids in zip(going, say(transfusion, [contexts[i] + told[i] for i in going], longest)):
            told[i] += ids
        going = [i for i in going if told[i][-1] == BOI]
        if not going:
            break
        drawn = draw(transfusion, [contexts[i] + told[i] for i in going], *settings, generator)
        for i, latents in zip(going, drawn):
            told[i] += [latents, EOI]
    return told
