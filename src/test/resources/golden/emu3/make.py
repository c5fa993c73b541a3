"""Writes a tiny random Emu3 checkpoint, and what the references compute with it.

    python make.py EMU3     # a clone of baaivision/Emu3@f6ea9aa; no network

Weights, codes, pixels, hidden states and whole answers are transformers' (Emu3ForConditionalGeneration,
Emu3Processor, generate); from the clone come the chat form, the words of the drawing program and what
may stand where in a picture (Emu3PrefixConstrainedLogitsHelper). torch 2.13.0, transformers 5.18.0,
tokenizers 0.23.3, pillow; one thread, seed SEED. README.md tells what is in which file.
"""

import ast
import inspect
import json
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (Emu3Config, Emu3ForConditionalGeneration, Emu3ImageProcessor,
                          Emu3Processor, PreTrainedTokenizerFast)

HERE = Path(__file__).parent
CHECKPOINT = HERE / "checkpoint"
SEED = int(sys.argv[2]) if len(sys.argv) > 2 else 52
CODES = 48
FACTOR = 2  # pixels of a side that one code covers; 8 in the published checkpoints
WIDTH = 32
GUIDANCE = 3.0
CORPUS = ["You are a helpful assistant. USER: Please describe the image. ASSISTANT:",
          "a portrait of young girl. masterpiece, film grained, best quality.",
          "a red circle above a blue square, what is in the picture?"]
# Ids are not those of the published files, on purpose: they must be resolved by name.
SPECIAL = (["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<image>", "<|extra_1|>"]
           + [f"<|extra_{n}|>" for n in range(199, 205)]
           + ["<|image token|>", "<|image start|>", "<|image end|>"]
           + [f"<|visual token {n:06d}|>" for n in range(CODES)])
NAMED = dict(bos_token="<|extra_203|>", eos_token="<|extra_204|>", pad_token="<|endoftext|>")
ROLES = dict(image_token="<image>", boi_token="<|image start|>", eoi_token="<|image end|>",
             image_wrapper_token="<|image token|>", eof_token="<|extra_201|>")
EOL = "<|extra_200|>"


def tokenizer():
    """Byte-level BPE as the published tokenizer.json; its special tokens are in the vocabulary too."""
    learned = Tokenizer(models.BPE())
    learned.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    learned.train_from_iterator(CORPUS, trainers.BpeTrainer(
        vocab_size=290, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    written = json.loads(learned.to_str())
    vocabulary = written["model"]["vocab"]
    for name in SPECIAL:
        vocabulary[name] = len(vocabulary)
    tok = Tokenizer.from_str(json.dumps(written))
    tok.decoder = decoders.ByteLevel()
    tok.add_special_tokens([AddedToken(n, special=True, normalized=False) for n in SPECIAL])
    assert tok.get_vocab() == vocabulary
    return tok, vocabulary


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
        if name.endswith("num_batches_tracked"):
            return tensor
        if name.endswith("running_var") or "norm" in name and name.endswith("weight") and len(shape) == 1:
            return (1 + self.normal(shape, 0.2)).abs() + 0.125
        if len(shape) == 1:
            return self.normal(shape, 0.2)
        if "embed" in name:
            return self.normal(shape, 0.9)
        if name.startswith("lm_head"):
            return self.normal(shape, 2.0 / WIDTH ** 0.5)
        if ".quant_conv." in name:
            return self.normal(shape, 2.4)
        return self.normal(shape, 1.2 / float(np.prod(shape[1:])) ** 0.5)


@torch.no_grad()
def codebook(model):
    """Vectors far from each other among those that the encoder gives, so that many codes are used."""
    vq, found = model.model.vqmodel, []
    vq.quantize.register_forward_pre_hook(lambda m, a: found.append(a[0]))
    generator = torch.Generator().manual_seed(SEED)
    for _ in range(4):
        coarse = torch.rand(1, 3, 5, 5, generator=generator) * 2 - 1
        vq.encode(torch.nn.functional.interpolate(coarse, size=(24, 24)), [(24, 24)])
    vq.quantize._forward_pre_hooks.clear()
    latents = torch.cat([f.permute(0, 1, 3, 4, 2).reshape(-1, 4) for f in found])
    chosen = [latents[0]]
    while len(chosen) < CODES:
        chosen.append(latents[torch.cdist(latents, torch.stack(chosen)).min(1).values.argmax()])
    return torch.stack(chosen).to(torch.bfloat16).float()


def write_json(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    written = json.dumps(value, ensure_ascii=False, indent=1)
    written = re.sub(r"\[\s+(-?[0-9][-0-9.e,\s]*?)\s+\]",
                     lambda m: "[" + re.sub(r"\s+", " ", m.group(1)) + "]", written)
    assert json.loads(written) == value
    path.write_text(written + "\n", encoding="utf-8")


def checkpoint():
    shutil.rmtree(CHECKPOINT, ignore_errors=True)
    tok, vocabulary = tokenizer()
    ids = {k: vocabulary[v] for k, v in NAMED.items()}
    config = Emu3Config(
        text_config=dict(
            vocab_size=len(vocabulary), hidden_size=WIDTH, intermediate_size=44, num_hidden_layers=2,
            num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=768,
            rms_norm_eps=1e-5, rope_parameters=dict(rope_type="default", rope_theta=5000.0),
            bos_token_id=ids["bos_token"], eos_token_id=ids["eos_token"],
            pad_token_id=ids["pad_token"]),
        vq_config=dict(
            codebook_size=CODES, embed_dim=4, latent_channels=4, temporal_downsample_factor=4,
            base_channels=32, channel_multiplier=[1, 1], num_res_blocks=1, hidden_size=32,
            attn_resolutions=[1]),
        vocabulary_map=vocabulary)
    config.image_area = (4 * FACTOR) ** 2
    config.architectures = ["Emu3ForConditionalGeneration"]
    model = Emu3ForConditionalGeneration(config).eval()
    fill = Fill(SEED)
    state = {k: fill(k, v) for k, v in sorted(model.state_dict().items())}
    model.load_state_dict(state)
    state["model.vqmodel.quantize.embedding.weight"] = codebook(model)
    model.load_state_dict(state)
    CHECKPOINT.mkdir(parents=True)
    stored = {k: v.to(torch.bfloat16) if v.is_floating_point() else v for k, v in state.items()}
    for k, v in stored.items():
        assert torch.equal(v.to(state[k].dtype), state[k]), k
    model.config.dtype = "bfloat16"
    model.config.save_pretrained(CHECKPOINT)
    model.config.dtype = "float32"
    save_file({k: v.contiguous() for k, v in stored.items()}, CHECKPOINT / "model.safetensors",
              metadata={"format": "pt"})
    (CHECKPOINT / "tokenizer.json").write_text(tok.to_str(pretty=True) + "\n", encoding="utf-8")
    write_json(CHECKPOINT / "tokenizer_config.json",
               dict(NAMED, **ROLES, tokenizer_class="GPT2Tokenizer", add_prefix_space=False))
    images = Emu3ImageProcessor(image_mean=[0.5, 0.5, 0.5], image_std=[0.5, 0.5, 0.5],
                                min_pixels=12 * 12, max_pixels=20 * 20, spatial_factor=FACTOR)
    images.save_pretrained(CHECKPOINT)
    processor = Emu3Processor(images, PreTrainedTokenizerFast(
        tokenizer_object=tok, padding_side="left", clean_up_tokenization_spaces=False,
        extra_special_tokens=ROLES, **NAMED))
    processor.downsample_ratio = FACTOR
    return model, processor, vocabulary


def authors(clone):
    """The chat form, the words of the drawing program, and what may stand where in a picture."""
    sys.path.insert(0, clone)
    from emu3.mllm.processing_emu3 import Emu3Processor as Original
    from emu3.mllm.utils_emu3 import Emu3PrefixConstrainedLogitsHelper as Helper
    chat = inspect.signature(Original.__init__).parameters["chat_template"].default
    words = {}
    for node in ast.walk(ast.parse((Path(clone) / "image_generation.py").read_text())):
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "").endswith("_PROMPT"):
            words[node.targets[0].id] = ast.literal_eval(node.value)
    return chat, words["POSITIVE_PROMPT"], words["NEGATIVE_PROMPT"], Helper, Original


def margin(row):
    top = torch.topk(row.float(), 2, dim=-1).values
    return float((top[..., 0] - top[..., 1]).min())


def pictures():
    generator = np.random.default_rng(SEED)
    for name, (w, h) in {"wide": (23, 15), "tall": (9, 30), "tiny": (8, 8)}.items():
        coarse = generator.integers(0, 256, (3, 4, 3), dtype=np.uint8)
        picture = Image.fromarray(coarse).resize((w, h), Image.Resampling.BILINEAR)
        (HERE / "pictures").mkdir(exist_ok=True)
        picture.save(HERE / "pictures" / f"{name}.png")
        yield name, picture


def encode(model, inputs):
    """Codes of one picture, [rows, columns]; no two vectors of the codebook are nearly as near."""
    vq, found = model.model.vqmodel, []
    hook = vq.quantize.register_forward_pre_hook(lambda m, a: found.append(a[0]))
    codes = vq.encode(inputs["pixel_values"], inputs["image_sizes"]).image_tokens[0]
    hook.remove()
    latents = found[0].permute(0, 1, 3, 4, 2).reshape(-1, found[0].shape[2])
    lead = margin(-torch.cdist(latents, vq.quantize.embedding.weight).square())
    assert lead > 1e-3, lead
    return codes


@torch.no_grad()
def reading(model, processor, vocabulary, chat, tensors):
    """Prompts with pictures: ids, codes, and greedy answers behind them."""
    known = dict(pictures())
    text_ids = [i for n, i in vocabulary.items() if n not in SPECIAL]
    allowed = sorted(text_ids + [vocabulary[NAMED["eos_token"]]])
    cases = [(["Please describe the image"], ["wide"]), (["what is in it?"], ["tall"]),
             (["a", " and ", "are they alike"], ["tiny", "wide"]), (["Hello there"], []),
             (["  USER: x \n ASSISTANT: <|extra_9|> é 12*34 "], ["tiny"])]
    out = []
    for texts, names in cases:
        # the parts of a request: texts and pictures by turns, pictures first
        parts = []
        for i in range(max(len(texts), len(names))):
            parts += [dict(picture=names[i])] if i < len(names) else []
            parts += [dict(text=texts[i])] if i < len(texts) else []
        image, text = "", ""
        if len(names) <= 1:
            image, text = "<image>" * len(names), "".join(texts)
        else:
            text = "".join("<image>" if "picture" in p else p["text"] for p in parts)
        prompt = chat.format(image_prompt=image, text_prompt=text)
        inputs = processor(images=[known[n] for n in names] or None, text=[prompt], return_tensors="pt")
        ids = inputs["input_ids"]
        full, codes, tokens = ids.clone(), [], []
        for n in names:
            # each by itself, as the authors do; transformers would pad several to one size
            one = processor(images=[known[n]], text=["<image>"], return_tensors="pt")
            codes.append(encode(model, one).tolist())
            tokens.append(model.model.get_image_tokens(one["pixel_values"], one["image_sizes"]))
        if names:
            full[ids == processor.image_token_id] = torch.cat(tokens).long()
        if len(names) > 1:
            inputs = dict(input_ids=full)
        generated = model.generate(
            **inputs, max_new_tokens=16, do_sample=False, return_dict_in_generate=True,
            output_scores=True, prefix_allowed_tokens_fn=lambda b, i: allowed)
        answer = generated.sequences[0, ids.shape[1]:].tolist()
        lead = min(margin(s[0][torch.isfinite(s[0])]) for s in generated.scores)
        assert lead > 1e-3, lead
        out.append(dict(parts=parts, prompt=prompt, input_ids=full[0].tolist(), codes=codes,
                        answer=answer, margin=lead))
        print("read", names, full.shape[1], "tokens; margin", lead)
    ids = torch.tensor([out[0]["input_ids"]])
    states = [model.get_input_embeddings()(ids)]
    hooks = [layer.register_forward_hook(
        lambda m, a, o: states.append(o[0] if isinstance(o, tuple) else o))
        for layer in model.model.text_model.layers]
    last = model.model.text_model(inputs_embeds=states[0], use_cache=False).last_hidden_state
    for hook in hooks:
        hook.remove()
    tensors["hidden_states"] = torch.stack(states + [last])
    tensors["logits"] = model.lm_head(last)
    return out, sorted(text_ids)


def image_logits(model, ids, visual):
    """Bare logits of the codes: no normalisation, no guidance, no mask."""
    return model(input_ids=ids).logits[0][:, visual]


@torch.no_grad()
def drawing(model, processor, vocabulary, positive, negative, helper, tensors):
    """Whole pictures, greedy, drawn by generate with the authors' constraint."""
    visual = [vocabulary[f"<|visual token {n:06d}|>"] for n in range(CODES)]
    code_of = {t: c for c, t in enumerate(visual)}
    out = []
    for name, words, ratio, area, scale in [
            ("square", "a portrait of young girl.", "1:1", 196, GUIDANCE),
            ("wide", "a shiba inu", "16:9", 144, GUIDANCE),
            ("plain", "a red circle", "3:4", 100, 1.0)]:
        kwargs = dict(return_tensors="pt", return_for_image_generation=True, ratio=ratio,
                      image_area=area)
        inputs = processor(text=[words + positive], **kwargs)
        unconditional = processor(text=[negative], **kwargs)["input_ids"]
        height, width = inputs.pop("image_sizes")[0]
        height, width = int(height), int(width)
        constraint = helper(
            torch.tensor([height]), torch.tensor([width]), vocabulary["<|image token|>"],
            vocabulary["<|image end|>"], vocabulary["<|extra_204|>"], vocabulary[EOL],
            vocabulary["<|extra_201|>"], vocabulary["<|endoftext|>"], visual)
        length = height * (width + 1) + 3
        generated = model.generate(
            **inputs, max_new_tokens=length + 5, do_sample=False, guidance_scale=scale,
            negative_prompt_ids=unconditional if scale != 1 else None,
            prefix_allowed_tokens_fn=constraint, return_dict_in_generate=True, output_scores=True)
        prompt = inputs["input_ids"]
        tokens = generated.sequences[:, prompt.shape[1]:]
        assert tokens.shape[1] == length, "it ends with its eos"
        rows = [s[0][visual] for s in generated.scores]
        free = [i for i in range(length - 3) if (i + 1) % (width + 1)]
        scores = torch.stack([rows[i] for i in free])
        lead = margin(scores)
        assert lead > 1e-3, lead
        pixels = model.decode_image_tokens(image_tokens=tokens, height=height, width=width)
        picture = processor.postprocess(list(pixels.float()), return_tensors="PIL.Image.Image")
        rgb = np.asarray(picture["pixel_values"][0])
        # what normalising each row first does: nothing but a constant a row
        if scale != 1:
            c = image_logits(model, generated.sequences, visual)[prompt.shape[1] - 1:-1]
            both = torch.cat([unconditional, tokens], 1)
            u = image_logits(model, both, visual)[unconditional.shape[1] - 1:-1]
            bare = (u + scale * (c - u))[free]
            shift = scores - bare
            spread = float((shift.max(-1).values - shift.min(-1).values).max())
            print("rows differ by a constant up to", spread)
            assert spread < 1e-3
        tensors[f"{name}.scores"] = scores
        tensors[f"{name}.pixels"] = pixels
        tensors[f"{name}.rgb"] = torch.from_numpy(rgb.copy())
        codes = [code_of[int(t)] for i, t in enumerate(tokens[0]) if i in set(free)]
        out.append(dict(name=name, words=words, ratio=ratio, area=area, rows=height, columns=width,
                        guidance=scale, prompt=prompt[0].tolist(), negative=unconditional[0].tolist(),
                        tokens=tokens[0].tolist(), codes=codes, margin=lead))
        print("drew", name, height, "x", width, "margin", lead, "distinct", len(set(codes)))
    return out


def main(clone):
    torch.set_num_threads(1)
    chat, positive, negative, helper, original = authors(clone)
    model, processor, vocabulary = checkpoint()
    tensors = {}
    read, text_ids = reading(model, processor, vocabulary, chat, tensors)
    drawn = drawing(model, processor, vocabulary, positive, negative, helper, tensors)
    sizes = []
    for area in (518400, 262144, 1600):
        for ratio in ("1:1", "16:9", "9:16", "4:3", "3:4", "21:9", "2:3"):
            size = original.calculate_generate_size(None, ratio, area, 8)
            assert tuple(size) == tuple(processor.calculate_generate_size(ratio, area, 8))
            sizes.append(dict(ratio=ratio, area=area, rows=size[0], columns=size[1]))
    write_json(HERE / "case.json", dict(text_ids=text_ids, reading=read, drawing=drawn, sizes=sizes,
                                        chat=chat, positive=positive, negative=negative))
    save_file({k: v.contiguous().clone() for k, v in tensors.items()}, HERE / "expected.safetensors")


if __name__ == "__main__":
    main(sys.argv[1])
