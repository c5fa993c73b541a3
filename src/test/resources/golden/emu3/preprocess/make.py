"""Writes case.json: what transformers' Emu3ImageProcessor makes of ../../image/photographs.

  python make.py

Pixel values are kept as SHA-256 of their float32, little-endian, red plane first.
"""

import hashlib
import json
import os
import re

import numpy as np
import PIL
import transformers
from PIL import Image
from transformers.models.emu3.image_processing_emu3 import Emu3ImageProcessor, smart_resize

HERE = os.path.dirname(os.path.abspath(__file__))
PHOTOGRAPHS = os.path.join(HERE, "..", "..", "image", "photographs")


def photographs():
  for name in sorted(os.listdir(PHOTOGRAPHS)):
    yield name[:-4], Image.open(os.path.join(PHOTOGRAPHS, name)).convert("RGB")


def digest(pixels):
  pixels = np.ascontiguousarray(np.asarray(pixels), dtype="<f4")
  return {"shape": list(pixels.shape), "sha256": hashlib.sha256(pixels.tobytes()).hexdigest()}


def case(**kwargs):
  processor = Emu3ImageProcessor(**kwargs)
  random = np.random.RandomState(7)
  pairs = [tuple(int(x) for x in random.randint(1, 3000, 2)) for _ in range(120)]
  # halves of a factor, a side that rounds to nothing, the widest allowed
  pairs += [(4, 700), (700, 4), (12, 20), (20, 12), (500, 508), (1000, 5), (5, 1000), (1, 200),
            (1024, 1024), (1028, 1020), (512, 512), (511, 513), (8192, 8192)]
  sizes = []
  for width, height in pairs:
    if max(width, height) <= 200 * min(width, height):
      new = smart_resize(height, width, processor.spatial_factor, processor.min_pixels,
                         processor.max_pixels)
      sizes.append([width, height, new[1], new[0]])
  return {
      "preprocessor_config": json.loads(processor.to_json_string()),
      "pixels": {n: digest(processor([p])["pixel_values"][0]) for n, p in photographs()},
      "sizes_columns": ["width", "height", "new_width", "new_height"], "sizes": sizes}


cases = {
    "published": case(image_mean=[0.5, 0.5, 0.5], image_std=[0.5, 0.5, 0.5]),
    "defaults": case(),
    "small": case(min_pixels=40 * 40, max_pixels=60 * 60, spatial_factor=4,
                  image_mean=[0.5, 0.25, 0.1], image_std=[0.5, 0.7, 1.3]),
    "versions": {m.__name__: m.__version__ for m in (transformers, PIL, np)}}
text = json.dumps(cases, indent=1)
text = re.sub(r"\[\s+([-0-9.,\s]*?)\s+\]", lambda m: "[" + re.sub(r"\s+", " ", m[1]) + "]", text)
assert json.loads(text) == cases
with open(os.path.join(HERE, "case.json"), "w", newline="\n") as f:
  f.write(text + "\n")
