"""Trains the language model on one stream of words and codes; the VQ autoencoder stays as it is.

Every step has rows that draw, rows that read and rows that tell a story with pictures, all of them
plain next-token prediction. `python train.py START.pt CHECKPOINT.pt --minutes 65`; it resumes from
CHECKPOINT.pt when that exists. The learning rate follows the share of the minutes that is spent, so
a slower machine takes fewer steps.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import time

import torch
import torch.distributed as distributed
import torch.nn.functional as F

import groups
import model
import training
import words
import world

DRAW, READ, STORY, SESSION, EDIT = 88, 120, 256, 512, 184  # lengths of rows
BOS, EOS, BOI, EOI, TURN = (words.ID[n] for n in (words.BOS, words.EOS, words.BOI, words.EOI, words.TURN))
UNCONDITIONAL = 0.1
TOLD = 0.95  # share of edits that are said in words before they are drawn


def rotation(length: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    frequency = 10000.0 ** (-torch.arange(0, model.HEAD, 2).float() / model.HEAD)
    angle = torch.arange(length).float()[:, None] * frequency
    angle = torch.cat([angle, angle], dim=-1)
    mask = torch.full((length, length), -1e9).triu(1)
    return angle.cos(), angle.sin(), mask


def rms(x, weight):
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-5) * weight


def rotate(x, cos, sin):
    half = x.shape[-1] // 2
    return x * cos + torch.cat([-x[..., half:], x[..., :half]], dim=-1) * sin


def headed(x, gain, bias):
    """Each head of [B, T, H, K] normalised by itself, as [B, H, T, K]."""
    x = x.float()
    x = x - x.mean(-1, keepdim=True)
    x = x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-5)
    return (x * gain + bias).transpose(1, 2)


def attend(q, k, v, mask):
    """Attention [B, H, T, K] by plain products: on a CPU the fused kernel's backward is the slowest
    part of a step. Written without softmax, so that the compiler does not fuse it back."""
    scores = (q @ k.transpose(-1, -2)).float() * q.shape[-1] ** -0.5 + mask
    p = torch.exp(scores - scores.amax(-1, keepdim=True).detach())
    p = p / p.sum(-1, keepdim=True)
    return p.bfloat16() @ v


def block(x, cos, sin, mask, n1, wq, gq, bq, wk, gk, bk, wv, wo, n2, wg, wu, wd):
    """A Chameleon layer, the same arithmetic as transformers' but compiled once for all layers."""
    b, t, d = x.shape
    h = rms(x, n1).bfloat16()
    q, k, v = (F.linear(h, w.bfloat16()).view(b, t, -1, model.HEAD) for w in (wq, wk, wv))
    q, k = rotate(headed(q, gq, bq), cos, sin).bfloat16(), rotate(headed(k, gk, bk), cos, sin).bfloat16()
    a = attend(q, k, v.transpose(1, 2), mask)
    x = x + F.linear(a.transpose(1, 2).reshape(b, t, d), wo.bfloat16())
    h = rms(x, n2).bfloat16()
    h = F.silu(F.linear(h, wg.bfloat16())) * F.linear(h, wu.bfloat16())
    return x + F.linear(h, wd.bfloat16())


class Forward:
    """The forward pass of training over the modules of a ChameleonForConditionalGeneration."""

    def __init__(self, chameleon, compiled: bool):
        self.chameleon = chameleon
        self.block = torch.compile(block, dynamic=False) if compiled else block
        self.rotations = {t: rotation(t) for t in (DRAW, READ, STORY, SESSION, EDIT)}

    def hidden(self, ids: torch.Tensor) -> torch.Tensor:
        """Ids [B, T] to final hidden states [B, T, D]."""
        cos, sin, mask = self.rotations[ids.shape[1]]
        m = self.chameleon.model
        x = m.embed_tokens(ids)
        for layer in m.layers:
            a, f = layer.self_attn, layer.mlp
            x = self.block(
                x, cos, sin, mask, layer.input_layernorm.weight,
                a.q_proj.weight, a.q_norm.weight, a.q_norm.bias,
                a.k_proj.weight, a.k_norm.weight, a.k_norm.bias, a.v_proj.weight, a.o_proj.weight,
                layer.post_attention_layernorm.weight, f.gate_proj.weight, f.up_proj.weight,
                f.down_proj.weight,
            )
        return x

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """Of [N, D], padded to a multiple of 512: a CPU compiles its kernel for every shape anew."""
        padded = F.pad(hidden, (0, 0, 0, -len(hidden) % 512))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = self.chameleon.lm_head(rms(padded, self.chameleon.model.norm.weight))
        return found[: len(hidden)].float()


class Data:
    """Rows of ids and labels; a label is -1 where nothing is to be predicted, and its weight 0."""

    def __init__(self, tokenizer, pool: groups.Groups, seed: int):
        self.tokenizer, self.pool, self.rng = tokenizer, pool, random.Random(seed)
        self.alone, self.corrupt, self.leaving, self.planned = 0.0, 0.0, 1.0, 0.0
        self.cache: dict[str, list[int]] = {}

    def words(self, text: str) -> list[int]:
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def known(self, text: str) -> list[int]:
        if text not in self.cache:
            self.cache[text] = self.words(text)
        return self.cache[text]

    def pick(self) -> tuple[world.Scene, list[int]]:
        scene, codes = self.pool.pick(self.rng, self.alone)
        return scene, codes.tolist()

    def draw(self, dropped: float = UNCONDITIONAL) -> list[tuple[list[int], bool]]:
        """A row as parts that are given (False) or to be predicted (True, or a weight)."""
        scene, codes = self.pick()
        if self.rng.random() < dropped:
            return [([BOS, BOI], False), (codes, True), ([EOI], False)]
        prompt = self.words(world.prompt(scene, self.rng))
        return [([BOS] + prompt + [TURN], False), ([BOI] + codes, True), ([EOI], False), ([EOS], True)]

    def answer(self, asked: str, answer: str) -> list[tuple[list[int], bool]]:
        return [(self.known(asked) + [TURN], False), (self.known(answer) + [EOS], True)]

    def read(self) -> list[tuple[list[int], bool]]:
        rng = self.rng
        if rng.random() < self.planned:
            return self.plan()
        scene, codes = self.pick()
        picture = [BOI] + codes + [EOI]
        kind = rng.random()
        turns = []
        if kind < 0.7:
            turns.append((world.caption_question(rng), world.caption(scene)))
        if kind > 0.5:
            turns.append(world.question(scene, rng))
        if kind > 0.9:
            turns.append(world.question(scene, rng))
        how = rng.random()
        if how < 0.2:  # drawn by the model, then talked about
            row = [([BOS] + self.words(world.prompt(scene, rng)) + [TURN] + picture, False)]
            row += [([EOS], False)] if rng.random() < 0.3 else []
        elif how < 0.4:  # the question before the picture
            asked, answer = turns.pop(0)
            row = [([BOS] + self.known(asked) + picture + [TURN], False),
                   (self.known(answer) + [EOS], True)]
        else:
            row = [([BOS] + picture, False)]
        for asked, answer in turns:
            more = self.answer(asked, answer)
            if sum(len(p) for p, _ in row + more) <= READ:
                row += more
        return row

    def story(self, dropped: float = UNCONDITIONAL) -> list[tuple[list[int], bool]]:
        rng = self.rng
        story, shown = self.pool.story(rng, 0.5 if self.leaving > 1 else 0.0)
        shown = [picture.tolist() for picture in shown]
        if rng.random() < dropped:  # what the guidance by pictures alone sees
            row = [([BOS], False)]
            for picture in shown:
                row += [([BOI], False), (picture, True), ([EOI], False)]
            return row
        row = [([BOS] + self.words(world.story_prompt(story, rng)) + [TURN], False)]
        for n, (line, picture) in enumerate(zip(story.lines(), shown)):
            row += [(self.known((" " if n else "") + line) + [BOI], True),
                    (picture, self.leaving if n == 2 else True), ([EOI], False)]
        return row + [([EOS], True)]

    def plan(self) -> list[tuple[list[int], bool]]:
        """An instruction, and in words what is there and what it becomes."""
        edit, before, _ = self.pool.edit(self.rng)
        return [([BOS, BOI] + before.tolist() + [EOI] + self.known(world.edit_prompt(edit, self.rng)) + [TURN], False),
                (self.known(edit.told()) + [BOI], True)]

    def edit(self, dropped: float = UNCONDITIONAL) -> list[tuple[list[int], bool]]:
        """The same, and the picture that it becomes."""
        rng = self.rng
        edit, before, after = self.pool.edit(rng)
        before, after = before.tolist(), after.tolist()
        if rng.random() < dropped:  # what the guidance by pictures alone sees
            return [([BOS, BOI] + before + [EOI, BOI], False), (after, True), ([EOI], False)]
        row = [([BOS, BOI] + before + [EOI] + self.words(world.edit_prompt(edit, rng)) + [TURN], False)]
        said = self.known(edit.told()) if rng.random() < TOLD else []
        return row + [(said + [BOI] + after, True), ([EOI], False), ([EOS], True)]

    def session(self) -> list[tuple[list[int], bool]]:
        """Turns of all kinds one after the other, that do not heed each other. What a session asked
        for a picture holds ends with the picture."""
        row, tries = [([BOS], False)], 0
        while tries < 4:
            kind = self.rng.random()
            more = self.draw(0.0) if kind < 0.45 else self.read() if kind < 0.8 else self.story(0.0)
            if kind < 0.45 and self.rng.random() < 0.7:
                more.pop()
            more = [(more[0][0][1:], False)] + more[1:]
            if sum(len(p) for p, _ in row + more) <= SESSION:
                row += more
            else:
                tries += 1
        return row

    def rows(self, made: list, length: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Ids [B, T] of rows, and the labels and weights [B, T] of what follows each."""
        ids = torch.full((len(made), length + 1), words.ID[words.PAD])
        weights = torch.zeros(len(made), length + 1)
        for r, row in enumerate(made):
            flat = [i for part, _ in row for i in part]
            ids[r, : len(flat)] = torch.tensor(flat)
            weights[r, : len(flat)] = torch.tensor([float(w) for part, w in row for _ in part])
        labels = torch.where(weights > 0, ids, -1)
        return ids[:, :-1].contiguous(), labels[:, 1:].contiguous(), weights[:, 1:].contiguous()

    def corrupted(self, ids: torch.Tensor, share: float) -> torch.Tensor:
        """Some codes that the model looks back on are wrong, as its own will be."""
        if not share:
            return ids
        codes = (ids >= words.FIRST_CODE) & (ids < words.FIRST_CODE + words.CODES)
        wrong = codes & (torch.rand(ids.shape) < share * torch.rand(len(ids), 1) * 2)
        return torch.where(wrong, torch.randint_like(ids, words.CODES) + words.FIRST_CODE, ids)

    def batch(self, draw: int, read: int, story: int, session: int, edit: int) -> list:
        found = []
        for make, count, length, share in ((self.draw, draw, DRAW, 1.0), (self.read, read, READ, 0.3),
                                           (self.story, story, STORY, 1.0),
                                           (self.session, session, SESSION, 0.5),
                                           (self.edit, edit, EDIT, 0.3)):
            if count:
                ids, labels, weights = self.rows([make() for _ in range(count)], length)
                found.append((self.corrupted(ids, share * self.corrupt), labels, weights))
        return found


def losses(forward: Forward, batch) -> tuple[torch.Tensor, torch.Tensor, list[float]]:
    """Mean losses of codes and of words, and for every kind of row the share in which all words
    are right when the model is given what comes before (for text that is greedy decoding); last the
    loss of third pictures."""
    marked = [labels >= 0 for _, labels, _ in batch]
    logits = forward.logits(
        torch.cat([forward.hidden(ids)[at] for (ids, _, _), at in zip(batch, marked)]))
    wanted = torch.cat([labels[at] for (_, labels, _), at in zip(batch, marked)])
    weights = torch.cat([weights[at] for (_, _, weights), at in zip(batch, marked)])
    codes = (wanted >= words.FIRST_CODE) & (wanted < words.FIRST_CODE + words.CODES)
    missed = (logits.argmax(-1) != wanted) & ~codes
    exact = []
    for at, part in zip(marked, missed.split([int(at.sum()) for at in marked])):
        wrong = torch.zeros(len(at)).index_add_(0, at.nonzero()[:, 0], part.float())
        exact.append((wrong == 0).float().mean().item())
    loss = F.cross_entropy(logits, wanted, reduction="none")
    left = loss[codes & (weights > 1)]  # of third pictures, where these weigh more
    exact.append(left.mean().item() if len(left) else 0.0)
    return (loss * weights)[codes].sum() / weights[codes].sum(), loss[~codes].mean(), exact


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("start", help="written by from_janus.py")
    arguments.add_argument("checkpoint")
    arguments.add_argument("--minutes", type=float, default=65)
    arguments.add_argument("--rows", type=int, nargs=5, default=[40, 24, 12, 2, 0],
                           metavar=("DRAW", "READ", "STORY", "SESSION", "EDIT"))
    arguments.add_argument("--planned", type=float, default=0.0,
                           help="share of reading that says in words what an edit makes of a picture")
    arguments.add_argument("--alone", type=float, default=0.2, help="share of single things")
    arguments.add_argument("--corrupt", type=float, default=0.03, help="share of wrong codes")
    arguments.add_argument("--leaving", type=float, default=1.0,
                           help="weight of a story's third picture; above 1 more stories have one")
    arguments.add_argument("--further", action="store_true",
                           help="train a finished checkpoint on, with minutes and rate anew")
    arguments.add_argument("--rate", type=float, default=1.5e-3)
    arguments.add_argument("--pairs", type=int, default=20000, help="scenes to encode in all")
    arguments.add_argument("--seed", type=int, default=23, help="of the scenes")
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--eager", action="store_true")
    arguments.add_argument("--fresh", action="store_true", help="only the VQ of START, for a trial")
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
    chameleon = model.build(tokenizer.get_vocab())
    start = torch.load(args.start)
    if args.fresh:
        start = {n: t for n, t in start.items() if "vqmodel" in n}
    chameleon.load_state_dict(start, strict=not args.fresh)
    vq = chameleon.model.vqmodel
    vq.requires_grad_(False).eval()
    planned = []
    rng = random.Random(args.seed + 1000 * rank)
    while len(planned) < args.pairs:
        scene = world.random_scene(rng, 0.1)
        if not scene.is_held_out():
            planned.append(scene)
    encode = lambda rgb: model.encode(vq, rgb).long() + words.FIRST_CODE
    pool = groups.Groups(encode, args.seed, planned)
    data = Data(tokenizer, pool, 29 + rank)
    data.alone, data.corrupt, data.leaving, data.planned = args.alone, args.corrupt, args.leaving, args.planned
    begin = time.time()
    pool.grow(1024)
    print(f"{sum(map(len, pool.scenes))} pictures encoded in {time.time() - begin:.0f} s", flush=True)

    named = [(n, p) for n, p in chameleon.named_parameters() if p.requires_grad]
    trained = [p for _, p in named]
    optimizers = training.optimizers(named, args.rate)
    average = [p.detach().clone() for p in trained]
    step, spent = 0, 0.0
    if os.path.exists(args.checkpoint):
        saved = torch.load(args.checkpoint)
        chameleon.load_state_dict(saved["model"])
        for optimizer, state in zip(optimizers, saved["optimizers"]):
            optimizer.load_state_dict(state)
        average, step, spent = saved["average"], saved["step"], saved["spent"]
        if args.further:
            spent = 0.0
        data.rng = random.Random(1000 + step + 100000 * rank)
        print(f"resumed at step {step}, {spent / 60:.1f} minutes spent", flush=True)
    print(f"{sum(p.numel() for p in chameleon.parameters())} parameters,"
          f" {sum(p.numel() for p in trained)} trained", flush=True)

    torch.manual_seed(1000 + step + 100000 * rank)
    forward = Forward(chameleon, not args.eager)
    held = groups.Groups(encode, 97, world.scenes(97, 64, True, 0.0))
    held.grow(64)
    test = Data(tokenizer, held, 97)
    test.leaving = args.leaving
    test = test.batch(*args.rows)

    def save() -> None:
        if rank:
            return
        torch.save({"model": chameleon.state_dict(), "optimizers": [o.state_dict() for o in optimizers],
                    "average": average, "trained": [n for n, _ in named], "step": step,
                    "spent": spent}, args.checkpoint + ".part")
        os.replace(args.checkpoint + ".part", args.checkpoint)

    budget = args.minutes * 60
    begun, warm = step if args.further else 0, 40
    follow = 0.01 if args.further else 0.003
    first, last, kept = step, time.time(), time.time()
    mean = None
    while True:
        pool.grow(3 if shared else 16)
        codes, text, exact = losses(forward, data.batch(*args.rows))
        for optimizer in optimizers:
            optimizer.zero_grad(set_to_none=True)
        (codes + text).backward()
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
        seen = torch.tensor([codes.item(), text.item(), *exact])
        mean = seen if mean is None else torch.lerp(mean, seen, 0.05)
        if step % 25 == 0 and not rank:
            shown = " ".join(f"{e:.3f}" for e in mean[2:])
            print(f"step {step} codes {mean[0]:.4f} words {mean[1]:.4f} exact {shown} rate {rate:.2e}"
                  f" spent {spent / 60:.1f} min"
                  f" of {len(pool.scenes)}", flush=True)
        if step % 100 == 0 and not rank:
            with torch.no_grad():
                c, t, exact = losses(forward, test)
            print(f"  held out: codes {c:.4f} words {t:.4f} exact {' '.join(f'{e:.3f}' for e in exact)}",
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
