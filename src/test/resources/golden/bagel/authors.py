"""The authors' BAGEL on a CPU, in float32.

The modules are loaded from a clone of ByteDance-Seed/Bagel. What they need of a GPU is replaced:
flash-attn's variable-length attention by its maths, a dense attention for every segment, and the
casts to bfloat16 of the two models by float32, which their weights here hold exactly. The VAE gives
the mean of what it encodes, where the authors add noise. Nothing else is changed.
"""

import importlib.machinery
import sys
import types

import torch


def attention(q, k, v, cu_seqlens_q, cu_seqlens_k, max_seqlen_q, max_seqlen_k, causal):
    """q: [all queries, H, K], k, v: [all keys, G, K]; segment i has the rows cu[i] to cu[i + 1]."""
    out = torch.empty_like(q)
    for i in range(len(cu_seqlens_q) - 1):
        rows = slice(int(cu_seqlens_q[i]), int(cu_seqlens_q[i + 1]))
        keys = slice(int(cu_seqlens_k[i]), int(cu_seqlens_k[i + 1]))
        groups = q.shape[1] // k.shape[1]
        a = q[rows].transpose(0, 1)
        b = k[keys].transpose(0, 1).repeat_interleave(groups, 0)
        scores = a @ b.transpose(1, 2) * q.shape[2] ** -0.5
        if causal:
            # The last query sees all keys: flash-attn aligns the triangle at the bottom right.
            T, S = scores.shape[1:]
            seen = torch.ones(T, S, dtype=torch.bool).tril(S - T)
            scores = scores.masked_fill(~seen, -torch.inf)
        values = v[keys].transpose(0, 1).repeat_interleave(groups, 0)
        out[rows] = (scores.softmax(-1) @ values).transpose(0, 1)
    return out


class Float32:
    """torch, whose bfloat16 is float32."""

    bfloat16 = torch.float32

    def __getattr__(self, name):
        return getattr(torch, name)


def load(clone):
    """The clone's modules, importable from then on."""
    # cv2 is asked for by augmentations of training alone.
    for name in ("flash_attn", "cv2"):
        sys.modules[name] = types.ModuleType(name)
        sys.modules[name].__spec__ = importlib.machinery.ModuleSpec(name, None)
    sys.modules["flash_attn"].flash_attn_varlen_func = attention
    sys.path.insert(0, clone)
    from modeling.bagel import qwen2_navit, siglip_navit
    qwen2_navit.torch = Float32()
    siglip_navit.torch = Float32()
