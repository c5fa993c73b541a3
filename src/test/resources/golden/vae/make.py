"""Writes sd/, flux/ and old/: tiny random KL coders and what diffusers computes with them.

  python make.py

`sd` lies there twice, as diffusers saves it and with the names that Stable Diffusion's own files
have; `flux` has FLUX's names and no 1x1 convolutions at the latents; `old` has the attention of
diffusers before 0.18. Original names are turned back by diffusers' own conversion before anything is
written, and must give the same tensors. Weights are bfloat16, exact in float32. published.json has
names and shapes of the coders of SDXL and FLUX.
"""

import json
import os
import re

import diffusers
import numpy as np
import torch
from diffusers import AutoencoderKL
from diffusers.image_processor import VaeImageProcessor
from diffusers.loaders.single_file_utils import convert_ldm_vae_checkpoint
from safetensors.torch import save_file

HERE = os.path.dirname(os.path.abspath(__file__))
CODERS = {
    "sd": dict(block_out_channels=(8, 16, 16), layers_per_block=2, latent_channels=4,
               norm_num_groups=8, sample_size=32, scaling_factor=0.18215),
    "flux": dict(block_out_channels=(8, 16), layers_per_block=1, latent_channels=6,
                 norm_num_groups=8, sample_size=16, scaling_factor=0.3611, shift_factor=0.1159,
                 use_quant_conv=False, use_post_quant_conv=False),
    "old": dict(block_out_channels=(8, 8), layers_per_block=1, latent_channels=2,
                norm_num_groups=4, sample_size=16, scaling_factor=0.13025),
    "bare": dict(block_out_channels=(8,), layers_per_block=1, latent_channels=2, norm_num_groups=4,
                 sample_size=16, mid_block_add_attention=False, use_quant_conv=False),
}
# rows and columns of latents: within a tile, wide and beyond it, tall
GRIDS = {"sd": ((8, 8), (13, 21), (11, 3)), "flux": ((6, 10), (20, 17)), "old": ((5, 7),),
         "bare": ((9, 4),)}

torch.set_num_threads(1)
torch.set_grad_enabled(False)


def weight(generator, name, shape):
  draw = torch.randn(shape, generator=generator)
  if len(shape) == 1:
    draw = draw * 0.2 + (1.0 if "norm" in name and name.endswith("weight") else 0.0)
  else:
    gain = 2.0 if "to_q" in name or "to_k" in name else 1.2
    gain = 0.4 if name == "decoder.conv_out.weight" else gain
    draw = draw * gain / np.sqrt(np.prod(shape[1:]))
  # Few significant bits: exact in bfloat16, and small once packed.
  step = 2.0 ** np.floor(np.log2(float(draw.abs().max())) - 5)
  return (torch.round(draw / step) * step).to(torch.bfloat16)


def original(state, levels):
  """diffusers' names to those of Stable Diffusion's and FLUX's own files."""
  out = {}
  for name, value in state.items():
    n = re.sub(r"down_blocks\.(\d+)\.resnets\.(\d+)", r"down.\1.block.\2", name)
    n = re.sub(r"down_blocks\.(\d+)\.downsamplers\.0", r"down.\1.downsample", n)
    n = re.sub(r"up_blocks\.(\d+)\.resnets\.(\d+)",
               lambda m: f"up.{levels - 1 - int(m[1])}.block.{m[2]}", n)
    n = re.sub(r"up_blocks\.(\d+)\.upsamplers\.0",
               lambda m: f"up.{levels - 1 - int(m[1])}.upsample", n)
    n = re.sub(r"mid_block\.resnets\.(\d)", lambda m: f"mid.block_{int(m[1]) + 1}", n)
    n = n.replace("mid_block.attentions.0.", "mid.attn_1.").replace("conv_norm_out", "norm_out")
    n = n.replace("conv_shortcut", "nin_shortcut")
    if "attn_1" in n:
      n = n.replace("group_norm", "norm").replace("to_out.0", "proj_out").replace("to_", "")
      value = value[:, :, None, None] if value.ndim == 2 else value
    out[n] = value
  return out


def old(state):
  pairs = (("to_q", "query"), ("to_k", "key"), ("to_v", "value"), ("to_out.0", "proj_attn"))
  out = {}
  for name, value in state.items():
    for new, before in pairs:
      name = name.replace(new, before) if "attentions" in name else name
    out[name] = value
  return out


def compute(coder, grids, seed):
  generator = torch.Generator().manual_seed(seed)
  config, tensors = coder.config, {}
  patch = 2 ** (len(config.block_out_channels) - 1)
  shift = config.shift_factor or 0.0
  for y, x in grids:
    key = f"{y}x{x}."
    # Half whole numbers: short once packed.
    pixels = torch.randint(-64, 65, (1, 3, y * patch, x * patch), generator=generator) / 64.0
    noise = torch.randint(-128, 129, (1, config.latent_channels, y, x), generator=generator) / 64.0
    posterior = coder.encode(pixels).latent_dist
    latents = (posterior.mean - shift) * config.scaling_factor
    sampled = (posterior.mean + posterior.std * noise - shift) * config.scaling_factor
    z = sampled / config.scaling_factor + shift
    decoded = coder.decode(z).sample
    tensors[key + "pixels"] = pixels
    tensors[key + "noise"] = noise
    tensors[key + "mean"] = posterior.mean
    tensors[key + "logvar"] = posterior.logvar
    tensors[key + "latents"] = latents
    tensors[key + "sampled"] = sampled
    tensors[key + "decoded"] = decoded
    pil = VaeImageProcessor().postprocess(decoded, output_type="pil")[0]
    tensors[key + "rgb"] = torch.from_numpy(np.array(pil))
    if max(y, x) > coder.tile_latent_min_size:
      coder.enable_tiling()
      tensors[key + "tiled"] = coder.decode(z).sample
      coder.disable_tiling()
  return tensors


facts = dict(diffusers=diffusers.__version__, torch=torch.__version__)
for i, (name, sizes) in enumerate(CODERS.items()):
  levels = len(sizes["block_out_channels"])
  coder = AutoencoderKL(down_block_types=("DownEncoderBlock2D",) * levels,
                        up_block_types=("UpDecoderBlock2D",) * levels, **sizes).eval().requires_grad_(False)
  generator = torch.Generator().manual_seed(40 + i)
  state = {k: weight(generator, k, tuple(v.shape)) for k, v in sorted(coder.state_dict().items())}
  coder.load_state_dict({k: v.float() for k, v in state.items()})
  folder = os.path.join(HERE, name)
  os.makedirs(folder, exist_ok=True)
  coder.save_config(folder)
  if name != "bare":
    renamed = original(state, levels)
    back = convert_ldm_vae_checkpoint(dict(renamed), coder.config)
    assert back.keys() == state.keys() and all(torch.equal(back[k], state[k]) for k in state), name
  weights = os.path.join(folder, "diffusion_pytorch_model.safetensors")
  if name in ("sd", "bare"):
    save_file(state, weights, metadata={"format": "pt"})
  if name == "sd":
    save_file({"first_stage_model." + k: v.contiguous() for k, v in renamed.items()},
              os.path.join(folder, "original.safetensors"))
  if name == "flux":
    save_file({k: v.contiguous() for k, v in renamed.items()},
              os.path.join(folder, "ae.safetensors"))
  if name == "old":
    save_file(old(state), weights, metadata={"format": "pt"})
    read = AutoencoderKL.from_pretrained(folder)
    assert all(torch.equal(v, state[k].float()) for k, v in read.state_dict().items())
  if name == "old":
    # As optimum writes vae_decoder/model.onnx: opset 18, every size but the channels open.
    class Decoder(torch.nn.Module):
      def forward(self, latent_sample):
        return coder.decode(latent_sample, return_dict=False)[0]

    axes = {0: "batch_size", 2: "height", 3: "width"}
    torch.onnx.export(Decoder(), (torch.zeros(2, 2, 6, 5),), os.path.join(folder, "decoder.onnx"),
                      input_names=["latent_sample"], output_names=["sample"], opset_version=18,
                      dynamic_axes={"latent_sample": axes, "sample": axes}, dynamo=False)
  tensors = compute(coder, GRIDS[name], 70 + i)
  save_file({k: v.contiguous() for k, v in tensors.items()},
            os.path.join(folder, "expected.safetensors"))
  print(name, sum(v.numel() for v in state.values()),
        {k: (round(float(v.float().min()), 3), round(float(v.float().max()), 3)) for k, v in tensors.items()})

# Names and shapes alone, of coders as they are published.
published = {}
for name, sizes, renames in (
    ("sdxl", dict(block_out_channels=(128, 256, 512, 512), layers_per_block=2), False),
    ("flux", dict(block_out_channels=(128, 256, 512, 512), layers_per_block=2, latent_channels=16,
                  use_quant_conv=False, use_post_quant_conv=False), True)):
  with torch.device("meta"):
    coder = AutoencoderKL(down_block_types=("DownEncoderBlock2D",) * 4,
                          up_block_types=("UpDecoderBlock2D",) * 4, **sizes)
  state = original(coder.state_dict(), 4) if renames else coder.state_dict()
  published[name] = {k: list(v.shape) for k, v in sorted(state.items())}
with open(os.path.join(HERE, "published.json"), "w") as out:
  json.dump(published, out, separators=(",", ":"))
  out.write("\n")

with open(os.path.join(HERE, "case.json"), "w") as out:
  json.dump(facts, out, indent=1)
  out.write("\n")
