"""Makes photographs/ from the files in the wheels of scikit-image 0.26.0 and scikit-learn 1.9.1.

Run once: python reduce.py SITE_PACKAGES. Pillow 13.0.0.
"""
import sys
from pathlib import Path

from PIL import Image

site = Path(sys.argv[1])
here = Path(__file__).parent / "photographs"
sources = {
    "chelsea": "skimage/data/chelsea.png",
    "coffee": "skimage/data/coffee.png",
    "astronaut": "skimage/data/astronaut.png",
    "china": "sklearn/datasets/images/china.jpg",
}
for name, path in sources.items():
    picture = Image.open(site / path).convert("RGB")
    picture.thumbnail((160, 160), Image.LANCZOS)
    picture.save(here / f"{name}.png", optimize=True)
Image.open(here / "coffee.png").crop((60, 0, 83, 106)).save(here / "tall.png", optimize=True)
Image.open(here / "chelsea.png").crop((10, 40, 150, 61)).save(here / "wide.png", optimize=True)
