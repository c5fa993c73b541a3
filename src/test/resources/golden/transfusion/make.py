"""Writes two tiny random Transfusion checkpoints, and what public code computes with them.

    python make.py     # torch 2.13.0, transformers 5.18.0, diffusers 0.42.1, tokenizers, pillow; no network

There are no published weights. The reference is put together here of what others wrote: transformers'
LlamaModel under an explicit four-dimensional mask, without a cache, and diffusers' Timesteps,
TimestepEmbedding, DownBlock2D, UpBlock2D, AutoencoderKL and schedulers. `linear` has patch layers of one
matrix, a separator and learned positions; `unet` has the blocks of a U-Net and neither. Noise is
torch's, and written down.
"""

import json
import re
from pathlib import Path

import diffusers
import numpy as np
import torch
import transformers
from diffusers import AutoencoderKL, DDIMScheduler, DDPMScheduler, FlowMatchEulerDiscreteScheduler
from diffusers.models.embeddings import TimestepEmbedding, Timesteps
from diffusers.models.unets.unet_2d_blocks import DownBlock2D, UpBlock2D
from diffusers.schedulers import scheduling_ddpm
from PIL import Image
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM

HERE = Path(__file__).parent
SPECIAL = ["<pad>", "<s>", "</s>", "<boi>", "<eoi>", "<sep>", "<unk>"]
PAD, BOS, EOS, BOI, EOI, SEP, UNK = range(len(SPECIAL))
WIDTH, CHANNELS, SIZE, PATCH, FREQUENCIES, FACTOR = 32, 4, 4, 2, 16, 2
GUIDANCE, IMAGE_GUIDANCE = 3.0, 1.6
NEW_TOKENS = 24
UNET = dict(block_out_channels=[8, 12], layers_per_block=1, norm_num_groups=4, norm_eps=1e-5)
SCHEDULERS = {
    "ddpm": (8, DDPMScheduler(beta_schedule="squaredcos_cap_v2", clip_sample=True, clip_sample_range=2.0,
                              timestep_spacing="linspace")),
    "ddim": (5, DDIMScheduler(beta_schedule="squaredcos_cap_v2", clip_sample=True, clip_sample_range=2.0,
                              timestep_spacing="trailing")),
    "flow": (6, FlowMatchEulerDiscreteScheduler(shift=2.0)),
}
injected = []
scheduling_ddpm.randn_tensor = lambda shape, **_: injected.pop(0).reshape(shape)
torch.set_num_threads(1)
torch.set_grad_enabled(False)


def write_json(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    written = re.sub(r"\[\s+(-?[0-9][-0-9.e,\s]*?)\s+\]",
                     lambda m: "[" + re.sub(r"\s+", " ", m.group(1)) + "]", json.dumps(value, indent=1))
    assert json.loads(written) == value
    path.write_text(written + "\n", encoding="utf-8")


def tokenizer():
    """Every byte is a token."""
    names = SPECIAL + sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE(vocab={name: i for i, name in enumerate(names)}, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([AddedToken(n, special=True, normalized=False) for n in SPECIAL])
    assert made.get_vocab_size() == len(names)
    return made


class PatchIn(nn.Module):
    def __init__(self, unet):
        super().__init__()
        if unet:
            widths = UNET["block_out_channels"]
            self.conv_in = nn.Conv2d(CHANNELS, widths[0], 3, padding=1)
            self.down_blocks = nn.ModuleList([
                DownBlock2D(widths[max(i - 1, 0)], width, WIDTH, num_layers=UNET["layers_per_block"],
                            resnet_eps=UNET["norm_eps"], resnet_groups=UNET["norm_num_groups"],
                            add_downsample=i < len(widths) - 1) for i, width in enumerate(widths)])
            self.proj = nn.Linear(widths[-1], WIDTH)
        else:
            self.proj = nn.Linear(CHANNELS * PATCH * PATCH, WIDTH)
            self.position_embedding = nn.Embedding((SIZE // PATCH) ** 2, WIDTH)

    def forward(self, z, time):
        """[C, Y, X], [1, D] -> [P, D] and what the way out takes over."""
        if hasattr(self, "conv_in"):
            x = self.conv_in(z[None])
            kept = (x,)
            for block in self.down_blocks:
                x, more = block(x, time)
                kept += more
            return self.proj(x.flatten(2).transpose(1, 2))[0] + time, kept
        c, y, x = z.shape
        patches = z.reshape(c, y // PATCH, PATCH, x // PATCH, PATCH).permute(1, 3, 0, 2, 4).flatten(2).flatten(0, 1)
        return self.proj(patches) + time + self.position_embedding.weight, None


class PatchOut(nn.Module):
    def __init__(self, unet):
        super().__init__()
        if unet:
            widths = UNET["block_out_channels"][::-1]
            self.proj = nn.Linear(WIDTH, widths[0])
            self.up_blocks = nn.ModuleList([
                UpBlock2D(widths[min(i + 1, len(widths) - 1)], widths[max(i - 1, 0)], width, WIDTH,
                          num_layers=UNET["layers_per_block"] + 1, resnet_eps=UNET["norm_eps"],
                          resnet_groups=UNET["norm_num_groups"], add_upsample=i < len(widths) - 1)
                for i, width in enumerate(widths)])
            self.conv_norm_out = nn.GroupNorm(UNET["norm_num_groups"], widths[-1], UNET["norm_eps"])
            self.conv_out = nn.Conv2d(widths[-1], CHANNELS, 3, padding=1)
        else:
            self.proj = nn.Linear(WIDTH, CHANNELS * PATCH * PATCH)

    def forward(self, h, time, kept, rows, columns):
        """[P, D] -> [C, Y, X]"""
        h = self.proj(h)
        if kept is None:
            h = h.reshape(rows, columns, CHANNELS, PATCH, PATCH).permute(2, 0, 3, 1, 4)
            return h.reshape(CHANNELS, rows * PATCH, columns * PATCH)
        x = h.T.reshape(1, -1, rows, columns)
        for block in self.up_blocks:
            n = len(block.resnets)
            x, kept = block(x, kept[-n:], time), kept[:-n]
        return self.conv_out(nn.functional.silu(self.conv_norm_out(x)))[0]


class Transfusion(nn.Module):
    def __init__(self, unet, vocabulary):
        super().__init__()
        self.llama = LlamaForCausalLM(LlamaConfig(
            vocab_size=vocabulary, hidden_size=WIDTH, intermediate_size=48, num_hidden_layers=2,
            num_attention_heads=4, num_key_value_heads=2 if unet else 4, head_dim=8, rms_norm_eps=1e-5,
            max_position_embeddings=512, rope_theta=5000.0, tie_word_embeddings=unet,
            bos_token_id=BOS, eos_token_id=EOS, pad_token_id=PAD))
        self.llama.config._attn_implementation = "eager"
        self.frequencies = Timesteps(FREQUENCIES, flip_sin_to_cos=True, downscale_freq_shift=0)
        self.time_embed = TimestepEmbedding(FREQUENCIES, WIDTH)
        self.patch_in, self.patch_out = PatchIn(unet), PatchOut(unet)

    def time(self, t):
        return self.time_embed(self.frequencies(torch.tensor([float(t)])))

    def embed(self, items):
        """Tokens and pictures, each (latents, time) -> [T, D], the number of each row's picture"""
        rows, pictures, kept = [], [], None
        for at, item in enumerate(items):
            if isinstance(item, int):
                rows.append(self.llama.model.embed_tokens.weight[item][None])
                pictures.append(torch.tensor([-1]))
            else:
                row, kept = self.patch_in(item[0], self.time(item[1]))
                rows.append(row)
                pictures.append(torch.full([len(row)], at))
        return torch.cat(rows), torch.cat(pictures), kept

    def hidden(self, items):
        """-> [T, D] after the final norm, [T, T] which position sees which"""
        h, picture, kept = self.embed(items)
        length = len(h)
        seen = torch.ones(length, length, dtype=torch.bool).tril()
        seen |= (picture[:, None] == picture[None]) & (picture[:, None] >= 0)
        mask = torch.zeros(1, 1, length, length).masked_fill(~seen, torch.finfo(torch.float32).min)
        out = self.llama.model(inputs_embeds=h[None], attention_mask=mask, use_cache=False)
        return out.last_hidden_state[0], seen, kept

    def output(self, items, z, t):
        """What is said of noisy latents behind the items."""
        h, _, kept = self.hidden(items + [(z, t)])
        rows, columns = z.shape[1] // PATCH, z.shape[2] // PATCH
        return self.patch_out(h[-rows * columns:], self.time(t), kept, rows, columns)

    def logits(self, items):
        return self.llama.lm_head(self.hidden(items)[0][-1])


class Case:
    """A checkpoint and its conversations: sequences are lists of tokens and of clean pictures."""

    def __init__(self, name, seed):
        self.unet = name == "unet"
        self.name, self.tokenizer = name, tokenizer()
        torch.manual_seed(seed)
        self.model = Transfusion(self.unet, self.tokenizer.get_vocab_size()).eval()
        self.vae = AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
            block_out_channels=(8, 8), layers_per_block=1, latent_channels=CHANNELS, norm_num_groups=4,
            sample_size=SIZE * FACTOR, scaling_factor=0.7, shift_factor=0.1, use_quant_conv=False,
            use_post_quant_conv=False).eval()
        for part, gain in ((self.model, 1.5), (self.vae, 1.2)):
            for key, tensor in part.named_parameters():
                if tensor.dim() == 1 and "norm" in key and key.endswith("weight"):
                    tensor.copy_(1 + 0.2 * torch.randn_like(tensor))
                elif tensor.dim() == 1:
                    tensor.copy_(0.2 * torch.randn_like(tensor))
                elif "embed" in key and "time" not in key:
                    tensor.copy_(0.8 * torch.randn_like(tensor))
                else:
                    tensor.copy_(gain / tensor[0].numel() ** 0.5 * torch.randn_like(tensor))
        self.sep = [] if self.unet else [SEP]
        self.said = torch.zeros(self.tokenizer.get_vocab_size(), dtype=torch.bool)
        self.said[len(SPECIAL):] = True
        self.said[EOS] = True
        self.tensors = {}

    def encode(self, rgb):
        pixels = torch.from_numpy((rgb / 255.0 * 2 - 1).astype(np.float32)).permute(2, 0, 1)[None]
        mean = self.vae.encode(pixels).latent_dist.mean
        return ((mean - self.vae.config.shift_factor) * self.vae.config.scaling_factor)[0]

    def decode(self, z):
        pixels = self.vae.decode(z[None] / self.vae.config.scaling_factor + self.vae.config.shift_factor).sample
        unit = (pixels * 0.5 + 0.5).clamp(0, 1)[0].permute(1, 2, 0).numpy()
        return torch.from_numpy((unit * 255).round().astype(np.uint8))

    def picture(self, z):
        return [BOI, (z, 0.0), EOI]

    def text(self, words):
        return self.tokenizer.encode(words).ids

    def rows(self, items):
        """What guidance compares: all, the pictures alone, nothing."""
        images = [BOS]
        for item in items:
            if not isinstance(item, int):
                images += self.picture(item[0])
        none = [BOS] + self.sep + [BOI]
        if len(images) == 1:
            return [items + [BOI], none]
        return [items + [BOI], images + self.sep + [BOI], none]

    def guided(self, rows, z, t):
        out = [self.model.output(row, z, t) for row in rows]
        if len(rows) == 2:
            return out[1] + GUIDANCE * (out[0] - out[1])
        return out[2] + IMAGE_GUIDANCE * (out[1] - out[2]) + GUIDANCE * (out[0] - out[1])

    def draw(self, items, noise, scheduler):
        """noise: [S + 1, C, Y, X] -> [S, C, Y, X], the latents after every step"""
        steps, kind = SCHEDULERS[scheduler]
        kind = type(kind).from_config(kind.config)
        kind.set_timesteps(steps)
        rows, z, after = self.rows(items), noise[0], []
        injected[:] = list(noise[1:])
        for t in kind.timesteps:
            z = kind.step(self.guided(rows, z, t), t, z[None])[0][0] if scheduler != "flow" else \
                kind.step(self.guided(rows, z, t)[None], t, z[None])[0][0]
            after.append(z)
        return torch.stack(after)

    def say(self, items, pictures=(), scheduler="ddpm"):
        """Greedy words behind the items, and pictures where the model opens one."""
        items, ids, found, drawn = list(items), [], [], []
        pictures = list(pictures)
        while len(ids) - 2 * len(found) < NEW_TOKENS:
            allowed = self.said.clone()
            allowed[BOI] = bool(pictures)
            token = int(self.model.logits(items).masked_fill(~allowed, -torch.inf).argmax())
            if token == BOI:
                drawn.append(len(ids))
                found.append(self.draw(items, pictures.pop(0), scheduler)[-1])
                items += self.picture(found[-1])
                ids += [BOI, EOI]
                continue
            items.append(token)
            ids.append(token)
            if token == EOS:
                break
        return items, ids, found, drawn

    def keep(self, name, tensor):
        self.tensors[name] = tensor.clone().contiguous()

    def save(self):
        folder = HERE / self.name
        state = {}
        for key, tensor in self.model.state_dict().items():
            if not (self.unet and key == "llama.lm_head.weight"):
                state[key.removeprefix("llama.")] = tensor.clone().contiguous()
        folder.mkdir(exist_ok=True)
        save_file(state, folder / "model.safetensors")
        llama = self.model.llama.config
        write_json(folder / "config.json", dict(
            model_type="transfusion",
            **{key: getattr(llama, key) for key in (
                "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
                "num_key_value_heads", "head_dim", "max_position_embeddings", "rms_norm_eps",
                "tie_word_embeddings")},
            rope_theta=5000.0, bos_token_id=BOS, eos_token_id=EOS, pad_token_id=PAD, boi_token_id=BOI,
            eoi_token_id=EOI, sep_token_id=None if self.unet else SEP, latent_channels=CHANNELS,
            latent_size=SIZE, patch_size=PATCH, patch_layers="unet" if self.unet else "linear",
            time_frequencies=FREQUENCIES, position_embedding=not self.unet,
            **(dict(unet=UNET) if self.unet else {})))
        own = "flow" if self.unet else "ddpm"
        write_json(folder / "generation_config.json", dict(
            guidance_scale=GUIDANCE, image_guidance_scale=IMAGE_GUIDANCE,
            num_inference_steps=SCHEDULERS[own][0], do_sample=False, max_new_tokens=NEW_TOKENS))
        self.tokenizer.save(str(folder / "tokenizer.json"))
        write_json(folder / "tokenizer_config.json", dict(
            tokenizer_class="PreTrainedTokenizerFast", bos_token="<s>", eos_token="</s>", pad_token="<pad>"))
        self.vae.save_pretrained(folder / "vae")
        SCHEDULERS[own][1].save_pretrained(folder / "scheduler")
        save_file(self.tensors, folder / "expected.safetensors")


def opens(case, noise):
    """Whether the model says something, opens a picture, and goes on."""
    _, ids, found, _ = case.say([BOS] + case.text("tell me") + case.sep, [noise], "flow" if case.unet else "ddpm")
    return len(found) == 1 and 1 < ids.index(BOI) < len(ids) - 6


def make(name):
    generator = torch.Generator().manual_seed(5)
    noise = torch.randn(2, 10, CHANNELS, SIZE, SIZE, generator=generator)
    rgb = np.random.default_rng(3).integers(0, 256, (SIZE * FACTOR, SIZE * FACTOR, 3), dtype=np.uint8)
    seed = 1
    case = Case(name, seed)
    while not opens(case, noise[0]):
        seed += 1
        case = Case(name, seed)
    own = "flow" if case.unet else "ddpm"
    facts = dict(seed=seed, torch=torch.__version__, transformers=transformers.__version__,
                 diffusers=diffusers.__version__, guidance=GUIDANCE, image_guidance=IMAGE_GUIDANCE, draws={})
    case.keep("noise", noise)
    case.keep("picture.rgb", torch.from_numpy(rgb))
    z = case.encode(rgb)
    case.keep("picture.latents", z)

    # Two pictures and words between them, all rows at once.
    items = [BOS] + case.text("hi") + case.picture(z) + case.text("a dot") + [BOI, (noise[0, 0], 401.0)]
    embedded, picture, _ = case.model.embed(items)
    hidden, seen, _ = case.model.hidden(items)
    case.keep("mixed.embeddings", embedded)
    case.keep("mixed.hidden", hidden)
    case.keep("mixed.mask", seen.to(torch.uint8))
    facts["mixed"] = dict(blocks=[int(b) for b in torch.nonzero(
        torch.diff((picture >= 0).int(), prepend=torch.zeros(1), append=torch.zeros(1)))[:, 0]])

    prompts = {"draw": [BOS] + case.text("a red dot") + case.sep,
               "edit": [BOS] + case.picture(z) + case.text("make it blue") + case.sep}
    facts["words"] = dict(draw="a red dot", edit="make it blue")
    for prompt, said in prompts.items():
        rows = case.rows(said)
        case.keep(prompt + ".outputs", torch.stack([case.model.output(r, noise[1, 0], 250.5) for r in rows]))
        for scheduler, (steps, kind) in SCHEDULERS.items():
            after = case.draw(said, noise[0, :steps + 1], scheduler)
            case.keep(f"{prompt}.{scheduler}", after)
            case.keep(f"{prompt}.{scheduler}.rgb", case.decode(after[-1]))
            write_json(HERE / "schedulers" / f"{scheduler}.json",
                       dict(kind.config, _class_name=type(kind).__name__))
            facts["draws"][scheduler] = steps

    # Words: behind a picture, behind a second turn, and with a picture between them.
    asked = [BOS] + case.picture(z) + case.text("what is it?") + case.sep
    items, first, _, _ = case.say(asked)
    # An answer that was cut off is ended all the same, as the model is trained.
    end = [] if first[-1] == EOS else [EOS]
    _, second, _, _ = case.say(items + end + case.text("sure?") + case.sep)
    facts["ask"] = dict(words=["what is it?", "sure?"], ids=[first, second])
    after = case.draw(prompts["draw"], noise[0, :SCHEDULERS[own][0] + 1], own)
    drawn = prompts["draw"] + case.picture(after[-1]) + [EOS] + case.text("and this?") + case.sep
    facts["behind"] = dict(words="and this?", ids=case.say(drawn)[1])
    _, ids, found, _ = case.say([BOS] + case.text("tell me") + case.sep, [noise[0]], own)
    facts["tell"] = dict(words="tell me", ids=ids)
    case.keep("tell.latents", found[0])
    case.keep("tell.rgb", case.decode(found[0]))

    # A picture of another size.
    wide = np.random.default_rng(4).integers(0, 256, (13, 21, 3), dtype=np.uint8)
    side = SIZE * FACTOR
    small = Image.fromarray(wide).resize((round(side / 13 * 21), side), Image.Resampling.BICUBIC)
    left = (small.width - side) // 2
    case.keep("wide.rgb", torch.from_numpy(wide))
    case.keep("wide.cut", torch.from_numpy(np.array(small.crop((left, 0, left + side, side)))))
    case.save()
    write_json(HERE / name / "case.json", facts)
    print(name, "seed", seed, facts["tell"], facts["ask"])


if __name__ == "__main__":
    for each in ("linear", "unet"):
        make(each)
