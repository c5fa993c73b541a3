"""Second stage: the language model, the vision tower and the heads, together.

Every step has a half that draws (prompt, then the 64 codes of the frozen VQ autoencoder) and a half
that reads (picture, question, answer). `python train.py VQ.pt CHECKPOINT.pt --minutes 70`; it
resumes from CHECKPOINT.pt when that exists. The learning rate follows the share of the minutes that
is spent, so a slower machine takes fewer steps.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import time

import numpy as np
import torch
import torch.nn.functional as F

import model
import train_vq
import words
import world

PROMPT = 25  # longest drawing prompt in tokens, <begin_of_image> included
READ = 128  # length of a reading row
BEFORE = 5  # tokens before the first placeholder of a reading row
UNCONDITIONAL = 0.1


def rotation(length: int, dims: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    frequency = 10000.0 ** (-torch.arange(0, dims, 2).float() / dims)
    angle = torch.arange(length).float()[:, None] * frequency
    angle = torch.cat([angle, angle], dim=-1)
    mask = torch.full((length, length), -1e9).triu(1)
    return angle.cos(), angle.sin(), mask


def rms(x, weight):
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6) * weight


def rotate(x, cos, sin):
    half = x.shape[-1] // 2
    return x * cos + torch.cat([-x[..., half:], x[..., :half]], dim=-1) * sin


def attend(q, k, v, mask):
    """Attention [B, H, T, K] by plain products: on a CPU the fused kernel's backward is the slowest
    part of a step. Written without softmax, so that the compiler does not fuse it back."""
    scores = (q @ k.transpose(-1, -2)).float() * q.shape[-1] ** -0.5
    if mask is not None:
        scores = scores + mask
    p = torch.exp(scores - scores.amax(-1, keepdim=True).detach())
    p = p / p.sum(-1, keepdim=True)
    return p.bfloat16() @ v


def llama_block(x, cos, sin, mask, n1, wq, wk, wv, wo, n2, wg, wu, wd):
    """A Llama layer, the same arithmetic as transformers' but compiled once for all layers."""
    b, t, d = x.shape
    h = rms(x, n1).bfloat16()
    q, k, v = (F.linear(h, w.bfloat16()).view(b, t, -1, 64).transpose(1, 2) for w in (wq, wk, wv))
    q, k = rotate(q, cos, sin).bfloat16(), rotate(k, cos, sin).bfloat16()
    a = attend(q, k, v, mask)
    x = x + F.linear(a.transpose(1, 2).reshape(b, t, d), wo.bfloat16())
    h = rms(x, n2).bfloat16()
    h = F.silu(F.linear(h, wg.bfloat16())) * F.linear(h, wu.bfloat16())
    return x + F.linear(h, wd.bfloat16())


def vit_block(x, n1, b1, wq, bq, wk, bk, wv, bv, wo, bo, n2, b2, w1, c1, w2, c2):
    b, t, d = x.shape
    h = F.layer_norm(x, (d,), n1, b1, 1e-6).bfloat16()
    q, k, v = (
        F.linear(h, w.bfloat16(), c.bfloat16()).view(b, t, -1, 32).transpose(1, 2)
        for w, c in ((wq, bq), (wk, bk), (wv, bv))
    )
    a = attend(q, k, v, None)
    x = x + F.linear(a.transpose(1, 2).reshape(b, t, d), wo.bfloat16(), bo.bfloat16())
    h = F.layer_norm(x, (d,), n2, b2, 1e-6).bfloat16()
    h = F.gelu(F.linear(h, w1.bfloat16(), c1.bfloat16()))
    return x + F.linear(h, w2.bfloat16(), c2.bfloat16())


class Forward:
    """The forward pass of training over the modules of a JanusForConditionalGeneration."""

    def __init__(self, janus, compiled: bool):
        self.janus = janus
        wrap = torch.compile(dynamic=False) if compiled else lambda f: f
        self.llama_block = wrap(llama_block)
        self.vit_block = wrap(vit_block)
        self.rotations = {t: rotation(t, 64) for t in (PROMPT + model.TOKENS - 1, READ)}

    def language(self, x: torch.Tensor) -> torch.Tensor:
        cos, sin, mask = self.rotations[x.shape[1]]
        m = self.janus.model.language_model
        for layer in m.layers:
            a, f = layer.self_attn, layer.mlp
            x = self.llama_block(
                x, cos, sin, mask, layer.input_layernorm.weight, a.q_proj.weight, a.k_proj.weight,
                a.v_proj.weight, a.o_proj.weight, layer.post_attention_layernorm.weight,
                f.gate_proj.weight, f.up_proj.weight, f.down_proj.weight,
            )
        return rms(x, m.norm.weight)

    def vision(self, pixels: torch.Tensor) -> torch.Tensor:
        v = self.janus.model.vision_model
        with torch.autocast("cpu", dtype=torch.bfloat16):
            x = v.embeddings(pixels).float()
            for e in v.encoder.layers:
                a = e.self_attn
                x = self.vit_block(
                    x, e.layer_norm1.weight, e.layer_norm1.bias, a.q_proj.weight, a.q_proj.bias,
                    a.k_proj.weight, a.k_proj.bias, a.v_proj.weight, a.v_proj.bias,
                    a.projection_layer.weight, a.projection_layer.bias, e.layer_norm2.weight,
                    e.layer_norm2.bias, e.mlp.fc1.weight, e.mlp.fc1.bias, e.mlp.fc2.weight,
                    e.mlp.fc2.bias,
                )
            return self.janus.model.aligner(v.post_layernorm(x)).float()

    def draw(self, ids: torch.Tensor, lengths: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        """Logits [B, 64, codes] of rows whose codes follow a prompt of `lengths` tokens."""
        b = len(ids)
        m = self.janus.model
        text = m.language_model.embed_tokens(ids)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            picture = self.janus.prepare_embeddings_for_image_generation(codes[:, :-1]).float()
        at = torch.arange(PROMPT + model.TOKENS - 1)[None] - lengths[:, None]
        inside = (at >= 0) & (at < model.TOKENS - 1)
        joined = torch.cat([text, picture.new_zeros(b, model.TOKENS - 1, model.HIDDEN)], dim=1)
        moved = picture.gather(
            1, at.clamp(0, model.TOKENS - 2)[..., None].expand(-1, -1, model.HIDDEN)
        )
        x = self.language(torch.where(inside[..., None], moved, joined))
        wanted = lengths[:, None] - 1 + torch.arange(model.TOKENS)
        hidden = x.gather(1, wanted[..., None].expand(-1, -1, model.HIDDEN))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return m.generation_head(hidden).float()

    def read(self, pixels: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        """Final hidden states [B, T, D] of rows with a picture at the placeholders."""
        text = self.janus.model.language_model.embed_tokens(ids)
        seen = self.vision(pixels)
        x = torch.cat([text[:, :BEFORE], seen, text[:, BEFORE + model.TOKENS :]], dim=1)
        return self.language(x)


class Data:
    """Scenes become rows of ids; the codes of a fixed set of pictures are computed once."""

    def __init__(self, vq, tokenizer, seed: int, pictures: int):
        self.tokenizer = tokenizer
        self.ids = {n: tokenizer.token_to_id(s) for n, s in (
            ("bos", words.BOS), ("eos", words.EOS), ("pad", words.PAD), ("image", words.IMAGE),
            ("boi", words.BOI), ("eoi", words.EOI))}
        self.rng = random.Random(seed)
        self.scenes = world.scenes(seed, pictures, False)
        self.alone = world.alone(seed + 1, pictures // 4)
        self.alone_share = 0.0
        self.corrupt = 0.0
        self.read_rows = 32
        self.alone_codes = torch.empty(0, model.TOKENS, dtype=torch.short)
        self.vq = vq
        self.codes = torch.empty(0, model.TOKENS, dtype=torch.short)
        self.drawn = np.empty((0, 64, 64, 3), dtype=np.uint8)  # as the model's drawings look

    def grow(self, count: int) -> None:
        """Encodes the next pictures of the fixed set; the rest comes while training runs."""
        if self.alone_share:
            more = self.alone[len(self.alone_codes) : len(self.alone_codes) + count]
            if more:
                self.alone_codes = torch.cat([self.alone_codes, encode(self.vq, more)])
                return
        scenes = self.scenes[len(self.codes) : len(self.codes) + count]
        if scenes:
            codes = encode(self.vq, scenes)
            self.codes = torch.cat([self.codes, codes])
            if len(self.drawn) < 4096:
                self.drawn = np.concatenate([self.drawn, decode(self.vq, codes)])

    def draw_batch(self, count: int, scenes=None, codes=None, dropped=UNCONDITIONAL):
        rng = self.rng
        if scenes is None:
            single = round(count * self.alone_share)
            pairs = [rng.randrange(len(self.codes)) for _ in range(count - single)]
            singles = [rng.randrange(len(self.alone_codes)) for _ in range(single)]
            scenes = [self.scenes[i] for i in pairs] + [self.alone[i] for i in singles]
            codes = torch.cat([self.codes[pairs], self.alone_codes[singles]])
        texts = [f"{words.USER}: {world.prompt(s, rng)}\n\n{words.ASSISTANT}:{words.BOI}" for s in scenes]
        ids = torch.full((len(texts), PROMPT), self.ids["pad"])
        lengths = torch.zeros(len(texts), dtype=torch.long)
        for row, encoding in enumerate(self.tokenizer.encode_batch(texts)):
            found = encoding.ids
            if rng.random() < dropped:
                found = [found[0]] + [self.ids["pad"]] * (len(found) - 2) + [found[-1]]
            ids[row, : len(found)] = torch.tensor(found)
            lengths[row] = len(found)
        return ids, lengths, codes.long()

    def read_batch(self, count: int, scenes=None):
        """Pixels, ids and labels; labels are -100 except where an answer is to be predicted."""
        rng = self.rng
        fixed = scenes is not None
        rows, images = [], []
        pictures = model.TOKENS * words.IMAGE
        for i in range(count):
            if fixed:
                scene, picture = scenes[i], world.render(scenes[i])
            elif rng.random() < 0.15:
                j = rng.randrange(len(self.drawn))
                scene, picture = self.scenes[j], self.drawn[j]
            elif rng.random() < self.alone_share:
                scene = rng.choice(self.alone)
                picture = world.render(scene)
            else:
                scene = world.random_scene(rng)
                while scene.is_held_out():
                    scene = world.random_scene(rng)
                picture = world.render(scene)
            kind = 0.0 if fixed else rng.random()
            turns = []
            if kind < 0.8:
                asked = world.CAPTION_QUESTION if fixed else world.caption_question(rng)
                turns.append((asked, world.caption(scene)))
            if kind > 0.6:
                turns.append(world.question(scene, rng))
            if kind > 0.95:
                turns.append(world.question(scene, rng))
            text, head = [], f"{words.USER}: {words.BOI}{pictures}{words.EOI}\n"
            for asked, answer in turns:
                text.append((head + asked + f"\n\n{words.ASSISTANT}:", " " + answer + words.EOS))
                head = f"{words.USER}: "
            rows.append(text)
            images.append(picture)
        ids = torch.full((count, READ), self.ids["pad"])
        labels = torch.full((count, READ), -100)
        flat = [part for row in rows for turn in row for part in turn]
        encoded = iter(self.tokenizer.encode_batch(flat, add_special_tokens=False))
        for r, row in enumerate(rows):
            at = 1
            ids[r, 0] = self.ids["bos"]
            for _ in row:
                for is_answer in (False, True):
                    found = next(encoded).ids
                    ids[r, at : at + len(found)] = torch.tensor(found)
                    if is_answer:
                        labels[r, at - 1 : at - 1 + len(found)] = torch.tensor(found)
                    at += len(found)
        pixels = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 127.5 - 1
        return pixels, ids, labels


@torch.no_grad()
def encode(vq, scenes: list[world.Scene]) -> torch.Tensor:
    found = []
    book = vq.quantize.embedding.weight
    for at in range(0, len(scenes), 128):
        rgb = torch.from_numpy(np.stack([world.render(s) for s in scenes[at : at + 128]]))
        pixels = rgb.permute(0, 3, 1, 2).float() / 127.5 - 1
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            z = vq.quant_conv(vq.encoder(pixels)).float()
        found.append((z.permute(0, 2, 3, 1).reshape(len(rgb), -1, 8) @ book.T).argmax(-1).short())
    return torch.cat(found)


@torch.no_grad()
def decode(vq, codes: torch.Tensor) -> np.ndarray:
    found = []
    for at in range(0, len(codes), 128):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            pixels = vq.decode(codes[at : at + 128].long()).float()
        found.append(((pixels + 1) * 127.5).clamp(0, 255).byte().permute(0, 2, 3, 1).numpy())
    return np.concatenate(found)


def losses(forward: Forward, data: Data, count: int, draw=None, read=None):
    ids, lengths, codes = draw or data.draw_batch(count)
    given = codes
    if draw is None and data.corrupt:
        # Some codes that the model looks back on are wrong, as its own will be.
        wrong = torch.rand(codes.shape) < data.corrupt * torch.rand(len(codes), 1) * 2
        given = torch.where(wrong, torch.randint_like(codes, model.CODES), codes)
    logits = forward.draw(ids, lengths, given)
    draw_loss = F.cross_entropy(logits.flatten(0, 1), codes.flatten())
    pixels, ids, labels = read or data.read_batch(data.read_rows)
    hidden = forward.read(pixels, ids)
    at = labels >= 0
    with torch.autocast("cpu", dtype=torch.bfloat16):
        answer = forward.janus.lm_head(hidden[at]).float()
    read_loss = F.cross_entropy(answer, labels[at])
    # Teacher-forced, yet equal to greedy decoding: a row is exact when every argmax is right.
    wrong = torch.zeros(len(labels)).index_add_(
        0, at.nonzero()[:, 0], (answer.argmax(-1) != labels[at]).float()
    )
    return draw_loss, read_loss, (wrong == 0).float().mean().item()


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("vq")
    arguments.add_argument("checkpoint")
    arguments.add_argument("--minutes", type=float, default=70)
    arguments.add_argument("--rows", type=int, default=64, help="rows that draw")
    arguments.add_argument("--read-rows", type=int, default=32, help="rows that read")
    arguments.add_argument("--alone", type=float, default=0.0, help="share of single things")
    arguments.add_argument("--corrupt", type=float, default=0.0, help="share of wrong codes")
    arguments.add_argument("--further", action="store_true",
                           help="train a finished checkpoint on, with minutes and rate anew")
    arguments.add_argument("--rate", type=float, default=2e-3)
    arguments.add_argument("--pictures", type=int, default=40960)
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--eager", action="store_true")
    arguments.add_argument("--stop-after", type=int, default=0, help="steps, for a trial")
    args = arguments.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(17)
    train_vq.compile_group_norms()

    tokenizer = words.train()
    ids = {n: tokenizer.token_to_id(s) for n, s in (
        ("bos", words.BOS), ("eos", words.EOS), ("pad", words.PAD), ("image", words.IMAGE))}
    janus = model.build(words.VOCABULARY, ids)
    janus.model.vqmodel.load_state_dict(torch.load(args.vq))
    janus.model.vqmodel.requires_grad_(False).eval()
    # The codes start where the VQ autoencoder has them, so that near codes begin near.
    janus.model.generation_embeddings.weight.data.copy_(
        janus.model.vqmodel.quantize.embedding.weight.data)
    started = time.time()
    data = Data(janus.model.vqmodel, tokenizer, 23, args.pictures)
    data.alone_share, data.corrupt, data.read_rows = args.alone, args.corrupt, args.read_rows
    resumed = os.path.exists(args.checkpoint)
    for _ in range(16):
        data.grow(128)
    if resumed and not len(data.drawn):
        data.codes = torch.load(args.checkpoint)["codes"]
        data.drawn = decode(janus.model.vqmodel, data.codes[:1024])
    print(f"pictures encoded in {time.time() - started:.0f} s,"
          f" {len(data.codes.unique())} codes used", flush=True)
    trained = [p for p in janus.parameters() if p.requires_grad]
    print(f"{sum(p.numel() for p in janus.parameters())} parameters,"
          f" {sum(p.numel() for p in trained)} trained", flush=True)
    # Muon for the matrices inside, where it needs half of AdamW's steps; AdamW for the rest.
    inside = ("language_model.layers", "vision_model.encoder", "aligner.hidden", "proj_out")
    matrices = [p for n, p in janus.named_parameters()
                if p.requires_grad and p.ndim == 2 and any(i in n for i in inside)]
    chosen = {id(p) for p in matrices}
    others = [p for p in trained if id(p) not in chosen]
    optimizers = [
        torch.optim.Muon(matrices, lr=args.rate, weight_decay=0.05, momentum=0.95,
                         adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=args.rate, betas=(0.9, 0.98), weight_decay=0.01, fused=True),
    ]
    scales = (2.0, 1.0)
    average = [p.detach().clone() for p in trained]
    step, spent = 0, 0.0
    if os.path.exists(args.checkpoint):
        saved = torch.load(args.checkpoint)
        janus.load_state_dict(saved["model"], strict=False)
        for optimizer, state in zip(optimizers, saved["optimizers"]):
            optimizer.load_state_dict(state)
        average, step, spent = saved["average"], saved["step"], saved["spent"]
        if args.further:
            spent = 0.0
            state = dict(janus.named_parameters())
            average = [state[n].detach().clone() for n in saved["trained"]]
        data.rng = random.Random(1000 + step)
        data.codes = saved["codes"]
        print(f"resumed at step {step}, {spent / 60:.1f} minutes spent", flush=True)

    forward = Forward(janus, not args.eager)
    test = world.scenes(97, args.rows, True)
    held = random.Random(97)
    data.rng, rng = held, data.rng
    test_draw = data.draw_batch(len(test), test, encode(janus.model.vqmodel, test), 0.0)
    test_read = data.read_batch(len(test), test)
    data.rng = rng

    def save() -> None:
        torch.save({"model": janus.state_dict(), "optimizers": [o.state_dict() for o in optimizers],
                    "average": average, "trained": [n for n, p in janus.named_parameters()
                                                    if p.requires_grad],
                    "step": step, "spent": spent, "codes": data.codes}, args.checkpoint + ".part")
        os.replace(args.checkpoint + ".part", args.checkpoint)

    budget = args.minutes * 60
    begun, warm = (step, 40) if args.further else (0, 150)
    first, last = step, time.time()
    mean_draw = mean_read = None
    while spent < budget:
        share = spent / budget
        rate = args.rate * min(1.0, (step - begun + 1) / warm) * (
            0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * share)))
        for optimizer, scale in zip(optimizers, scales):
            for group in optimizer.param_groups:
                group["lr"] = scale * rate
        if step % 4 == 0:
            data.grow(128)
        draw_loss, read_loss, _ = losses(forward, data, args.rows)
        for optimizer in optimizers:
            optimizer.zero_grad(set_to_none=True)
        (draw_loss + read_loss).backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        for optimizer in optimizers:
            optimizer.step()
        torch._foreach_lerp_(average, [p.detach() for p in trained], max(0.003, 1 / (step - begun + 2)))
        step += 1
        now = time.time()
        if step - first > 3:  # the first steps compile
            spent += now - last
        last = now
        d, r = draw_loss.item(), read_loss.item()
        mean_draw = d if mean_draw is None else 0.95 * mean_draw + 0.05 * d
        mean_read = r if mean_read is None else 0.95 * mean_read + 0.05 * r
        if step % 25 == 0:
            print(f"step {step} draw {mean_draw:.4f} read {mean_read:.4f} rate {rate:.2e}"
                  f" spent {spent / 60:.1f} min {spent / max(1, step - first - 3):.3f} s/step",
                  flush=True)
        if step % 250 == 0:
            with torch.no_grad():
                d, r, exact = losses(forward, data, len(test), test_draw, test_read)
            print(f"  held out: draw {d:.4f} read {r:.4f} captions exact {exact:.3f}", flush=True)
            save()
            last = time.time()
        if args.stop_after and step >= args.stop_after:
            break
    save()
    print("done", flush=True)


if __name__ == "__main__":
    main()
