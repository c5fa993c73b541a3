"""Writes meta/ and hf/: tiny random VQ coders of Chameleon and what the references compute.

  python make.py CLONE      # CLONE: facebookresearch/chameleon@dbbe47f, for chameleon/inference

meta/vqgan.ckpt is a pickle as Meta's download has it: encoder, decoder and the losses of training,
no prefix. Encoder, decoder and pixels to bytes are computed by the authors' vqgan.py and
image_tokenizer.py; transformers' ChameleonVQVAE must give the same codes from the same weights.
hf/model.safetensors is what transformers' ChameleonVQVAE saves below `model.vqmodel.`: no decoder,
but post_quant_conv. Its codes are transformers' own. Weights are bfloat16, exact in float32.
"""

import json
import os
import sys
import types

import numpy as np
import PIL
import torch
import transformers
from PIL import Image
from safetensors.torch import save_file
from transformers import ChameleonVQVAEConfig
from transformers.models.chameleon.modeling_chameleon import ChameleonVQVAE

HERE = os.path.dirname(os.path.abspath(__file__))
PICTURES = os.path.join(HERE, "..", "..", "janus", "pictures")
SOURCE = "facebookresearch/chameleon@dbbe47fdbc7a3cc4982ae931fea75e227262e70a"
SEED = 11

# Attention at the half size, in encoder and decoder, so that its names are bound, too.
META = dict(embed_dim=6, n_embed=64, ddconfig=dict(
    double_z=False, z_channels=10, resolution=12, in_channels=3, out_ch=3, ch=32, ch_mult=[1, 1],
    num_res_blocks=1, attn_resolutions=[6], dropout=0.0))
HF = dict(embed_dim=5, num_embeddings=48, latent_channels=7, resolution=6, base_channels=32,
          channel_multiplier=[1], num_res_blocks=1, attn_resolutions=None)

torch.set_num_threads(1)


def weight(generator, name, shape):
  if len(shape) == 1:
    draw = torch.randn(shape, generator=generator) * 0.1
    draw = draw + (1.0 if name.endswith("weight") else 0.0)
  elif name.endswith("embedding.weight"):
    draw = torch.randn(shape, generator=generator) * 0.9
  else:
    draw = torch.randn(shape, generator=generator) * 1.2 / np.sqrt(np.prod(shape[1:]))
  # Few significant bits: exact in bfloat16, and small once packed.
  step = 2.0 ** np.floor(np.log2(float(draw.abs().max())) - 5)
  return (torch.round(draw / step) * step).to(torch.bfloat16)


def fill(model, seed):
  generator = torch.Generator().manual_seed(seed)
  state = {k: weight(generator, k, tuple(v.shape)) for k, v in sorted(model.state_dict().items())}
  model.load_state_dict({k: v.float() for k, v in state.items()})
  model.eval()
  return state


def picture(width, height):
  """A piece of a photograph as the coder reads it: x / 255 * 2 - 1."""
  image = Image.open(os.path.join(PICTURES, "cat_96x63.png")).convert("RGB")
  image = image.crop((20, 5, 20 + 4 * width, 5 + 4 * height)).resize((width, height), Image.BICUBIC)
  pixels = np.array(image) / 255.0 * 2 - 1
  return torch.from_numpy(pixels).permute(2, 0, 1).float()[None]


def margin(latents, codebook):
  flat = latents.permute(0, 2, 3, 1).reshape(-1, latents.shape[1]).double()
  near = torch.topk(torch.cdist(flat, codebook.double()) ** 2, 2, dim=1, largest=False).values
  return float((near[:, 1] - near[:, 0]).min())


def write(folder, tensors, facts):
  folder = os.path.join(HERE, folder)
  os.makedirs(folder, exist_ok=True)
  save_file({k: v.detach().contiguous().clone() for k, v in tensors.items()},
            os.path.join(folder, "expected.safetensors"))
  with open(os.path.join(folder, "case.json"), "w", newline="\n") as f:
    json.dump(facts, f, separators=(", ", ": "))
    f.write("\n")


def encode(model, pixels):
  codes = model.encode(pixels)
  codes = codes[2][2] if isinstance(codes, tuple) else codes.image_tokens
  gap = margin(model.quant_conv(model.encoder(pixels)), model.quantize.embedding.weight)
  return codes.flatten(), gap


def make_meta(clone):
  sys.path.insert(0, clone)
  sys.modules.setdefault("yaml", types.ModuleType("yaml"))  # only the constructor reads YAML
  from chameleon.inference.image_tokenizer import ImageTokenizer
  from chameleon.inference.vqgan import VQModel
  model = VQModel(**META)
  state = fill(model, SEED)
  tokenizer = ImageTokenizer.__new__(ImageTokenizer)
  dd = META["ddconfig"]
  twin = ChameleonVQVAE(ChameleonVQVAEConfig(
      embed_dim=META["embed_dim"], num_embeddings=META["n_embed"], resolution=dd["resolution"],
      latent_channels=dd["z_channels"], base_channels=dd["ch"], channel_multiplier=dd["ch_mult"],
      num_res_blocks=dd["num_res_blocks"], attn_resolutions=dd["attn_resolutions"]))
  twin.load_state_dict({k: v.float() for k, v in state.items() if not k.startswith("decoder.")})
  twin.eval()

  tensors, facts = {}, {"source": SOURCE, "versions": VERSIONS, "grid": 6}
  for name, width, height in (("square", 12, 12), ("wide", 20, 8)):
    pixels = picture(width, height)
    codes, gap = encode(model, pixels)
    assert torch.equal(codes, encode(twin, pixels)[0])
    assert gap > 1e-3, f"choose another seed: {gap}"
    quantized = model.quantize.get_codebook_entry(
        codes, (1, height // 2, width // 2, META["embed_dim"]))
    decoded = model.decode(quantized)
    rgb = np.asarray(tokenizer._pil_from_chw_tensor(decoded[0])).copy()
    assert 0 < (decoded.abs() > 1).float().mean() < 0.5, "the clamp is not seen"
    tensors.update({f"{name}.encode.pixels": pixels, f"{name}.decode.pixels": decoded,
                    f"{name}.decode.rgb": torch.tensor(rgb)})
    facts[name] = {"codes": codes.tolist(), "rows": height // 2, "columns": width // 2,
                   "smallest_distance_margin": gap, "distinct_codes": len(set(codes.tolist()))}
    print("meta", name, facts[name])
  write("meta", tensors, facts)
  for name, shape in (("loss.discriminator.main.0.weight", (2, 3, 4, 4)),
                      ("loss.perceptual_loss.lin0.model.1.weight", (1, 4, 1, 1))):
    state[name] = torch.zeros(shape, dtype=torch.bfloat16)
  torch.save({"epoch": 3, "global_step": 1200, "state_dict": state},
             os.path.join(HERE, "meta", "vqgan.ckpt"))


def make_hf():
  config = ChameleonVQVAEConfig(**HF)
  model = ChameleonVQVAE(config)
  state = fill(model, SEED + 1)
  tensors, facts = {}, {"versions": VERSIONS, "vq_config": json.loads(config.to_json_string())}
  for name, width, height in (("square", 6, 6), ("tall", 3, 7)):
    pixels = picture(width, height)
    codes, gap = encode(model, pixels)
    assert gap > 1e-3, f"choose another seed: {gap}"
    tensors[f"{name}.encode.pixels"] = pixels
    facts[name] = {"codes": codes.tolist(), "rows": height, "columns": width,
                   "smallest_distance_margin": gap, "distinct_codes": len(set(codes.tolist()))}
    print("hf", name, facts[name])
  write("hf", tensors, facts)
  save_file({"model.vqmodel." + k: v for k, v in state.items()},
            os.path.join(HERE, "hf", "model.safetensors"), metadata={"format": "pt"})


VERSIONS = {m.__name__: m.__version__ for m in (torch, transformers, PIL, np)}

if __name__ == "__main__":
  with torch.no_grad():
    make_meta(sys.argv[1])
    make_hf()
