"""Measures an exported folder on held-out scenes, stories and edits.

Captions come through transformers' own processor and generate; pictures through `sampler.py`, which
is first held against transformers' logits.
`python evaluate.py FOLDER [--scenes 200] [--guidance 2] [--image-guidance 1.6]
[--temperature 0.3]`
"""

from __future__ import annotations

import argparse
import collections
import pathlib
import random

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from transformers import ChameleonForConditionalGeneration, ChameleonProcessor

import model
import reader
import sampler
import words
import world
from train import BOI, BOS, EOI, TURN


def load(folder: str):
    chameleon = ChameleonForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
    vq = chameleon.model.vqmodel
    vq.decoder = model.Decoder(chameleon.config.vq_config)
    start = "model.vqmodel.decoder."
    tensors = load_file(pathlib.Path(folder) / "model.safetensors")
    vq.decoder.load_state_dict(
        {n[len(start):]: t.float() for n, t in tensors.items() if n.startswith(start)})
    return chameleon


@torch.no_grad()
def check(chameleon, prompt: list[int]) -> None:
    ids = torch.tensor([prompt])
    theirs = chameleon.lm_head(chameleon.model(input_ids=ids).last_hidden_state[:, -1])
    rows = sampler.Rows(chameleon, 1, len(prompt))
    for token in prompt:
        ours = rows.feed(torch.tensor([[token]]), torch.tensor([[True]]))
    print(f"logits of the sampler differ from transformers' by {(ours - theirs).abs().max():.1e}")


def captions(chameleon, processor, scenes, batch=64) -> list[str]:
    found = []
    for at in range(0, len(scenes), batch):
        images = [Image.fromarray(world.render(s)) for s in scenes[at : at + batch]]
        inputs = processor(text=["<image>" + world.CAPTION_QUESTION] * len(images), images=images)
        out = chameleon.generate(**inputs, do_sample=False, max_new_tokens=20)
        found += processor.batch_decode(out[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    return found


def answered(chameleon, tokenizer, prompts: list[str], draw: bool, scales, batch=64) -> list[list]:
    """Texts as strings and pictures [64, 64, 3] uint8 of every answer."""
    contexts = [tokenizer(p)["input_ids"] + [TURN] for p in prompts]
    assert all(ids[0] == BOS for ids in contexts)
    return continued(chameleon, tokenizer, contexts, draw, scales, batch)


def continued(chameleon, tokenizer, contexts: list[list[int]], draw: bool, scales, batch=64) -> list[list]:
    """The same behind ids."""
    found = []
    for at in range(0, len(contexts), batch):
        for answer in sampler.sample(
                chameleon, contexts[at : at + batch], draw, *scales, text_temperature=scales[2]):
            codes = [part for part in answer if isinstance(part, torch.Tensor)]
            pictures = iter(model.decode(chameleon.model.vqmodel, torch.stack(codes)).numpy()
                            if codes else [])
            found.append([next(pictures) if isinstance(part, torch.Tensor) else tokenizer.decode(part)
                          for part in answer])
    return found


def sheet(path: str, rows: list[list[np.ndarray]]) -> None:
    wide = max(map(len, rows))
    blank = np.full((64, 64, 3), 255, dtype=np.uint8)
    tiles = np.stack([np.concatenate(r + [blank] * (wide - len(r)), axis=1) for r in rows])
    tiles = tiles.reshape(len(rows) * 64, wide * 64, 3)
    Image.fromarray(tiles).resize((wide * 128, len(rows) * 128), 0).save(path)


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("folder")
    arguments.add_argument("--scenes", type=int, default=200)
    arguments.add_argument("--guidance", type=float, nargs="+", default=[2.0])
    arguments.add_argument("--image-guidance", type=float, nargs="+", default=[1.6])
    arguments.add_argument("--temperature", type=float, nargs="+", default=[0.3])
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--only", choices=("captions", "drawings", "stories", "edits"))
    arguments.add_argument("--sheet", help="write two pictures, PREFIX-drawings.png and PREFIX-stories.png")
    arguments.add_argument("--wordings", action="store_true", help="all ways to ask, not the one form")
    arguments.add_argument("--trained", action="store_true", help="scenes of the training kind instead")
    arguments.add_argument("--mistakes", action="store_true")
    args = arguments.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(3)
    processor = ChameleonProcessor.from_pretrained(args.folder)
    chameleon = load(args.folder)
    tokenizer = processor.tokenizer
    scenes = world.scenes(101, args.scenes, not args.trained)
    stories = world.stories(102, args.scenes, not args.trained)
    edits = world.edits(103, args.scenes, not args.trained)
    check(chameleon, tokenizer(stories[0].request())["input_ids"] + [TURN])

    if args.only in (None, "captions"):
        said = captions(chameleon, processor, scenes)
        right = [a in (world.caption(s), world.swapped(s) if len(s.things) > 1 else None)
                 for a, s in zip(said, scenes)]
        print(f"captions right {np.mean(right):.4f} of {len(scenes)}", flush=True)
        for s, a, ok in zip(scenes, said, right):
            if not ok and args.mistakes:
                print(f"  {world.caption(s)!r} read as {a!r}")
    settings = [(g, i, t) for g in args.guidance for i in args.image_guidance for t in args.temperature]
    for scales in settings if args.only in (None, "drawings") else []:
        rng = random.Random(5)
        prompts = [world.prompt(s, rng) if args.wordings else world.caption(s) for s in scenes]
        drawn = [a[0] for a in answered(chameleon, tokenizer, prompts, True, scales)]
        why: list[str] = []
        read = [reader.read(d, why) for d in drawn]
        right = [reader.same(r, s) for r, s in zip(read, scenes)]
        print(f"guidance {scales[0]} temperature {scales[2]}: drawings right {np.mean(right):.4f},"
              f" unreadable {sum(r is None for r in read)}", flush=True)
        for p, r, ok in zip(prompts, read, right):
            if not ok and args.mistakes:
                print(f"  {p!r} drawn as {world.caption(r) if r else None!r}")
        if args.mistakes:
            print("  ", collections.Counter(w.split(":")[0].split("[")[0] for w in why))
        if args.sheet:
            order = sorted(range(len(drawn)), key=lambda i: right[i])[:64]
            sheet(args.sheet + "-drawings.png",
                  [[drawn[i] for i in order[k : k + 8]] for k in range(0, len(order), 8)])
    for scales in settings if args.only in (None, "stories") else []:
        rng = random.Random(7)
        prompts = [world.story_prompt(s, rng) if args.wordings else s.request() for s in stories]
        told = answered(chameleon, tokenizer, prompts, False, scales)
        tally: collections.Counter = collections.Counter()
        for story, prompt, answer in zip(stories, prompts, told):
            if prompt in world.OPEN_REQUESTS:
                continue
            lines = [p.strip() for p in answer if isinstance(p, str)]
            pictures = [p for p in answer if not isinstance(p, str)]
            words_right = lines == story.lines()
            number_right = len(pictures) == story.pictures
            shown = [reader.read(p) for p in pictures]
            each = [reader.same(r, s) for r, s in zip(shown, story.scenes())]
            tally["stories"] += 1
            tally["words"] += words_right
            tally["number"] += number_right
            for n, ok in enumerate(each):
                tally[f"picture {n + 1}"] += 1
                tally[f"picture {n + 1} right"] += ok
            right = words_right and number_right and all(each)
            tally["right"] += right
            if not right and args.mistakes:
                print(f"  {prompt!r} told as {lines}, {[r and world.caption(r) for r in shown]}")
        count = tally["stories"]
        print(f"guidance {scales[0]} image guidance {scales[1]} temperature {scales[2]}:"
              f" stories right {tally['right'] / count:.4f}, words {tally['words'] / count:.4f},"
              f" number {tally['number'] / count:.4f}, pictures "
              + " ".join(f"{tally[f'picture {n} right'] / max(1, tally[f'picture {n}']):.4f}"
                         for n in (1, 2, 3)), flush=True)
        if args.sheet:
            sheet(args.sheet + "-stories.png",
                  [[p for p in a if not isinstance(p, str)] or [np.zeros((64, 64, 3), np.uint8)]
                   for a in told[:12]])
    for scales in settings if args.only in (None, "edits") else []:
        rng = random.Random(6)
        asked = [world.edit_prompt(e, rng) if args.wordings else e.instruction() for e in edits]
        rgb = torch.stack([torch.from_numpy(world.render(e.before)) for e in edits])
        codes = model.encode(chameleon.model.vqmodel, rgb).long() + words.FIRST_CODE
        contexts = [[BOS, BOI] + c + [EOI] + tokenizer(a, add_special_tokens=False)["input_ids"] + [TURN]
                    for c, a in zip(codes.tolist(), asked)]
        made = continued(chameleon, tokenizer, contexts, False, scales)
        tally = collections.Counter()
        for edit, instruction, answer in zip(edits, asked, made):
            said = answer[0].strip() if answer and isinstance(answer[0], str) else ""
            pictures = [reader.read(p) for p in answer if not isinstance(p, str)][:1]
            right = bool(pictures) and reader.same(pictures[0], edit.after)
            tally[edit.kind] += 1
            tally[edit.kind, "right"] += right
            tally["said"] += said == edit.told()
            tally["right"] += right
            if not right and args.mistakes:
                print(f"  {world.caption(edit.before)!r}: {instruction!r} said as {said!r},"
                      f" drawn as {[r and world.caption(r) for r in pictures]}")
        print(f"guidance {scales[0]} image guidance {scales[1]} temperature {scales[2]}:"
              f" edits right {tally['right'] / len(edits):.4f}, said right {tally['said'] / len(edits):.4f}, "
              + " ".join(f"{k} {tally[k, 'right'] / max(1, tally[k]):.3f}" for k in world.EDITS), flush=True)


if __name__ == "__main__":
    main()
