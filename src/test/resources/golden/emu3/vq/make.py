"""Writes long/ and plain/: tiny random picture coders of Emu3 and what transformers computes.

  python make.py

`long` folds four frames into one and attends at its second level with two heads, its tensors lie
below `model.vqmodel.`; `plain` has one level, one frame and attention in the middle alone, below
`vqmodel.` as transformers 4 wrote it. Weights are bfloat16, exact in float32.
"""

import json
import os

import numpy as np
import PIL
import torch
import transformers
from PIL import Image
from safetensors.torch import save_file
from transformers import Emu3VQVAE, Emu3VQVAEConfig
from transformers.models.emu3.image_processing_emu3 import Emu3ImageProcessor

HERE = os.path.dirname(os.path.abspath(__file__))
PICTURES = os.path.join(HERE, "..", "..", "janus", "pictures")
CLIP = dict()
HALF = dict(image_mean=[0.5, 0.5, 0.5], image_std=[0.5, 0.5, 0.5])

torch.set_num_threads(1)


def weight(generator, name, shape):
  draw = torch.randn(shape, generator=generator)
  if name.endswith("running_var"):
    draw = (draw * 0.3).exp()
  elif len(shape) == 1:
    draw = draw * 0.1 + (1.0 if "norm" in name and name.endswith("weight") else 0.0)
  elif name.endswith("embedding.weight"):
    draw = draw * 0.9
  elif "conv_y" in name or "conv_b" in name:
    draw = draw * 0.4
  else:
    # Of the taps in time most see zeros; and few codes would be met without the larger gain.
    gain = 3.0 if len(shape) == 5 or name == "encoder.conv_out.weight" else 1.2
    gain = 0.8 if name == "decoder.conv_out.weight" else gain
    draw = draw * gain / np.sqrt(np.prod(shape[1:]))
  # Few significant bits: exact in bfloat16, and small once packed.
  step = 2.0 ** np.floor(np.log2(float(draw.abs().max())) - 5)
  return (torch.round(draw / step) * step).to(torch.bfloat16)


def fill(model, seed):
  generator = torch.Generator().manual_seed(seed)
  state = {k: v if v.dtype == torch.int64 else weight(generator, k, tuple(v.shape))
           for k, v in sorted(model.state_dict().items())}
  model.load_state_dict({k: v if v.dtype == torch.int64 else v.float() for k, v in state.items()})
  return state


def margin(latents, codebook):
  flat = latents.permute(0, 2, 3, 4, 1).reshape(-1, latents.shape[1]).double()
  near = torch.topk(torch.cdist(flat, codebook.double()) ** 2, 2, dim=1, largest=False).values
  return float((near[:, 1] - near[:, 0]).min())


def make(folder, prefix, seed, processor, pictures, **kwargs):
  config = Emu3VQVAEConfig(**kwargs)
  model = Emu3VQVAE(config).eval()
  state = fill(model, seed)
  patch = 2 ** (len(config.channel_multiplier) - 1)
  tensors = {}
  facts = {"vq_config": json.loads(config.to_json_string()), "prefix": prefix,
           "image_mean": list(processor.image_mean), "image_std": list(processor.image_std),
           "versions": {m.__name__: m.__version__ for m in (torch, transformers, PIL, np)}}
  for name, width, height in pictures:
    image = Image.open(os.path.join(PICTURES, "cat_96x63.png")).convert("RGB")
    image = image.crop((20, 5, 20 + 3 * width, 5 + 3 * height))
    image = image.resize((width, height), Image.BICUBIC)
    pixels = np.array(image) / 255.0
    pixels = (pixels - processor.image_mean) / processor.image_std
    pixels = torch.from_numpy(pixels).permute(2, 0, 1).float()[None]
    seen = []
    handle = model.quant_conv.register_forward_hook(lambda m, a, out: seen.append(out))
    codes = model.encode(pixels, torch.tensor([[height, width]])).image_tokens[0]
    handle.remove()
    gap = margin(seen[0], model.quantize.embedding.weight)
    decoded = model.decode(codes[None])
    rgb = processor.postprocess([decoded[0]], return_tensors="PIL.Image.Image",
                                input_data_format="channels_first")["pixel_values"][0]
    rgb = np.asarray(rgb).copy()
    assert rgb.shape == (height, width, 3)
    facts[name] = {"codes": codes.flatten().tolist(), "rows": height // patch,
                   "columns": width // patch, "smallest_distance_margin": gap,
                   "distinct_codes": len(set(codes.flatten().tolist())),
                   "share_of_clipped_bytes": float(((rgb == 0) | (rgb == 255)).mean())}
    assert 0.01 < facts[name]["share_of_clipped_bytes"] < 0.6
    print(folder, name, facts[name], float(decoded.abs().max()))
    assert gap > 1e-3, "choose another seed: a code is nearly a tie"
    tensors.update({f"{name}.encode.pixels": pixels, f"{name}.decode.pixels": decoded,
                    f"{name}.decode.rgb": torch.tensor(rgb)})
  folder = os.path.join(HERE, folder)
  os.makedirs(folder, exist_ok=True)
  save_file({k: v.detach().contiguous().clone() for k, v in tensors.items()},
            os.path.join(folder, "expected.safetensors"))
  save_file({prefix + k: v for k, v in state.items()}, os.path.join(folder, "model.safetensors"),
            metadata={"format": "pt"})
  with open(os.path.join(folder, "case.json"), "w", newline="\n") as f:
    json.dump(facts, f, separators=(", ", ": "))
    f.write("\n")


with torch.no_grad():
  make("long", "model.vqmodel.", 5, Emu3ImageProcessor(**HALF),
       [("square", 12, 12), ("wide", 20, 8)], codebook_size=40, base_channels=32,
       channel_multiplier=[1, 1], num_res_blocks=1, attn_resolutions=[1], hidden_size=32,
       num_attention_heads=2, temporal_downsample_factor=4)
  make("plain", "vqmodel.", 6, Emu3ImageProcessor(**CLIP),
       # more positions than are looked up at once
       [("square", 6, 6), ("tall", 3, 7), ("lots", 19, 15)], codebook_size=24, base_channels=32,
       channel_multiplier=[1], num_res_blocks=1, attn_resolutions=[], hidden_size=32,
       temporal_downsample_factor=1)
