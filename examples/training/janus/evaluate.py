"""Measures an exported folder through transformers' own generate on held-out scenes.

`python evaluate.py FOLDER [--scenes 200] [--guidance 3] [--temperature 0.5] [--sheet OUT.png]`
"""

from __future__ import annotations

import argparse
import collections
import random

import numpy as np
import torch
from PIL import Image
from transformers import JanusForConditionalGeneration, JanusProcessor

import reader
import words
import world


def captions(janus, processor, scenes, batch=64) -> list[str]:
    chat = [{"role": "user", "content": [
        {"type": "image"}, {"type": "text", "text": world.CAPTION_QUESTION}]}]
    text = processor.apply_chat_template(chat, add_generation_prompt=True)
    found = []
    for at in range(0, len(scenes), batch):
        images = [Image.fromarray(world.render(s)) for s in scenes[at : at + batch]]
        inputs = processor(text=[text] * len(images), images=images, generation_mode="text")
        inputs["pixel_values"] = inputs["pixel_values"].to(janus.dtype)
        out = janus.generate(**inputs, do_sample=False, max_new_tokens=20)
        found += processor.batch_decode(out[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    return found


def drawings(janus, processor, prompts, guidance, temperature, batch=64) -> list[np.ndarray]:
    texts = [processor.apply_chat_template(
        [{"role": "user", "content": [{"type": "text", "text": p}]}], add_generation_prompt=True)
        for p in prompts]
    groups = collections.defaultdict(list)  # rows of one length, so that nothing is padded
    for i, text in enumerate(texts):
        groups[len(processor.tokenizer(text)["input_ids"])].append(i)
    found: list = [None] * len(prompts)
    for rows in groups.values():
        for at in range(0, len(rows), batch):
            part = rows[at : at + batch]
            inputs = processor(text=[texts[i] for i in part], generation_mode="image")
            codes = janus.generate(
                **inputs, generation_mode="image", guidance_scale=guidance,
                do_sample=temperature > 0, temperature=temperature or 1.0)
            pixels = janus.decode_image_tokens(codes).float()
            rgb = ((pixels + 1) * 127.5).clamp(0, 255).to(torch.uint8).numpy()
            for i, picture in zip(part, rgb):
                found[i] = picture
    return found


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("folder")
    arguments.add_argument("--scenes", type=int, default=200)
    arguments.add_argument("--guidance", type=float, nargs="+", default=[3.0])
    arguments.add_argument("--temperature", type=float, nargs="+", default=[0.5])
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--sheet")
    arguments.add_argument("--drawings-only", action="store_true")
    arguments.add_argument("--wordings", action="store_true", help="all ways to ask, not the caption form")
    arguments.add_argument("--trained", action="store_true", help="scenes of the training kind instead")
    args = arguments.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(3)
    processor = JanusProcessor.from_pretrained(args.folder)
    janus = JanusForConditionalGeneration.from_pretrained(args.folder, dtype=torch.float32).eval()
    scenes = world.scenes(101, args.scenes, not args.trained)
    said = [] if args.drawings_only else captions(janus, processor, scenes)
    exact = [a.strip() in (world.caption(s), world.swapped(s) if len(s.things) > 1 else None)
             for a, s in zip(said, scenes)]
    if said:
        print(f"captions exact {np.mean(exact):.4f} of {len(scenes)}", flush=True)
    for s, a, ok in zip(scenes, said, exact):
        if not ok:
            print(f"  {world.caption(s)!r} read as {a!r}")
    rng = random.Random(5)
    prompts = [world.prompt(s, rng) if args.wordings else world.caption(s) for s in scenes]
    for guidance in args.guidance:
        for temperature in args.temperature:
            drawn = drawings(janus, processor, prompts, guidance, temperature)
            why: list[str] = []
            read = [reader.read(d, why) for d in drawn]
            right = [reader.same(r, s) for r, s in zip(read, scenes)]
            print(f"guidance {guidance} temperature {temperature}: drawn right {np.mean(right):.4f},"
                  f" unreadable {sum(r is None for r in read)}", flush=True)
            for p, r, ok in zip(prompts, read, right):
                if not ok:
                    print(f"  {p!r} drawn as {world.caption(r) if r else None!r}")
            print("  ", collections.Counter(w.split(":")[0].split("[")[0] for w in why))
            if args.sheet:
                n = min(64, len(drawn) // 8 * 8)
                order = sorted(range(n), key=lambda i: right[i])
                tiles = np.stack([drawn[i] for i in order]).reshape(n // 8, 8, 64, 64, 3)
                sheet = tiles.transpose(0, 2, 1, 3, 4).reshape(n * 8, 512, 3)
                Image.fromarray(sheet).resize((1024, n * 16), 0).save(args.sheet)


if __name__ == "__main__":
    main()
