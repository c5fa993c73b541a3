"""Draws and tells stories with the three rows of guidance that the paper's authors use, which
transformers lacks: the whole context, its pictures alone, and nothing.

Many requests at once, each in its own state (words, picture, done). Every request owns three rows of
a cache; a row that is not fed in a step has that column hidden, and positions count what is visible.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

import model
import train
import words
from train import BOI, BOS, EOI, EOS

CODES = slice(words.FIRST_CODE, words.FIRST_CODE + words.CODES)


class Rows:
    """A cached forward pass of R rows, the arithmetic of transformers' Chameleon in float32."""

    def __init__(self, chameleon, count: int, capacity: int):
        self.m, self.head = chameleon.model, chameleon.lm_head
        self.cache = torch.zeros(len(self.m.layers), 2, count, 4, capacity, model.HEAD)
        self.visible = torch.zeros(count, capacity, dtype=torch.bool)
        self.position = torch.zeros(count, dtype=torch.long)
        self.cos, self.sin, _ = train.rotation(capacity)
        self.at = 0

    def feed(self, ids: torch.Tensor, shown: torch.Tensor) -> torch.Tensor:
        """Ids [R, n] of which `shown` are seen; logits [R, V] after the last."""
        r, n = ids.shape
        positions = (self.position[:, None] + shown.cumsum(1) - 1).clamp_min(0)
        self.position = self.position + shown.sum(1)
        begin, end = self.at, self.at + n
        self.at = end
        self.visible[:, begin:end] = shown
        order = torch.arange(end)[None, :] <= torch.arange(begin, end)[:, None]
        mask = torch.where(self.visible[:, None, None, :end] & order, 0.0, -1e9)
        cos, sin = self.cos[positions][:, None], self.sin[positions][:, None]
        x = self.m.embed_tokens(ids)
        for layer, (keys, values) in zip(self.m.layers, self.cache):
            a, f = layer.self_attn, layer.mlp
            h = train.rms(x, layer.input_layernorm.weight)
            q, k, v = (p(h).view(r, n, 4, model.HEAD) for p in (a.q_proj, a.k_proj, a.v_proj))
            q = train.rotate(train.headed(q, a.q_norm.weight, a.q_norm.bias), cos, sin)
            keys[:, :, begin:end] = train.rotate(
                train.headed(k, a.k_norm.weight, a.k_norm.bias), cos, sin)
            values[:, :, begin:end] = v.transpose(1, 2)
            scores = q @ keys[:, :, :end].transpose(-1, -2) * model.HEAD**-0.5 + mask
            h = scores.softmax(-1) @ values[:, :, :end]
            x = x + a.o_proj(h.transpose(1, 2).reshape(r, n, -1))
            h = train.rms(x, layer.post_attention_layernorm.weight)
            x = x + f.down_proj(F.silu(f.gate_proj(h)) * f.up_proj(h))
        return self.head(train.rms(x[:, -1], self.m.norm.weight))


@torch.no_grad()
def sample(chameleon, prompts: list[list[int]], draw: bool, text_scale: float, image_scale: float,
           temperature: float, text_temperature: float = 0.0, longest: int = 300) -> list[list]:
    """For every prompt of ids the answer: texts as lists of ids, pictures as tensors of codes.
    `draw` asks for one picture and nothing else."""
    b = len(prompts)
    length = max(map(len, prompts))
    rows = Rows(chameleon, 3 * b, length + longest + 8)
    ids = torch.full((3 * b, length), words.ID[words.PAD])
    shown = torch.zeros(3 * b, length, dtype=torch.bool)
    image_like = {BOS, BOI, EOI, *range(CODES.start, CODES.stop)}
    for i, prompt in enumerate(prompts):
        for row, kept in ((i, prompt), (b + i, [t for t in prompt if t in image_like]), (2 * b + i, [BOS])):
            ids[row, length - len(kept):] = torch.tensor(kept)
            shown[row, length - len(kept):] = True
    begun = length - 1  # the column of the last rows' <s>
    logits = rows.feed(ids, shown)
    allowed = torch.full((logits.shape[1],), -1e30)
    allowed[len(words.NAMES):] = 0.0
    allowed[[EOS, BOI]] = 0.0
    answers: list[list] = [[] for _ in range(b)]
    drawn = [-1] * b  # codes of the picture that is being drawn; -1 while words are said
    done = [False] * b
    while not all(done) and rows.at < length + longest:
        full, image, empty = logits.view(3, b, -1)
        guided = empty + image_scale * (image - empty) + text_scale * (full - image)
        codes = torch.multinomial((guided[:, CODES] / temperature).softmax(-1), 1)[:, 0]
        said = full + allowed
        if text_temperature:
            said = torch.multinomial((said / text_temperature).softmax(-1), 1)[:, 0]
        else:
            said = said.argmax(-1)
        ids = torch.full((3 * b, 1), words.ID[words.PAD])
        shown = torch.zeros(3 * b, 1, dtype=torch.bool)
        for i in range(b):
            if done[i]:
                continue
            if drawn[i] < 0:
                token = BOI if draw else int(said[i])
                if token == EOS:
                    done[i] = True
                    continue
                if token == BOI:
                    drawn[i] = 0
                    answers[i].append(torch.zeros(model.TOKENS, dtype=torch.long))
                    rows.visible[2 * b + i] = False
                    rows.visible[2 * b + i, begun] = True
                    rows.position[2 * b + i] = 1
                elif not answers[i] or isinstance(answers[i][-1], torch.Tensor):
                    answers[i].append([token])
                else:
                    answers[i][-1].append(token)
            elif drawn[i] < model.TOKENS:
                answers[i][-1][drawn[i]] = codes[i]
                token = words.FIRST_CODE + int(codes[i])
                drawn[i] += 1
            else:
                token, drawn[i] = EOI, -1
                done[i] = draw
            for row in (i, b + i, 2 * b + i):
                ids[row] = token
                shown[row] = row == i or token in image_like
        logits = rows.feed(ids, shown)
    return answers
