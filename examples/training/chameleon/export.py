"""Writes a training checkpoint as a folder that transformers and Diptych both load, in bfloat16.

`python export.py CHECKPOINT.pt FOLDER [--raw]`; the averaged weights are taken unless --raw. The
folder has what the published Chameleons have, and the tensors of the VQ decoder besides, which
transformers leaves alone.
"""

from __future__ import annotations

import argparse
import json
import pathlib

import torch
from transformers import ChameleonProcessor, GenerationConfig
from transformers.models.chameleon.image_processing_pil_chameleon import ChameleonImageProcessorPil

import model
import words


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("checkpoint")
    arguments.add_argument("folder")
    arguments.add_argument("--raw", action="store_true")
    arguments.add_argument("--guidance", type=float, default=2.0)
    arguments.add_argument("--image-guidance", type=float, default=1.6)
    arguments.add_argument("--temperature", type=float, default=0.3)
    args = arguments.parse_args()

    tokenizer = words.train()
    saved = torch.load(args.checkpoint)
    state = saved["model"]
    if not args.raw:
        state.update(zip(saved["trained"], saved["average"]))
    chameleon = model.build(tokenizer.get_vocab())
    chameleon.load_state_dict(state)
    chameleon = chameleon.to(torch.bfloat16)
    ids = dict(bos_token_id=words.ID[words.BOS], eos_token_id=words.ID[words.EOS],
               pad_token_id=words.ID[words.PAD])
    chameleon.generation_config = GenerationConfig(
        **ids, guidance_scale=args.guidance, max_new_tokens=320)
    folder = pathlib.Path(args.folder)
    chameleon.save_pretrained(folder)

    images = ChameleonImageProcessorPil(
        size={"shortest_edge": 64}, crop_size={"height": 64, "width": 64}, rescale_factor=1 / 127.5,
        image_mean=[1.0] * 3, image_std=[1.0] * 3)
    processor = ChameleonProcessor(images, words.wrap(tokenizer), image_seq_length=model.TOKENS)
    processor.save_pretrained(folder)
    images.save_pretrained(folder)
    # Text alone is greedy, pictures and what is said between them are samples. transformers would
    # refuse to write these beside each other, and does not know the second guidance.
    file = folder / "generation_config.json"
    settings = json.loads(file.read_text(encoding="utf-8"))
    settings["temperature"] = args.temperature
    settings["do_sample"] = False
    settings["think"] = True  # an edit is said before it is drawn
    settings["top_p"] = settings["repetition_penalty"] = 1.0
    settings["image_guidance_scale"] = args.image_guidance
    file.write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    file = folder / "config.json"
    settings = json.loads(file.read_text(encoding="utf-8"))
    settings["image_token_id"] = words.ID[words.IMAGE]
    file.write_text(json.dumps(settings, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"step {saved['step']}: {sum(f.stat().st_size for f in folder.iterdir())} bytes")
    for file in sorted(folder.iterdir()):
        print(f"  {file.stat().st_size:>9} {file.name}")


if __name__ == "__main__":
    main()
