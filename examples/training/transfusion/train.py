"""Trains the transformer on rows of words and latents; the KL coder stays as it is.

Every step has rows that draw, rows that read and rows that edit: next-token prediction of words, and
of a noisy picture the velocity noise - data. Pictures of the context are clean, at time 0.
`python train.py VAE.pt CHECKPOINT.pt --start JANUS_FOLDER --minutes 70`; it resumes from
CHECKPOINT.pt when that exists. The learning rate follows the share of the minutes that is spent, so
a slower machine takes fewer steps.

`torchrun --nproc-per-node 2 train.py ...` trains on two processors with a thread each, which meet once
a step: on a shared machine two threads of one process wait for each other hundreds of times a step.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import time
from dataclasses import dataclass, field

import torch
import torch.distributed as distributed
import torch.nn.functional as F

import groups
import model
import start
import training
import words
import world

DRAW, READ, EDIT, STORY = 96, 120, 184, 464  # lengths of rows
BOS, EOS, BOI, EOI, SEP, PAD = (
    words.ID[n] for n in (words.BOS, words.EOS, words.BOI, words.EOI, words.SEP, words.PAD))
TOLD = 0.95  # share of edits that are said in words before they are drawn
NOTHING, IMAGES = 0.1, 0.05  # shares of rows whose context is dropped, for guidance
THINGS = 6.0  # weight of the patches of an edit that show something before or after
LATENT_NOISE = 0.05  # deviation of what the context's pictures may be off


def rms(x, weight):
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + model.EPSILON) * weight


def rotate(x, cos, sin):
    half = x.shape[-1] // 2
    return x * cos + torch.cat([-x[..., half:], x[..., :half]], dim=-1) * sin


def rotation(length: int) -> tuple[torch.Tensor, torch.Tensor]:
    frequency = model.THETA ** (-torch.arange(0, model.HEAD, 2).float() / model.HEAD)
    angle = torch.arange(length).float()[:, None] * frequency
    angle = torch.cat([angle, angle], dim=-1)
    return angle.cos(), angle.sin()


def attend(q, k, v, mask):
    """Attention [B, H, T, K] by plain products: on a CPU the fused kernel's backward is the slowest
    part of a step. Written without softmax, so that the compiler does not fuse it back."""
    scores = (q @ k.transpose(-1, -2)).float() * q.shape[-1] ** -0.5 + mask
    p = torch.exp(scores - scores.amax(-1, keepdim=True).detach())
    p = p / p.sum(-1, keepdim=True)
    return p.bfloat16() @ v


def block(x, cos, sin, mask, n1, wq, wk, wv, wo, n2, wg, wu, wd):
    """A Llama layer, the same arithmetic as transformers' but compiled once for all layers."""
    b, t, d = x.shape
    h = rms(x, n1).bfloat16()
    q, k, v = (F.linear(h, w.bfloat16()).view(b, t, -1, model.HEAD).transpose(1, 2) for w in (wq, wk, wv))
    q, k = rotate(q.float(), cos, sin).bfloat16(), rotate(k.float(), cos, sin).bfloat16()
    a = attend(q, k, v, mask)
    x = x + F.linear(a.transpose(1, 2).reshape(b, t, d), wo.bfloat16())
    h = rms(x, n2).bfloat16()
    h = F.silu(F.linear(h, wg.bfloat16())) * F.linear(h, wu.bfloat16())
    return x + F.linear(h, wd.bfloat16())


class Pool(groups.Groups):
    """Groups of pictures and their latents [64, C]."""

    def __init__(self, vae, seed: int, planned: list[world.Scene]):
        super().__init__(lambda rgb: self.latents(vae, rgb), seed, planned)
        page = torch.tensor(world.BACKGROUND, dtype=torch.uint8).expand(1, world.SIDE, world.SIDE, 3)
        self.page = model.encode(vae, page)[0]

    @staticmethod
    def latents(vae, rgb: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return model.encode(vae, rgb)

    def shown(self, latents: torch.Tensor) -> torch.Tensor:
        """Which patches [64] are not the page's."""
        return (latents - self.page).abs().amax(-1) > 1.5


@dataclass
class Row:
    """One row as it grows: words, clean pictures of the context, and noisy pictures to be denoised."""

    ids: list[int] = field(default_factory=list)
    wanted: list[bool] = field(default_factory=list)
    pictures: list[tuple[int, torch.Tensor, bool]] = field(default_factory=list)  # column, latents, noisy
    weights: torch.Tensor | None = None  # of the noisy picture's patches
    copies: list[tuple[int, torch.Tensor]] = field(default_factory=list)  # of clean ones, noisy

    def say(self, ids: list[int], wanted: bool) -> "Row":
        self.ids += ids
        self.wanted += [wanted] * len(ids)
        return self

    def show(self, latents: torch.Tensor, opened: bool = False, noisy: bool = False,
             copied: bool = False) -> "Row":
        """<boi> PATCHES <eoi>; `opened` when the model says <boi>; `copied` when later turns see the
        picture clean and a noisy copy of it, seen by nothing else, is to be denoised."""
        self.say([BOI], opened)
        self.pictures.append((len(self.ids), latents, noisy))
        if copied:
            self.copies.append((len(self.ids), latents))
        return self.say([PAD] * model.PATCHES, False).say([EOI], False)

    def length(self) -> int:
        return len(self.ids) + model.PATCHES * len(self.copies)


class Data:
    def __init__(self, tokenizer, pool: Pool, seed: int):
        self.tokenizer, self.pool, self.rng = tokenizer, pool, random.Random(seed)
        self.alone = 0.0
        self.cache: dict[str, list[int]] = {}

    def words(self, text: str) -> list[int]:
        if text not in self.cache:
            if len(self.cache) > 100000:
                self.cache.clear()
            self.cache[text] = self.tokenizer.encode(text, add_special_tokens=False).ids
        return self.cache[text]

    def answer(self, row: Row, asked: str, answer: str) -> None:
        row.say(self.words(asked) + [SEP], False).say(self.words(answer) + [EOS], True)

    def draw(self) -> Row:
        scene, latents = self.pool.pick(self.rng, self.alone)
        if self.rng.random() < NOTHING:
            return Row().say([BOS, SEP], False).show(latents, noisy=True)
        row = Row().say([BOS] + self.words(world.prompt(scene, self.rng)) + [SEP], False)
        return row.show(latents, opened=True, noisy=True).say([EOS], True)

    def plan(self) -> Row:
        """A question, then an instruction, and in words what is there and what it becomes."""
        rng = self.rng
        edit, before, _ = self.pool.edit(rng)
        row = Row().say([BOS], False).show(before)
        turn = (world.caption_question(rng), world.caption(edit.before))
        self.answer(row, *(turn if rng.random() < 0.5 else world.question(edit.before, rng)))
        asked = self.words(world.edit_prompt(edit, rng))
        said = self.words(edit.told())
        if row.length() + len(asked) + len(said) + 2 > READ:
            row = Row().say([BOS], False).show(before)
        return row.say(asked + [SEP], False).say(said + [BOI], True)

    def read(self) -> Row:
        rng = self.rng
        if rng.random() < 0.5:
            return self.plan()
        scene, latents = self.pool.pick(rng, self.alone)
        turns = [world.question(scene, rng) for _ in range(4)]
        if rng.random() < 0.35:
            turns.insert(0, (world.caption_question(rng), world.caption(scene)))
        how = rng.random()
        row = Row()
        if how < 0.15:  # drawn by the model, then talked about
            row.say([BOS] + self.words(world.prompt(scene, rng)) + [SEP], False)
            row.show(latents, opened=True).say([EOS], True)
        elif how < 0.3:  # the question before the picture
            asked, answer = turns.pop(0)
            row.say([BOS] + self.words(asked), False).show(latents)
            row.say([SEP], False).say(self.words(answer) + [EOS], True)
        else:
            row.say([BOS], False).show(latents)
        for asked, answer in turns:
            if row.length() + len(self.words(asked)) + len(self.words(answer)) + 2 <= READ:
                self.answer(row, asked, answer)
        return row

    def edit(self) -> Row:
        edit, before, after = self.pool.edit(self.rng)
        dropped = self.rng.random()
        if dropped < NOTHING:
            return Row().say([BOS, SEP], False).show(after, noisy=True)
        row = Row().say([BOS], False).show(before)
        if dropped < NOTHING + IMAGES:
            return row.say([SEP], False).show(after, noisy=True)
        row.say(self.words(world.edit_prompt(edit, self.rng)) + [SEP], False)
        if self.rng.random() < TOLD:
            row.say(self.words(edit.told()), True)
        row.weights = torch.where(self.pool.shown(before) | self.pool.shown(after), THINGS, 1.0)
        return row.show(after, opened=True, noisy=True).say([EOS], True)

    def story(self) -> Row:
        rng = self.rng
        story, shown = self.pool.story(rng)
        dropped = rng.random()
        row = Row()
        if dropped < IMAGES:
            row.say([BOS], False)
            for picture in shown[:-1]:
                row.show(picture)
            return row.say([SEP], False).show(shown[-1], noisy=True)
        row.say([BOS] + self.words(world.story_prompt(story, rng)) + [SEP], False)
        for n, (line, picture) in enumerate(zip(story.told(), shown)):
            row.say(self.words((" " if n else "") + line), True).show(picture, opened=True, copied=True)
        return row.say([EOS], True)

    def batch(self, counts: list[int]) -> list["Batch"]:
        makers = ((self.draw, DRAW), (self.read, READ), (self.edit, EDIT), (self.story, STORY))
        return [Batch([make() for _ in range(count)], length)
                for (make, length), count in zip(makers, counts) if count]


class Batch:
    """Rows as tensors [B, T]. Columns hold words and pictures in order, then noisy copies, then
    nothing; positions and what a column sees are told apart from its place."""

    def __init__(self, rows: list[Row], length: int):
        size, p = (len(rows), length), model.PATCHES
        self.ids = torch.full(size, PAD)
        self.labels = torch.full(size, -1)  # of what follows
        position = torch.zeros(size, dtype=torch.long)
        limit = torch.zeros(size, dtype=torch.long)  # sees what is kept before this position
        inside = torch.full(size, -1)  # the picture's number
        kept = torch.zeros(size, dtype=torch.bool)
        places, latents, noisy, weights = [], [], [], []
        for r, row in enumerate(rows):
            n = len(row.ids)
            assert row.length() <= length, (row.length(), length)
            self.ids[r, :n] = torch.tensor(row.ids)
            shifted = torch.tensor(row.ids[1:]), torch.tensor(row.wanted[1:])
            self.labels[r, : n - 1] = torch.where(shifted[1], shifted[0], -1)
            position[r, :n] = torch.arange(n)
            limit[r, :n] = torch.arange(n) + 1
            kept[r, :n] = True
            put = [(at, at, latent, is_noisy) for at, latent, is_noisy in row.pictures]
            put += [(n + i * p, at, latent, True) for i, (at, latent) in enumerate(row.copies)]
            for number, (column, at, latent, is_noisy) in enumerate(put):
                columns = slice(column, column + p)
                position[r, columns] = torch.arange(at, at + p)
                limit[r, columns] = at
                inside[r, columns] = number
                places.append(r * length + column)
                latents.append(latent)
                noisy.append(is_noisy)
                if is_noisy:
                    weights.append(torch.ones(p) if row.weights is None else row.weights)
        same = (inside[:, :, None] == inside[:, None, :]) & (inside >= 0)[:, None]
        seen = (kept[:, None] & (position[:, None] < limit[:, :, None])) | same
        self.mask = torch.where(seen, 0.0, -1e9)[:, None]
        self.position = position
        self.places = torch.tensor(places)[:, None] + torch.arange(p)
        self.latents = torch.stack(latents).float()
        self.noisy = torch.tensor(noisy)
        self.edits = torch.tensor([row.weights is not None for row in rows for n in row.pictures + row.copies])
        self.weights = torch.stack(weights) if weights else torch.zeros(0, p)

    def corrupt(self, mean: float, deviation: float, edits: float | None = None, generator=None) -> None:
        """Draws times and noise anew: logit-normal times of the noisy pictures, 0 of the others. Half
        of the `edits` have a mean of their own."""
        n = len(self.latents)
        at = torch.full((n,), mean)
        if edits is not None:
            at[self.edits] = torch.where(torch.rand(n) < 0.5, edits, 1.2)[self.edits]
        sigma = torch.sigmoid(torch.randn(n, generator=generator) * deviation + at)
        noise = torch.randn(self.latents.shape, generator=generator)
        off = LATENT_NOISE * (torch.rand(n, generator=generator) < 0.5)
        sigma = torch.where(self.noisy, sigma, 0.0)
        share = torch.where(self.noisy, sigma, off)[:, None, None]
        self.inputs = torch.where(self.noisy[:, None, None], 1 - share, 1.0) * self.latents + share * noise
        self.times = 1000 * sigma
        self.targets = (noise - self.latents)[self.noisy]


class Forward:
    """The forward pass of training over the modules of a Transfusion."""

    def __init__(self, transfusion: model.Transfusion, compiled: bool):
        self.transfusion = transfusion
        self.block = torch.compile(block, dynamic=False) if compiled else block
        self.cos, self.sin = rotation(STORY)

    def hidden(self, batch: Batch) -> torch.Tensor:
        """Hidden states [B*T, D] before the last norm."""
        t, m = self.transfusion, self.transfusion.model
        b, length = batch.ids.shape
        x = m.embed_tokens(batch.ids).view(b * length, -1)
        more = -len(batch.inputs) % 8  # a CPU compiles its kernels for every shape anew
        inputs, times = F.pad(batch.inputs, (0, 0, 0, 0, 0, more)), F.pad(batch.times, (0, more))
        patches = t.patches(inputs, times)[: len(batch.inputs)]
        x = x.index_copy(0, batch.places.flatten(), patches.flatten(0, 1)).view(b, length, -1)
        cos, sin = self.cos[batch.position][:, None], self.sin[batch.position][:, None]
        for layer in m.layers:
            a, f = layer.self_attn, layer.mlp
            x = self.block(
                x, cos, sin, batch.mask, layer.input_layernorm.weight, a.q_proj.weight, a.k_proj.weight,
                a.v_proj.weight, a.o_proj.weight, layer.post_attention_layernorm.weight,
                f.gate_proj.weight, f.up_proj.weight, f.down_proj.weight)
        return x.view(b * length, -1)

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        padded = F.pad(hidden, (0, 0, 0, -len(hidden) % 512))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = self.transfusion.lm_head(rms(padded, self.transfusion.model.norm.weight))
        return found[: len(hidden)].float()

    def velocity(self, hidden: torch.Tensor) -> torch.Tensor:
        padded = F.pad(hidden, (0, 0, 0, -len(hidden) % 512))
        return self.transfusion.patch_out.proj(rms(padded, self.transfusion.model.norm.weight))[: len(hidden)]


def losses(forward: Forward, batches: list[Batch]) -> tuple[torch.Tensor, torch.Tensor, list[float]]:
    """Mean loss of patches and of words; for the log every kind's own, the share of rows in which all
    words are right when the model is given what comes before, then the loss of its pictures."""
    said, wanted, drawn, targets, shares = [], [], [], [], []
    for batch in batches:
        hidden = forward.hidden(batch)
        labels = batch.labels.flatten()
        at = (labels >= 0).nonzero()[:, 0]
        said.append(hidden[at])
        wanted.append(labels[at])
        shares.append((len(batch.ids), at // batch.ids.shape[1]))
        drawn.append(hidden[batch.places[batch.noisy].flatten()])
        targets.append(batch.targets.flatten(0, 1))
    logits = forward.logits(torch.cat(said))
    loss = F.cross_entropy(logits, torch.cat(wanted))
    off = (forward.velocity(torch.cat(drawn)) - torch.cat(targets)).square().mean(-1)
    weights = torch.cat([batch.weights.flatten() for batch in batches])
    missed = (logits.argmax(-1) != torch.cat(wanted)).float()
    log = []
    for (rows, row), part, own in zip(
            shares, missed.split([len(w) for w in wanted]), off.split([len(d) for d in drawn])):
        wrong = torch.zeros(rows).index_add_(0, row, part)
        log += [(wrong == 0).float().mean().item(), own.mean().item() if len(own) else 0.0]
    return (off * weights).mean() / weights.mean(), loss, log


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("vae", help="written by train_vae.py")
    arguments.add_argument("checkpoint")
    arguments.add_argument("--start", help="the demo Janus's folder")
    arguments.add_argument("--minutes", type=float, default=70)
    arguments.add_argument("--rows", type=int, nargs=4, default=[32, 16, 24, 0],
                           metavar=("DRAW", "READ", "EDIT", "STORY"))
    arguments.add_argument("--alone", type=float, default=0.2, help="share of single things")
    arguments.add_argument("--further", action="store_true",
                           help="train a finished checkpoint on, with minutes and rate anew")
    arguments.add_argument("--rate", type=float, default=1.5e-3)
    arguments.add_argument("--pictures", type=float, default=3.0, help="weight of the pictures' loss")
    arguments.add_argument("--times", type=float, nargs=2, default=[0.3, 1.0],
                           metavar=("MEAN", "DEVIATION"), help="of the times' logits")
    arguments.add_argument("--edit-time", type=float, default=4.0,
                           help="the mean for half of the edits: only much noise leaves it to the words")
    arguments.add_argument("--pairs", type=int, default=40000, help="scenes to encode in all")
    arguments.add_argument("--seed", type=int, default=23, help="of the scenes")
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--eager", action="store_true")
    arguments.add_argument("--stop-after", type=int, default=0, help="steps, for a trial")
    args = arguments.parse_args()
    rank = int(os.environ.get("RANK", 0))
    shared = int(os.environ.get("WORLD_SIZE", 1)) > 1
    if shared:
        distributed.init_process_group("gloo")
    torch.set_num_threads(1 if shared else args.threads)
    torch.manual_seed(17)
    torch._dynamo.config.recompile_limit = 64

    tokenizer = words.train()
    saved = torch.load(args.vae)
    vae = model.build_vae(saved["scale"], saved["shift"])
    vae.load_state_dict(saved["model"])
    vae.requires_grad_(False).eval().to(memory_format=torch.channels_last)
    transfusion = model.build(tokenizer.get_vocab_size())
    rng = random.Random(args.seed + 1000 * rank)
    planned = []
    while len(planned) < args.pairs:
        scene = world.random_scene(rng, 0.1)
        if not scene.is_held_out():
            planned.append(scene)
    pool = Pool(vae, args.seed, planned)
    data = Data(tokenizer, pool, 29 + rank)
    data.alone = args.alone
    begin = time.time()
    pool.grow(1200)
    print(f"{sum(map(len, pool.scenes))} pictures encoded in {time.time() - begin:.0f} s;"
          f" latents' deviation {torch.cat(pool.encoded).std():.3f}", flush=True)
    if args.start and not os.path.exists(args.checkpoint):
        start.from_janus(args.start, transfusion, tokenizer.get_vocab(), vae)

    named = list(transfusion.named_parameters())
    trained = [p for _, p in named]
    optimizers = training.optimizers(named, args.rate)
    average = [p.detach().clone() for p in trained]
    step, spent = 0, 0.0
    if os.path.exists(args.checkpoint):
        saved = torch.load(args.checkpoint)
        transfusion.load_state_dict(saved["model"])
        for optimizer, state in zip(optimizers, saved["optimizers"]):
            optimizer.load_state_dict(state)
        average, step, spent = saved["average"], saved["step"], saved["spent"]
        if args.further:
            spent = 0.0
        data.rng = random.Random(1000 + step + 100000 * rank)
        print(f"resumed at step {step}, {spent / 60:.1f} minutes spent", flush=True)
    print(f"{sum(p.numel() for p in trained)} parameters", flush=True)

    torch.manual_seed(1000 + step + 100000 * rank)
    forward = Forward(transfusion, not args.eager)
    held = Pool(vae, 97, world.scenes(97, 64, True, 0.0))
    held.grow(64)
    test = Data(tokenizer, held, 97).batch(args.rows)
    generator = torch.Generator().manual_seed(98)
    for batch in test:
        batch.corrupt(0.0, 1.0, generator=generator)

    def save() -> None:
        if rank:
            return
        torch.save({"model": transfusion.state_dict(), "optimizers": [o.state_dict() for o in optimizers],
                    "average": average, "step": step, "spent": spent}, args.checkpoint + ".part")
        os.replace(args.checkpoint + ".part", args.checkpoint)

    budget = args.minutes * 60
    begun, warm = step if args.further else 0, 40
    follow = 0.01 if args.further else 0.003
    first, last, kept = step, time.time(), time.time()
    mean = None
    while True:
        pool.grow(3 if shared else 6)
        batches = data.batch(args.rows)
        for batch in batches:
            batch.corrupt(*args.times, args.edit_time)
        drawn, said, log = losses(forward, batches)
        for optimizer in optimizers:
            optimizer.zero_grad(set_to_none=True)
        (args.pictures * drawn + said).backward()
        if shared:
            spent = training.meet(trained, spent)
        if spent >= budget:
            break
        rate = args.rate * min(1.0, (step - begun + 1) / warm) * (
            0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * spent / budget)))
        for optimizer, scale in zip(optimizers, training.SCALES):
            for group in optimizer.param_groups:
                group["lr"] = scale * rate
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        for optimizer in optimizers:
            optimizer.step()
        torch._foreach_lerp_(average, [p.detach() for p in trained], max(follow, 1 / (step - begun + 2)))
        step += 1
        now = time.time()
        if step - first > 3:  # the first steps compile
            spent += now - last
        last = now
        seen = torch.tensor([drawn.item(), said.item(), *log])
        mean = seen if mean is None else torch.lerp(mean, seen, 0.05)
        if step % 25 == 0 and not rank:
            print(f"step {step} pictures {mean[0]:.4f} words {mean[1]:.4f} by kind"
                  f" {' '.join(f'{e:.3f}' for e in mean[2:])} rate {rate:.2e} spent {spent / 60:.1f} min"
                  f" of {len(pool.scenes)}", flush=True)
        if step % 200 == 0 and not rank:
            with torch.no_grad():
                d, w, log = losses(forward, test)
            print(f"  held out: pictures {d:.4f} words {w:.4f} by kind {' '.join(f'{e:.3f}' for e in log)}",
                  flush=True)
            last = time.time()
        if now - kept > 180:
            save()
            kept = last = time.time()
        if args.stop_after and step >= args.stop_after:
            break
    save()
    print("done", flush=True)


if __name__ == "__main__":
    main()
