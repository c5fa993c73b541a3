"""Writes NAME.png: what transformers' Chameleon makes of the pictures of ../formats with opacity.

alpha_filter_N.webp are made here from ../formats/webp_alpha.webp: bare bytes of alpha, which libwebp
takes for differences from the neighbours that filter N looks at.

  python make.py CLONE      # CLONE: facebookresearch/chameleon@dbbe47f

Pillow 13.0.0, transformers 5.18.0. The authors' own rule must give the same, but for a PNG whose
single transparent colour stands in a chunk of its own, which they leave as it is.
"""
import os
import struct
import sys
import types

import numpy as np
from PIL import Image
from transformers.models.chameleon.image_processing_pil_chameleon import ChameleonImageProcessorPil

HERE = os.path.dirname(os.path.abspath(__file__))
FORMATS = os.path.join(HERE, "..", "formats")
sys.path.insert(0, sys.argv[1])
sys.modules.setdefault("yaml", types.ModuleType("yaml"))  # only the constructor reads YAML
from chameleon.inference.image_tokenizer import ImageTokenizer

processor = ChameleonImageProcessorPil()
tokenizer = ImageTokenizer.__new__(ImageTokenizer)


def write(path, name):
  picture = Image.open(path)
  if np.array(picture.convert("RGBA"))[:, :, 3].min() == 255:
    return
  white = processor.convert_to_rgb(picture)
  theirs = tokenizer._whiten_transparency(picture)
  assert picture.mode == "RGB" or np.array_equal(np.array(white), np.array(theirs)), name
  white.save(os.path.join(HERE, name + ".png"), optimize=True)


for name in sorted(os.listdir(FORMATS)):
  if not name.endswith(".expected.png"):
    write(os.path.join(FORMATS, name), name.replace(".", "_"))

with open(os.path.join(FORMATS, "webp_alpha.webp"), "rb") as f:
  data = f.read()
at = data.index(b"ALPH")
length = struct.unpack("<I", data[at + 4:at + 8])[0]
width, height = Image.open(os.path.join(FORMATS, "webp_alpha.webp")).size
for number in range(4):
  differences = np.random.RandomState(number).randint(-9, 10, width * height).astype(np.uint8)
  differences[0] = 120
  body = bytes([number << 2]) + differences.tobytes()
  body = b"ALPH" + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)
  out = data[:at] + body + data[at + 8 + length + length % 2:]
  out = out[:4] + struct.pack("<I", len(out) - 8) + out[8:]
  path = os.path.join(HERE, f"alpha_filter_{number}.webp")
  with open(path, "wb") as f:
    f.write(out)
  write(path, f"alpha_filter_{number}_webp")
