"""Writes what diffusers' tiled encoder gives for the coder in ../sd: moments of one picture.

  python make.py

Tiles of the coder's own size and of another; pixels are those of ../sd/expected.safetensors.
"""

import os

import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file, save_file

HERE = os.path.dirname(os.path.abspath(__file__))
GRID = "13x21"
TILES = (8, 12)

torch.set_num_threads(1)
torch.set_grad_enabled(False)

folder = os.path.join(HERE, "..", "sd")
coder = AutoencoderKL.from_pretrained(folder, torch_dtype=torch.float32).eval()
pixels = load_file(os.path.join(folder, "expected.safetensors"))[GRID + ".pixels"]
patch = 2 ** (len(coder.config.block_out_channels) - 1)
tensors = {}
for tile in TILES:
  coder.enable_tiling()
  coder.tile_sample_min_size, coder.tile_latent_min_size = tile * patch, tile
  posterior = coder.encode(pixels).latent_dist
  tensors[f"{GRID}.{tile}.mean"] = posterior.mean.contiguous()
  tensors[f"{GRID}.{tile}.logvar"] = posterior.logvar.contiguous()
  coder.disable_tiling()
  whole = coder.encode(pixels).latent_dist.mean
  print(tile, float((posterior.mean - whole).abs().max()))
save_file(tensors, os.path.join(HERE, "expected.safetensors"))
