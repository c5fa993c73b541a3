"""Writes case.json: what the references make of the photographs in ../../image/photographs.

  python make.py CHAMELEON LUMINA
  # CHAMELEON: facebookresearch/chameleon@dbbe47f, LUMINA: Alpha-VLLM/Lumina-mGPT@104abe4

Pixel values are kept as SHA-256 of their float32, little-endian, red plane first. Sizes are those
that the references ask Pillow for. Lumina's random crop is put in the middle: randint(a, b) is
(a + b) // 2.
"""

import hashlib
import importlib.util
import json
import os
import re
import sys
import types

import numpy as np
import PIL
import torch
import transformers
from PIL import Image
from transformers.models.chameleon.image_processing_pil_chameleon import ChameleonImageProcessorPil

HERE = os.path.dirname(os.path.abspath(__file__))
PHOTOGRAPHS = os.path.join(HERE, "..", "..", "image", "photographs")


def pairs():
  random = np.random.RandomState(7)
  pairs = [tuple(int(x) for x in random.randint(1, 3000, 2)) for _ in range(100)]
  # halves, and products that doubles miss by one bit
  pairs += [(512, 512), (1024, 513), (513, 1024), (1024, 771), (771, 1024), (64, 65), (2048, 2049),
            (400, 27), (27, 400), (1023, 1025), (999, 1000), (160, 107), (107, 160), (49, 1000),
            (93, 1000), (1000, 93), (35, 3000), (1, 3), (3, 1), (4096, 4096)]
  return pairs


class Probe:
  """Stands in for a picture, and writes down what it is asked to become."""

  def __init__(self, size, asked):
    self.size, self.asked = tuple(size), asked
    self.width, self.height = self.size

  def resize(self, size, resample=None):
    self.asked.append([*size, int(resample)])
    return Probe(size, self.asked)

  def crop(self, box):
    self.asked.append([int(x) for x in box])
    return Probe((box[2] - box[0], box[3] - box[1]), self.asked)

  def __array__(self, *args, **kwargs):
    return np.zeros((1, 1, 3), np.uint8)


def digest(pixels):
  pixels = np.ascontiguousarray(np.asarray(pixels), dtype="<f4")
  return {"shape": list(pixels.shape), "sha256": hashlib.sha256(pixels.tobytes()).hexdigest()}


def photographs():
  for name in sorted(os.listdir(PHOTOGRAPHS)):
    yield name[:-4], Image.open(os.path.join(PHOTOGRAPHS, name)).convert("RGB")


def meta(clone):
  sys.path.insert(0, clone)
  sys.modules.setdefault("yaml", types.ModuleType("yaml"))  # only the constructor reads YAML
  from chameleon.inference.image_tokenizer import ImageTokenizer
  tokenizer = ImageTokenizer.__new__(ImageTokenizer)
  sizes = []
  for width, height in pairs():
    asked = []
    tokenizer._vqgan_input_from(Probe((width, height), asked))
    assert asked[1][2] - asked[1][0] == asked[1][3] - asked[1][1] == 512
    sizes.append([width, height, *asked[0][:2], *asked[1][:2]])
  return {
      "pixels_512": {n: digest(tokenizer._vqgan_input_from(p)[0]) for n, p in photographs()},
      "pixels_48": {n: digest(tokenizer._vqgan_input_from(p, 48)[0]) for n, p in photographs()},
      "sizes_columns": ["width", "height", "new_width", "new_height", "left", "top"],
      "sizes": sizes}


def hf():
  processor = ChameleonImageProcessorPil()
  config = json.loads(processor.to_json_string())
  other = ChameleonImageProcessorPil(
      size={"shortest_edge": 52}, crop_size={"height": 48, "width": 48}, resample=3,
      rescale_factor=1 / 127.5, image_std=[0.5, 1.0, 0.75])
  sizes = []
  for width, height in pairs():
    new = transformers.image_transforms.get_resize_output_image_size(
        np.zeros((3, height, width), np.uint8), 512, default_to_square=False,
        input_data_format="channels_first")
    sizes.append([width, height, new[1], new[0]])
  return {
      "preprocessor_config": config,
      "pixels_512": {n: digest(processor(p)["pixel_values"][0]) for n, p in photographs()},
      "other_config": json.loads(other.to_json_string()),
      "pixels_48": {n: digest(other(p)["pixel_values"][0]) for n, p in photographs()},
      "sizes_columns": ["width", "height", "new_width", "new_height"], "sizes": sizes}


def lumina(clone):
  for name, members in (("data", {}), ("data.convertsation", {"Conversation": None}),
                        ("model", {}), ("model.chameleon_vae_ori", {}), ("xllmx", {}),
                        ("xllmx.data", {}), ("xllmx.data.data_reader", {"read_general": None}),
                        ("xllmx.data.item_processor", {"MMConvItemProcessor": object})):
    module = sys.modules[name] = types.ModuleType(name)
    module.__dict__.update(members)
    if "." in name:
      setattr(sys.modules[name.rpartition(".")[0]], name.rpartition(".")[2], module)
  spec = importlib.util.spec_from_file_location(
      "item_processor", os.path.join(clone, "lumina_mgpt", "data", "item_processor.py"))
  module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  module.random.randint = lambda a, b: (a + b) // 2
  cases = {}
  for target in (512, 768, 1024):
    crops = module.generate_crop_size_list((target // 32) ** 2, 32)
    sizes, pixels = [], {}
    for width, height in pairs():
      asked = []
      module.var_center_crop(Probe((width, height), asked), crop_size_list=crops)
      sizes.append([width, height, *asked[-2][:2], *asked[-1]])
    for name, picture in photographs():
      cut = module.var_center_crop(picture, crop_size_list=crops)
      values = torch.from_numpy(np.array(cut) / 255.0 * 2 - 1).permute(2, 0, 1).to(torch.float32)
      pixels[name] = {**digest(values), "wGrids": cut.size[0] // 32, "hGrids": cut.size[1] // 32}
    cases[str(target)] = {
        "crop_sizes": hashlib.sha256(json.dumps([list(c) for c in crops]).encode()).hexdigest(),
        "number_of_crop_sizes": len(crops), "first": list(crops[0]), "last": list(crops[-1]),
        "sizes_columns": ["width", "height", "last_width", "last_height", "left", "top", "right",
                          "bottom"],
        "sizes": sizes, "pixels": pixels}
  # 160 pixels are more than twice 32 or 64: the halving is seen
  crops = module.generate_crop_size_list(4, 32)
  pixels = {}
  for name, picture in photographs():
    cut = module.var_center_crop(picture, crop_size_list=crops)
    values = torch.from_numpy(np.array(cut) / 255.0 * 2 - 1).permute(2, 0, 1).to(torch.float32)
    pixels[name] = {**digest(values), "wGrids": cut.size[0] // 32, "hGrids": cut.size[1] // 32}
  cases["64"] = {"pixels": pixels}
  return cases


def main():
  case = {"meta": meta(sys.argv[1]), "hf": hf(), "lumina": lumina(sys.argv[2]),
          "versions": {m.__name__: m.__version__ for m in (torch, transformers, PIL, np)}}
  text = json.dumps(case, indent=1)
  text = re.sub(r"\[\s+([-0-9.,\s]*?)\s+\]", lambda m: "[" + re.sub(r"\s+", " ", m[1]) + "]", text)
  assert json.loads(text) == case
  with open(os.path.join(HERE, "case.json"), "w", newline="\n") as f:
    f.write(text + "\n")


main()
