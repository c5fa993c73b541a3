"""Writes a training checkpoint as a folder that transformers and Diptych both load, in bfloat16.

`python export.py CHECKPOINT.pt FOLDER [--raw]`; the averaged weights are taken unless --raw.
"""

from __future__ import annotations

import argparse
import json
import pathlib

import torch
from transformers import GenerationConfig, JanusProcessor
from transformers.models.janus.image_processing_pil_janus import JanusImageProcessorPil

import model
import words


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("checkpoint")
    arguments.add_argument("folder")
    arguments.add_argument("--raw", action="store_true")
    arguments.add_argument("--guidance", type=float, default=3.0)
    arguments.add_argument("--temperature", type=float, default=0.5)
    args = arguments.parse_args()

    tokenizer = words.train()
    ids = {n: tokenizer.token_to_id(s) for n, s in (
        ("bos", words.BOS), ("eos", words.EOS), ("pad", words.PAD), ("image", words.IMAGE),
        ("boi", words.BOI))}
    saved = torch.load(args.checkpoint)
    state = saved["model"]
    if not args.raw:
        state.update(zip(saved["trained"], saved["average"]))
    janus = model.build(words.VOCABULARY, ids)
    janus.load_state_dict(state)
    janus = janus.to(torch.bfloat16)
    janus.generation_config = GenerationConfig(
        bos_token_id=ids["bos"], eos_token_id=ids["eos"], pad_token_id=ids["pad"],
        guidance_scale=args.guidance, max_new_tokens=64, generation_kwargs={"boi_token_id": ids["boi"]})
    folder = pathlib.Path(args.folder)
    janus.save_pretrained(folder)

    images = JanusImageProcessorPil(
        size={"height": 64, "width": 64}, image_mean=[0.5] * 3, image_std=[0.5] * 3)
    template = (pathlib.Path(__file__).parent / "chat_template.jinja").read_text(encoding="utf-8")
    processor = JanusProcessor(
        images, words.wrap(tokenizer), chat_template=template.rstrip("\n"),
        use_default_system_prompt=False, num_image_tokens=model.TOKENS)
    processor.save_pretrained(folder)
    images.save_pretrained(folder)
    # Text is greedy, drawings are samples: do_sample stays out, which transformers would refuse to
    # write beside a temperature, and published Janus folders have it so.
    file = folder / "generation_config.json"
    settings = json.loads(file.read_text(encoding="utf-8"))
    settings["temperature"] = args.temperature
    file.write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    print(f"step {saved['step']}: {sum(f.stat().st_size for f in folder.iterdir())} bytes")
    for file in sorted(folder.iterdir()):
        print(f"  {file.stat().st_size:>9} {file.name}")


if __name__ == "__main__":
    main()
