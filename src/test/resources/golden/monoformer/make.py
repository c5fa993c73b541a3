"""Writes tiny random MonoFormer checkpoints, and what the authors' code computes with them.

    python make.py MONOFORMER     # a clone of MonoFormer/MonoFormer@8087266; no network

Models, diffusion and the program's preprocessing are the clone's own, on transformers 4.38.0, which
its requirements name (torch 2.13.0, tokenizers 0.15.2); one thread, seed SEED. pixels.py decodes the
last latents with diffusers. README.md tells what is in which file.
"""

import ast
import json
import re
import shutil
import sys
import types
from pathlib import Path
from typing import List

import numpy as np
import torch
import transformers
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, trainers
from torch.nn.utils.rnn import pad_sequence

HERE = Path(__file__).parent
SEED = 61
STEPS = 20
GUIDANCE = 4.0
PIXELS = 48  # 6 x 6 latents, 3 x 3 patches
CORPUS = ["Please generate an image of beach wagon, of a tench, of a red fox and of a goldfish",
          "an photo of a great white shark. ### Human: draw it ### Assistant: an image of a tench."]
# As published; ids are not, on purpose.
NAMED = dict(bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="<PAD>")
ADDED = ["<PAD>", "<image>", "<|im_start|>", "<|im_end|>"]

COMMON = dict(hidden_size=32, intermediate_size=44, num_hidden_layers=2, num_attention_heads=4,
              num_key_value_heads=2, max_position_embeddings=96, rms_norm_eps=1e-5,
              rope_theta=10000.0, tie_word_embeddings=False, patch_size=2, in_channels=4,
              learn_sigma=True, image_size=PIXELS, tokenizer_max_length=64,
              tokenizer_padding_side="right", use_flash_attn=False, use_bi_attn_img_tokens=True,
              use_pos_embed=True, add_pos_embed_each_layer=False)
# The published checkpoint says adaln_before_decoder; the training config says the other.
VARIANTS = {
    "published": dict(decoder_t_embed="adaln_before_decoder", use_adaln_final_layer=True),
    "token": dict(decoder_t_embed="add_before_image_tokens", use_adaln_final_layer=False),
}
LABELS = ["beach wagon", "tench", "", "great white shark.", "  two  spaces, é and ### 12"]


def tokenizer():
    """TinyLlama's in form: BPE with byte fallback, the mark of a word before every text."""
    base = Tokenizer(models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    base.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    base.train_from_iterator(CORPUS, trainers.BpeTrainer(
        vocab_size=330, show_progress=False, limit_alphabet=60,
        special_tokens=["<unk>", "<s>", "</s>"] + ["<0x%02X>" % b for b in range(256)]))
    spec = json.loads(base.to_str())
    spec["added_tokens"] = [t for t in spec["added_tokens"] if not t["content"].startswith("<0x")]
    spec["pre_tokenizer"] = None
    spec["decoder"] = {"type": "Sequence", "decoders": [
        {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"},
        {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]}
    tok = Tokenizer.from_str(json.dumps(spec))
    tok.add_special_tokens([AddedToken(t, normalized=False, special=True) for t in ADDED])
    return tok


class Fill:
    """Seeded weights with few significant bits: exact in bfloat16, and they compress well."""

    def __init__(self, seed):
        self.generator = torch.Generator().manual_seed(seed)

    def normal(self, shape, std):
        step = 2.0 ** round(float(np.log2(std / 4)))
        draw = torch.randn(shape, generator=self.generator) * std / step
        return torch.round(draw).clamp(-15, 15) * step

    def __call__(self, name, tensor):
        shape = tuple(tensor.shape)
        if len(shape) == 1:
            return self.normal(shape, 0.2) + (1.0 if "norm" in name else 0.0)
        gain = 0.9 * shape[1] ** 0.5 if "embed_tokens" in name else 1.2
        gain = 0.6 if "adaLN" in name or name.startswith("final_layer.mlp") else gain
        # So that much of the noise comes through.
        gain = 0.5 if "o_proj" in name or "down_proj" in name else gain
        gain = 4.0 if name.startswith("x_embedder") else gain
        return self.normal(shape, gain / shape[1] ** 0.5)


def program(clone, name):
    """One function of the authors' drawing program, which as a whole wants a GPU."""
    constants = {}
    exec((Path(clone) / "constants.py").read_text(), constants)
    parsed = ast.parse((Path(clone) / "infer_dit.py").read_text())
    found = [n for n in parsed.body if isinstance(n, ast.FunctionDef) and n.name == name]
    scope = dict(constants, torch=torch, transformers=transformers, List=List,
                 pad_sequence=pad_sequence)
    exec(compile(ast.Module(found, []), "infer_dit.py", "exec"), scope)
    template = next(ast.literal_eval(n.value) for n in ast.walk(parsed)
                    if isinstance(n, ast.Assign)
                    and getattr(n.targets[0], "id", "") == "DEFAULT_CHAT_TEMPLATE")
    return scope[name], template


def drawn(label):
    return f"Please generate an image of {label}"


def begins(model, ids):
    """Where the patches of each row begin: behind <|im_start|>, and behind the time where it is a row."""
    token = model.config.decoder_t_embed == "add_before_image_tokens"
    at = (ids == model.config.image_token_index).nonzero()[:, 1]
    return [int(i) + token for i in at]


def fit(model, diffusion, inputs):
    """The last linear so turned that epsilon is about the noise of a picture of nothing but noise: a
    trajectory of random weights would grow to a hundredfold. What tells the variance stays random."""
    last, features, wanted = model.final_layer.linear, [], []
    y = PIXELS // 16
    generator = torch.Generator().manual_seed(SEED + 1)

    def keep(module, arguments):
        for row, begin in enumerate(begins(model, inputs["input_ids"])):
            features.append(arguments[0][row, begin:begin + y * y])

    hook = last.register_forward_pre_hook(keep)
    for i in range(STEPS):
        for _ in range(4):
            noise = torch.randn(2, 4, 2 * y, 2 * y, generator=generator)
            model(**inputs, x_t=noise * float(diffusion.sqrt_one_minus_alphas_cumprod[i]),
                  t=torch.full((2,), diffusion.timestep_map[i]))
            wanted.extend(noise.view(2, 4, y, 2, y, 2).permute(0, 2, 4, 3, 5, 1).reshape(2, y * y, 16))
    hook.remove()
    x = torch.cat([torch.cat(features), torch.ones(len(features) * y * y, 1)], 1)
    solved = torch.linalg.lstsq(x, torch.cat(wanted)).solution
    print("noise that the fit does not tell", float((x @ solved - torch.cat(wanted)).std()))
    weight, bias = last.weight.data.view(4, 8, -1), last.bias.data.view(4, 8)
    weight[:, :4] = solved[:-1].T.reshape(4, 4, -1)
    bias[:, :4] = solved[-1].view(4, 4)
    # exact in bfloat16
    last.weight.data.copy_(last.weight.data.bfloat16().float())
    last.bias.data.copy_(last.bias.data.bfloat16().float())


def write_json(path, value):
    written = json.dumps(value, ensure_ascii=False, indent=1)
    written = re.sub(r"\[\s+(-?[0-9][-0-9.e,\s]*?)\s+\]",
                     lambda m: "[" + re.sub(r"\s+", " ", m.group(1)) + "]", written)
    assert json.loads(written) == value
    path.write_text(written + "\n", encoding="utf-8")


def checkpoint(name, classes, tok, preprocess, diffusion):
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    vocabulary = tok.get_vocab()
    config = transformers.LlamaConfig(
        vocab_size=len(vocabulary), bos_token_id=vocabulary["<s>"], eos_token_id=vocabulary["</s>"],
        image_token_index=vocabulary["<image>"], **COMMON, **VARIANTS[name])
    model = classes(config).eval().requires_grad_(False)
    fill = Fill(SEED)
    model.load_state_dict({k: fill(k, v) for k, v in sorted(model.state_dict().items())})
    # The program loads the averaged weights, which lie in a folder of their own.
    weights = folder / "ema" if name == "published" else folder
    weights.mkdir(parents=True)
    (folder / "tokenizer.json").write_text(tok.to_str(pretty=True) + "\n", encoding="utf-8")
    write_json(folder / "tokenizer_config.json", dict(
        NAMED, tokenizer_class="LlamaTokenizer", add_bos_token=True, add_eos_token=True, legacy=False))
    fast = transformers.AutoTokenizer.from_pretrained(folder)
    inputs = preprocess(fast, [f"<s>{drawn(LABELS[0])}<|im_start|><PAD><|im_end|>",
                               "<s><|im_start|><PAD><|im_end|>"], device="cpu")
    fit(model, diffusion, inputs)
    stored = {k: v.to(torch.bfloat16) for k, v in model.state_dict().items()}
    for k, v in stored.items():
        assert torch.equal(v.float(), model.state_dict()[k]), k
    config.architectures = ["MonoFormerForCausalLM"]
    config.torch_dtype = "bfloat16"
    config.save_pretrained(folder)
    config.save_pretrained(weights)
    config.torch_dtype = "float32"
    save_file({k: v.contiguous() for k, v in stored.items()}, weights / "model.safetensors",
              metadata={"format": "pt"})
    write_json(folder / "cfg.json", dict(
        llm_pretrained_path="TinyLlama/TinyLlama-1.1B-Chat-v1.0",
        vae_pretrained_path="stabilityai/sd-vae-ft-mse", patch_size=2, in_channels=4,
        learn_sigma=True, **VARIANTS[name], use_chat_template=False))
    return model, fast, inputs


def compute(name, model, inputs, diffusion, tensors):
    """Epsilon and variance at given noise, with and without guidance, and a whole trajectory."""
    y = PIXELS // 8
    generator = torch.Generator().manual_seed(SEED + 2)
    # Few bits: exact, and short once packed.
    noise = torch.randint(-96, 97, (STEPS + 1, 4, y, y), generator=generator) / 48.0
    tensors[f"{name}.noise"] = noise
    both = noise[:1].repeat(2, 1, 1, 1)
    for t in (diffusion.timestep_map[-1], diffusion.timestep_map[9], 0):
        at = torch.full((2,), t)
        tensors[f"{name}.output.{t}"] = torch.stack(model(**inputs, x_t=both, t=at)["x_out"])
        tensors[f"{name}.guided.{t}"] = model.forward_with_cfg(
            **inputs, x_t=both, t=at, cfg_scale=GUIDANCE)["x_out"][0]
    rest = list(noise[1:])
    random, torch.randn_like = torch.randn_like, lambda x: rest.pop(0).expand(x.shape)
    samples = [out["sample"][0] for out in diffusion.p_sample_loop_progressive(
        model.forward_with_cfg, both.shape, both, clip_denoised=False,
        model_kwargs=dict(inputs, cfg_scale=GUIDANCE), device="cpu")]
    torch.randn_like = random
    assert not rest
    tensors[f"{name}.samples"] = torch.stack(samples)
    print(name, "samples", [round(float(s.std()), 3) for s in samples])


def prompts(fast, preprocess, template):
    """Ids of what is drawn and of what guidance compares it with, up to the image token."""
    image = fast.convert_tokens_to_ids("<image>")
    out = []
    for chat in (False, True):
        for label in LABELS:
            texts = []
            for user in (drawn(label), ""):
                frame = "<|im_start|><PAD><|im_end|>"
                if chat:
                    fast.chat_template = template
                    texts.append(fast.apply_chat_template(
                        [{"role": "user", "content": user}, {"role": "assistant", "content": frame}],
                        tokenize=False, add_generation_prompt=False))
                else:
                    texts.append(f"<s>{user}{frame}")
            inputs = preprocess(fast, texts, device="cpu")
            rows = [r[m].tolist() for r, m in zip(inputs["input_ids"], inputs["attention_mask"])]
            out.append(dict(label=label, chat=chat, ids=rows[0][:rows[0].index(image)],
                            unconditional=rows[1][:rows[1].index(image)]))
    return out


@torch.no_grad()
def main(clone):
    torch.set_num_threads(1)
    assert transformers.__version__ == "4.38.0", transformers.__version__
    sys.path.insert(0, clone)
    # What reads pictures is not used here, and wants more packages.
    sys.modules["models.vision_encoder"] = types.SimpleNamespace(build_vision_encoder=None)
    from diffusion import create_diffusion
    from models import MonoFormerForCausalLM
    preprocess, template = program(clone, "preprocess_single_inputs")
    diffusion = create_diffusion(str(STEPS))
    tok, tensors = tokenizer(), {}
    for name in VARIANTS:
        model, fast, inputs = checkpoint(name, MonoFormerForCausalLM, tok, preprocess, diffusion)
        compute(name, model, inputs, diffusion, tensors)
    # The same weights without a table of positions, and with patches that see only those before.
    model.config.use_pos_embed = model.config.use_bi_attn_img_tokens = False
    x = tensors["token.noise"][:1].repeat(2, 1, 1, 1)
    t = diffusion.timestep_map[9]
    tensors[f"bare.output.{t}"] = torch.stack(model(**inputs, x_t=x, t=torch.full((2,), t))["x_out"])
    save_file({k: v.contiguous().clone() for k, v in tensors.items()}, HERE / "expected.safetensors")
    write_json(HERE / "case.json", dict(
        label=LABELS[0], guidance=GUIDANCE, timesteps=diffusion.timestep_map[::-1],
        template=template, prompts=prompts(fast, preprocess, template)))


if __name__ == "__main__":
    main(sys.argv[1])
