"""The authors' generation code on a CPU, in float32, for pictures of 4x4 codes.

The modules of chameleon/inference are loaded from a clone of facebookresearch/chameleon. What they
need of a GPU is replaced: the three operations of xformers by plain statements of what xformers
documents, "cuda" by "cpu", the CUDA graph by the call itself, bfloat16 by float32; and the picture
of 1024 codes (32x32 of 512 pixels) by one of 16 (4x4 of 8). Nothing else is changed.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import sys
import types
from dataclasses import dataclass
from pathlib import Path

import torch

CODES = 16
REPLACED = {
    "chameleon.py": [("1024", "16"), ("1026", "18")],
    "image_tokenizer.py": [("target_image_size=512", "target_image_size=8"),
                           ("(1, 32, 32, emb_dim)", "(1, 4, 4, emb_dim)")],
    "model_adapter.py": [('device="cuda"', 'device="cpu"'),
                         ("cudagraph_wrap(self._model.forward_with_attn_bias)",
                          "self._model.forward_with_attn_bias")],
    "transformer.py": [("torch.bfloat16", "torch.float32")],
    "loader.py": [("torch.bfloat16", "torch.float32")],
}


class RMSNorm(torch.nn.Module):
    """x / sqrt(mean(x^2) + eps) * weight."""

    def __init__(self, dim, eps=1e-6):
        super().__init__()
        self.eps = eps
        self.weight = torch.nn.Parameter(torch.ones(dim))

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps) * self.weight


@dataclass
class Queries:
    """Where each sequence's queries begin in the flat batch."""
    seqstart: torch.Tensor
    max_seqlen: int
    seqstart_py: list


@dataclass
class Keys:
    """Each sequence has `padding` places for keys, of which the first `seqlen` are in use."""
    seqlen: torch.Tensor
    padding: int


class BlockDiagonalCausalWithOffsetPaddedKeysMask:
    """Sequences attend to themselves alone; the last query sees all of its sequence's keys."""

    def __init__(self, q_seqlen, kv_seqlen, kv_padding):
        starts = [0]
        for length in q_seqlen:
            starts.append(starts[-1] + length)
        self.q_seqinfo = Queries(torch.tensor(starts, dtype=torch.int), max(q_seqlen), starts)
        self.k_seqinfo = Keys(torch.tensor(kv_seqlen, dtype=torch.int), kv_padding)

    @classmethod
    def from_seqlens(cls, q_seqlen, kv_padding, kv_seqlen):
        return cls(q_seqlen, kv_seqlen, kv_padding)

    def sequences(self):
        """(first query, queries, first key, keys) of each."""
        starts = self.q_seqinfo.seqstart.tolist()
        for i, keys in enumerate(self.k_seqinfo.seqlen.tolist()):
            yield starts[i], starts[i + 1] - starts[i], i * self.k_seqinfo.padding, keys


def rope_padded(xq, xk, xv, cache_k, cache_v, attn_bias, theta):
    """Turns neighbouring pairs by position * theta^(-2i/K); writes the new keys and values."""
    size = xq.shape[-1]
    turns = theta ** (-torch.arange(0, size, 2).float() / size)

    def turn(x, positions):
        angle = positions[:, None, None].float() * turns
        a, b = x[..., 0::2], x[..., 1::2]
        return torch.stack([a * angle.cos() - b * angle.sin(),
                            a * angle.sin() + b * angle.cos()], -1).flatten(-2)

    out = torch.empty_like(xq)
    for q, n, k, keys in attn_bias.sequences():
        positions = torch.arange(keys - n, keys)
        out[0, q:q + n] = turn(xq[0, q:q + n], positions)
        cache_k[0, k + keys - n:k + keys] = turn(xk[0, q:q + n], positions)
        cache_v[0, k + keys - n:k + keys] = xv[0, q:q + n]
    return out


def memory_efficient_attention_forward(query, key, value, attn_bias):
    """softmax(q k^T / sqrt(K)) v under the mask; [1, M, G, H / G, K]."""
    out = torch.empty_like(query)
    for q, n, k, keys in attn_bias.sequences():
        scores = torch.einsum("mghk,nghk->ghmn", query[0, q:q + n], key[0, k:k + keys])
        scores = scores / query.shape[-1] ** 0.5
        seen = torch.ones(n, keys, dtype=torch.bool).tril(keys - n)
        weights = scores.masked_fill(~seen, float("-inf")).softmax(-1)
        out[0, q:q + n] = torch.einsum("ghmn,nghk->mghk", weights, value[0, k:k + keys])
    return out


class _Patched(importlib.machinery.SourceFileLoader):
    def get_data(self, path):
        text = super().get_data(path)
        if not path.endswith(".py"):
            return text
        text = text.decode("utf-8")
        for old, new in REPLACED.get(Path(path).name, []):
            assert old in text, f"{path} has no {old}"
            text = text.replace(old, new)
        return text.encode("utf-8")

    def path_stats(self, path):
        raise OSError("no compiled files: the source is patched")


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, repository):
        self.repository = Path(repository)

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] != "chameleon":
            return None
        base = self.repository.joinpath(*name.split("."))
        if base.is_dir():
            file = str(base / "__init__.py")
            return importlib.util.spec_from_file_location(
                name, file, loader=_Patched(name, file), submodule_search_locations=[str(base)])
        file = str(base) + ".py"
        return importlib.util.spec_from_file_location(name, file, loader=_Patched(name, file))


def load(repository):
    """The modules chameleon.inference.chameleon and .loader of a clone."""
    ops = types.ModuleType("xformers.ops")
    ops.RMSNorm, ops.rope_padded = RMSNorm, rope_padded
    ops.fmha = types.ModuleType("xformers.ops.fmha")
    ops.fmha.memory_efficient_attention_forward = memory_efficient_attention_forward
    bias = types.ModuleType("xformers.ops.fmha.attn_bias")
    bias.BlockDiagonalCausalWithOffsetPaddedKeysMask = BlockDiagonalCausalWithOffsetPaddedKeysMask
    sys.modules.update({"xformers": types.ModuleType("xformers"), "xformers.ops": ops,
                        "xformers.ops.fmha": ops.fmha, "xformers.ops.fmha.attn_bias": bias})
    sys.dont_write_bytecode = True
    sys.meta_path.insert(0, _Finder(repository))
    from chameleon.inference import chameleon, loader
    return chameleon, loader
