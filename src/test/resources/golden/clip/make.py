"""Writes a tiny random CLIP vision tower, and what transformers' CLIPVisionModel computes with it.

    python make.py     # torch 2.13.0, transformers 5.18.0

Sizes, activations and numbers of layers are in case.json. Weights are bfloat16, exact in float32.
"""

import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from transformers import CLIPVisionConfig, CLIPVisionModel

HERE = Path(__file__).parent
SIZES = dict(hidden_size=24, intermediate_size=40, num_hidden_layers=3, num_attention_heads=3,
             image_size=28, patch_size=7, projection_dim=8)
PREFIX = "vision_tower.vision_model."  # as the published files of LLaVA 1.5 have it


def weight(generator, name, shape):
    if len(shape) == 1:
        std, add = 0.2, 1.0 if "norm" in name and name.endswith("weight") else 0.0
    else:
        # wide enough for the two kinds of GELU to differ
        std, add = (0.5 if "position" in name else 1.6 / float(np.prod(shape[1:])) ** 0.5), 0.0
    step = 2.0 ** round(float(np.log2(std / 8)))
    return torch.round(torch.randn(shape, generator=generator) * std / step).clamp(-31, 31) * step + add


@torch.no_grad()
def main():
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(71)
    pixels = torch.randint(-48, 49, (2, 3, 28, 28), generator=generator) / 16.0
    tensors, state = {"pixel_values": pixels}, None
    for name in ("quick_gelu", "gelu"):
        config = CLIPVisionConfig(hidden_act=name, **SIZES)
        model = CLIPVisionModel(config).eval()
        if state is None:
            state = {k: weight(generator, k, tuple(v.shape)) for k, v in sorted(model.state_dict().items())}
        model.load_state_dict(state)
        states = model(pixels, output_hidden_states=True).hidden_states
        tensors[f"{name}.hidden_states"] = torch.stack(states)
    apart = tensors["gelu.hidden_states"] - tensors["quick_gelu.hidden_states"]
    print("the two kinds of GELU differ by up to", float(apart.abs().max()))
    stored = {PREFIX + k.removeprefix("vision_model."): v.to(torch.bfloat16) for k, v in state.items()}
    for k, v in stored.items():
        assert v.ndim == 0 or torch.equal(v.float(), next(
            s for n, s in state.items() if PREFIX + n.removeprefix("vision_model.") == k)), k
    save_file(stored, HERE / "model.safetensors", metadata={"format": "pt"})
    save_file({k: v.contiguous() for k, v in tensors.items()}, HERE / "expected.safetensors")
    (HERE / "case.json").write_text(json.dumps(dict(SIZES, layer_norm_eps=config.layer_norm_eps),
                                               indent=1) + "\n")
    print({k: tuple(v.shape) for k, v in stored.items() if "layers.1" in k or "layers" not in k})


if __name__ == "__main__":
    main()
