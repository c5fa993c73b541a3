"""Measures an exported folder on held-out scenes, edits and stories, judged by `reader.py`.

`sampler.py` computes the answers; it is first held against transformers' LlamaModel under the mixed
mask. `python evaluate.py FOLDER [--scenes 200] [--guidance 2 3] [--steps 25]`
"""

from __future__ import annotations

import argparse
import collections
import pathlib
import random

import numpy as np
import torch
from diffusers import AutoencoderKL
from PIL import Image
from safetensors.torch import load_file
from transformers import PreTrainedTokenizerFast

import model
import reader
import sampler
import world
from train import BOI, BOS, EOI, EOS, SEP


def load(folder: str):
    """The model and its coder in float32, and the tokenizer."""
    tensors = load_file(pathlib.Path(folder) / "model.safetensors")
    transfusion = model.Transfusion(tensors["lm_head.weight"].shape[0])
    transfusion.load_state_dict({n: t.float() for n, t in tensors.items()})
    vae = AutoencoderKL.from_pretrained(folder, subfolder="vae", torch_dtype=torch.float32)
    return transfusion.eval(), vae.eval(), PreTrainedTokenizerFast.from_pretrained(folder)


@torch.no_grad()
def check(transfusion, latents: torch.Tensor) -> None:
    """One picture and a noisy one after words: the sampler against transformers."""
    generator = torch.Generator().manual_seed(4)
    noisy = torch.randn(1, model.PATCHES, model.CHANNELS, generator=generator)
    before, between = [BOS, BOI], [EOI, 100, 101, SEP, BOI]
    embed = transfusion.model.embed_tokens
    x = torch.cat([embed(torch.tensor([before])), transfusion.patches(latents[None], torch.zeros(1)),
                   embed(torch.tensor([between])), transfusion.patches(noisy, torch.tensor([400.0]))], dim=1)
    picture = torch.tensor([[-1] * len(before) + [0] * model.PATCHES + [-1] * len(between)
                            + [1] * model.PATCHES])
    theirs = transfusion.patch_out.proj(transfusion(x, picture)[:, -model.PATCHES:])
    ours = sampler.Contexts(
        transfusion, [before + [latents] + between, [BOS]], model.PATCHES).velocity(
        noisy.repeat(2, 1, 1), 400.0)[:1]
    print(f"velocities of the sampler differ from transformers' by {(ours - theirs).abs().max():.1e}")


class Judge:
    def __init__(self, folder: str, batch: int):
        self.transfusion, self.vae, self.tokenizer = load(folder)
        self.batch = batch

    def words(self, text: str) -> list[int]:
        return self.tokenizer.encode(text, add_special_tokens=False)

    def see(self, scenes) -> torch.Tensor:
        return model.encode(self.vae, torch.stack([torch.from_numpy(world.render(s)) for s in scenes]))

    def parts(self, count: int):
        return [slice(at, at + self.batch) for at in range(0, count, self.batch)]

    def answers(self, scenes, questions: list[str]) -> list[str]:
        contexts = [[BOS, BOI, z, EOI] + self.words(q) + [SEP] for z, q in zip(self.see(scenes), questions)]
        return [self.tokenizer.decode(ids[:-1]) for at in self.parts(len(contexts))
                for ids in sampler.say(self.transfusion, contexts[at], 32)]

    def drawings(self, contexts: list[list], settings) -> list[np.ndarray]:
        generator = torch.Generator().manual_seed(3)
        return [picture for at in self.parts(len(contexts)) for picture in model.decode(
            self.vae, sampler.draw(self.transfusion, contexts[at], *settings, generator)).numpy()]

    def stories(self, prompts: list[str], settings) -> list[list]:
        generator = torch.Generator().manual_seed(3)
        found = []
        for at in self.parts(len(prompts)):
            contexts = [[BOS] + self.words(p) + [SEP] for p in prompts[at]]
            for told in sampler.tell(self.transfusion, contexts, settings, generator):
                answer: list = []
                for part in told:
                    if isinstance(part, torch.Tensor):
                        answer.append(model.decode(self.vae, part[None])[0].numpy())
                    elif part not in (BOI, EOI, EOS):
                        if not answer or not isinstance(answer[-1], list):
                            answer.append([])
                        answer[-1].append(part)
                found.append([self.tokenizer.decode(p) if isinstance(p, list) else p for p in answer])
        return found


def sheet(path: str, pictures: list[np.ndarray], wide: int) -> None:
    blank = np.full((64, 64, 3), 255, dtype=np.uint8)
    pictures = pictures + [blank] * (-len(pictures) % wide)
    tiles = np.concatenate(
        [np.concatenate(pictures[k : k + wide], axis=1) for k in range(0, len(pictures), wide)])
    Image.fromarray(tiles).resize((tiles.shape[1] * 2, tiles.shape[0] * 2), 0).save(path)


def moved(found: world.Scene, wanted: world.Scene) -> int:
    return max(max(abs(a.x - b.x), abs(a.y - b.y)) for a, b in zip(found.things, wanted.things))


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("folder")
    arguments.add_argument("--scenes", type=int, default=200)
    arguments.add_argument("--guidance", type=float, nargs="+", default=[2.0])
    arguments.add_argument("--image-guidance", type=float, nargs="+", default=[1.0])
    arguments.add_argument("--steps", type=int, nargs="+", default=[25])
    arguments.add_argument("--shift", type=float, nargs="+", default=[1.0])
    arguments.add_argument("--batch", type=int, default=64)
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--only", choices=("captions", "drawings", "edits", "stories", "coder"), nargs="+",
                           default=["coder", "captions", "drawings", "edits", "stories"])
    arguments.add_argument("--sheet", help="write pictures, PREFIX-drawings.png and PREFIX-edits.png")
    arguments.add_argument("--wordings", action="store_true", help="all ways to ask, not the one form")
    arguments.add_argument("--directly", action="store_true", help="edits without words before them")
    arguments.add_argument("--trained", action="store_true", help="scenes of the training kind instead")
    arguments.add_argument("--mistakes", action="store_true")
    args = arguments.parse_args()
    torch.set_num_threads(args.threads)
    judge = Judge(args.folder, args.batch)
    scenes = world.scenes(101, args.scenes, not args.trained)
    edits = world.edits(103, args.scenes, not args.trained)
    stories = world.stories(102, args.scenes, not args.trained)
    check(judge.transfusion, judge.see(scenes[:1])[0])

    if "coder" in args.only:
        z = judge.see(scenes)
        back = model.decode(judge.vae, z)
        shown = np.mean([reader.same(reader.read(b.numpy()), s) for b, s in zip(back, scenes)])
        off = np.mean([np.abs(b.numpy().astype(int) - world.render(s)).mean() for b, s in zip(back, scenes)])
        noisy = model.decode(judge.vae, z + 0.3 * torch.randn(z.shape, generator=torch.Generator().manual_seed(1)))
        lived = np.mean([reader.same(reader.read(b.numpy()), s) for b, s in zip(noisy, scenes)])
        print(f"coder: right {shown:.4f}, off by {off:.2f} of 255, latents' deviation {z.std():.3f};"
              f" right {lived:.4f} with noise 0.3", flush=True)
    if "captions" in args.only:
        said = judge.answers(scenes, [world.CAPTION_QUESTION] * len(scenes))
        right = [a in (world.caption(s), world.swapped(s) if len(s.things) > 1 else None)
                 for a, s in zip(said, scenes)]
        print(f"captions right {np.mean(right):.4f} of {len(scenes)}", flush=True)
        rng = random.Random(9)
        asked = [world.question(s, rng) for s in scenes]
        said_too = judge.answers(scenes, [q for q, _ in asked])
        print(f"questions right {np.mean([a == w for a, (_, w) in zip(said_too, asked)]):.4f}", flush=True)
        if args.mistakes:
            for s, a, ok in zip(scenes, said, right):
                if not ok:
                    print(f"  {world.caption(s)!r} read as {a!r}")
            for a, (q, w) in zip(said_too, asked):
                if a != w:
                    print(f"  {q!r} answered {a!r}, not {w!r}")
    settings = [(n, f, g, i) for n in args.steps for f in args.shift for g in args.guidance
                for i in args.image_guidance]
    for n, f, g, i in settings if "drawings" in args.only else []:
        rng = random.Random(5)
        prompts = [world.prompt(s, rng) if args.wordings else world.caption(s) for s in scenes]
        drawn = judge.drawings([[BOS] + judge.words(p) + [SEP, BOI] for p in prompts], (n, f, g, i))
        why: list[str] = []
        read = [reader.read(d, why) for d in drawn]
        right = [reader.same(r, s) for r, s in zip(read, scenes)]
        print(f"steps {n} shift {f} guidance {g}: drawings right {np.mean(right):.4f},"
              f" unreadable {sum(r is None for r in read)}", flush=True)
        if args.mistakes:
            for p, r, ok in zip(prompts, read, right):
                if not ok:
                    print(f"  {p!r} drawn as {world.caption(r) if r else None!r}")
            print("  ", collections.Counter(w.split(":")[0].split("[")[0] for w in why))
        if args.sheet:
            order = sorted(range(len(drawn)), key=lambda k: right[k])[:64]
            sheet(args.sheet + "-drawings.png", [drawn[k] for k in order], 8)
    for n, f, g, i in settings if "edits" in args.only else []:
        rng = random.Random(6)
        asked = [world.edit_prompt(e, rng) if args.wordings else e.instruction() for e in edits]
        contexts = [[BOS, BOI, z, EOI] + judge.words(a) + [SEP]
                    for z, a in zip(judge.see([e.before for e in edits]), asked)]
        if args.directly:
            plans = [[BOI] for _ in contexts]
        else:
            plans = [p for at in judge.parts(len(contexts))
                     for p in sampler.plan(judge.transfusion, contexts[at])]
            told = [judge.tokenizer.decode(p[:-1]) == e.told() for p, e in zip(plans, edits)]
            print(f"edits said right before they are drawn {np.mean(told):.4f}", flush=True)
        drawn = judge.drawings([c + p for c, p in zip(contexts, plans)], (n, f, g, i))
        read = [reader.read(d) for d in drawn]
        right = [reader.same(r, e.after) for r, e in zip(read, edits)]
        tally: collections.Counter = collections.Counter()
        for r, e, ok in zip(read, edits, right):
            tally[e.kind] += 1
            tally[e.kind, "right"] += ok
            if ok and e.kind != "add":
                tally["placed"] += 1
                tally["kept"] += moved(r, e.after) <= 2
        print(f"steps {n} shift {f} guidance {g} image guidance {i}: edits right {np.mean(right):.4f},"
              f" unreadable {sum(r is None for r in read)}, "
              + " ".join(f"{k} {tally[k, 'right'] / max(1, tally[k]):.3f}" for k in world.EDITS)
              + f", things kept their place in {tally['kept'] / max(1, tally['placed']):.3f}", flush=True)
        if args.mistakes:
            for a, e, r, p, ok in zip(asked, edits, read, plans, right):
                if not ok:
                    print(f"  {world.caption(e.before)!r}: {a!r} said as {judge.tokenizer.decode(p[:-1])!r},"
                          f" drawn as {world.caption(r) if r else None!r}")
        if args.sheet:
            order = sorted(range(len(drawn)), key=lambda k: right[k])[:32]
            sheet(args.sheet + "-edits.png",
                  [p for k in order for p in (world.render(edits[k].before), drawn[k])], 8)
    for n, f, g, i in settings if "stories" in args.only else []:
        rng = random.Random(7)
        prompts = [world.story_prompt(s, rng) if args.wordings else s.request() for s in stories]
        tally = collections.Counter()
        for story, prompt, answer in zip(stories, prompts, judge.stories(prompts, (n, f, g, i))):
            if prompt in world.OPEN_REQUESTS:
                continue
            lines = [p.strip() for p in answer if isinstance(p, str)]
            shown = [reader.read(p) for p in answer if not isinstance(p, str)]
            each = [reader.same(r, s) for r, s in zip(shown, story.scenes())]
            for k, ok in enumerate(each):
                tally[f"picture {k + 1}"] += 1
                tally[f"picture {k + 1} right"] += ok
            tally["stories"] += 1
            tally["words"] += lines == story.told()
            right = lines == story.told() and len(shown) == story.pictures and all(each)
            tally["right"] += right
            if not right and args.mistakes:
                print(f"  {prompt!r} told as {lines}, {[r and world.caption(r) for r in shown]}")
        count = tally["stories"]
        print(f"steps {n} guidance {g} image guidance {i}: stories right {tally['right'] / count:.4f},"
              f" words {tally['words'] / count:.4f}, pictures "
              + " ".join(f"{tally[f'picture {k} right'] / max(1, tally[f'picture {k}']):.4f}"
                         for k in (1, 2, 3)), flush=True)


if __name__ == "__main__":
    main()
