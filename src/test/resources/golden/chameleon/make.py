"""Writes tiny random Chameleon checkpoints in every published layout, and what the references
compute with them.

    python make.py CHAMELEON     # a clone of facebookresearch/chameleon@dbbe47f; no network

vocab.py and vqgan.py are loaded from the clone; torch 2.13.0, transformers 5.18.0, tokenizers
0.23.3; seeds 30 to 36. README.md tells what is in which file.
"""

import importlib.util
import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models
from tokenizers import pre_tokenizers, processors, trainers
from transformers import (ChameleonConfig, ChameleonForConditionalGeneration, ChameleonProcessor,
                          ChameleonImageProcessor, PreTrainedTokenizerFast)

HERE = Path(__file__).parent
CODES = 64
GRID = 4
WIDTH = 32
TEXTS = ["draw a red circle above a blue square", "what is in the picture? describe it, please.",
         "a small green triangle to the left of a yellow star.\n\tit has 3 sides, <a> and 1 < 2"]


def code_name(code):
    return "IMGIMG" + "".join(chr(ord("A") + int(d)) for d in str(code)) + "Z"


# Ids are not those of the published files, on purpose: they must be resolved by name. The codes
# begin at 4 all the same, and lie in order.
NAMES = (["<s>", "<pad>", "</s>", "<unk>"] + [code_name(c) for c in range(CODES)]
         + ["<eoss>", "<racm3:break>", "<reserved08706>", "<reserved08707>"]
         + [f"<reserved{n:05d}>" for n in range(8796, 8817)] + ["<sentinel:0>"])


def tokenizer(names, bos):
    """Byte-level BPE behind the published splits, with the names in front of the pieces."""
    tok = Tokenizer(models.BPE())
    tok.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex("<sentinel:[0-9]+>"), "isolated"),
        pre_tokenizers.Split(Regex("(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z"), "isolated"),
        pre_tokenizers.Split(Regex("([\\t\\n]|    |  )"), "isolated"),
        pre_tokenizers.Digits(individual_digits=True),
        pre_tokenizers.Punctuation("isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False),
    ])
    tok.decoder = decoders.ByteLevel()
    tok.train_from_iterator(TEXTS * 3, trainers.BpeTrainer(
        vocab_size=300, show_progress=False, special_tokens=names,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    # special_tokens of the trainer come first, in their order
    learned = json.loads(tok.to_str())
    learned["added_tokens"] = []
    for i, name in enumerate(names):
        assert learned["model"]["vocab"][name] == i
    tok = Tokenizer.from_str(json.dumps(learned))
    # the codes are pieces of the vocabulary and nothing more; the rest are added tokens
    tok.add_special_tokens([AddedToken(n, special=True, normalized=False) for n in names
                            if not n.startswith("IMGIMG") and not n.startswith("<sentinel")])
    if bos:
        tok.post_processor = processors.TemplateProcessing(
            single="<s> $A", pair="<s> $A <s> $B:1", special_tokens=[("<s>", 0)])
    return tok


class Fill:
    """Seeded weights with few significant bits: exact in bfloat16, and they compress well."""

    def __init__(self, seed):
        self.generator = torch.Generator().manual_seed(seed)

    def normal(self, shape, std):
        step = 2.0 ** round(float(torch.log2(torch.tensor(std / 4))))
        draw = torch.randn(shape, generator=self.generator) * std / step
        return (torch.round(draw).clamp(-15, 15) * step)

    def __call__(self, name, tensor):
        shape = tuple(tensor.shape)
        if "_norm.weight" in name or name.endswith(("layernorm.weight", "norm.weight")) or (
                len(shape) == 1 and name.endswith("weight")):
            return 1 + self.normal(shape, 0.2)
        if name.endswith("bias"):
            return self.normal(shape, 0.2)
        if "embed" in name:
            return self.normal(shape, 0.9)
        if name.startswith("lm_head"):
            return self.normal(shape, 2.0 / WIDTH ** 0.5)
        fan_in = 1
        for side in shape[1:]:
            fan_in *= side
        return self.normal(shape, 1.2 / fan_in ** 0.5)


def per_shard(state, config, shards):
    """Queries and keys share a norm in every shard, as in a model trained in parallel."""
    for name in state:
        if name.endswith(("q_norm.weight", "q_norm.bias", "k_norm.weight", "k_norm.bias")):
            rows = state[name].shape[0] // shards
            state[name] = state[name][::rows].repeat_interleave(rows, 0).contiguous()


def config(swin, vocabulary):
    return ChameleonConfig(
        vocab_size=len(vocabulary), hidden_size=WIDTH, intermediate_size=48, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2 if swin else 4, max_position_embeddings=4096,
        rms_norm_eps=1e-5, swin_norm=swin, model_parallel_size=2 if swin else 1,
        bos_token_id=0, eos_token_id=2, pad_token_id=1,
        vocabulary_map=vocabulary,
        vq_config=dict(embed_dim=WIDTH, num_embeddings=CODES, latent_channels=WIDTH,
                       resolution=2 * GRID, base_channels=32, channel_multiplier=[1, 1],
                       num_res_blocks=1, double_latent=False))


def module(repository, path):
    spec = importlib.util.spec_from_file_location(Path(path).stem, Path(repository) / path)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def vqgan(repository):
    """The authors' coder, encoder and decoder, with seeded weights."""
    ddconfig = dict(double_z=False, z_channels=WIDTH, resolution=2 * GRID, in_channels=3, out_ch=3,
                    ch=32, ch_mult=[1, 1], num_res_blocks=1, attn_resolutions=[], dropout=0.0)
    model = module(repository, "chameleon/inference/vqgan.py").VQModel(
        ddconfig=ddconfig, n_embed=CODES, embed_dim=WIDTH).eval()
    fill = Fill(31)
    state = {k: fill(k, v) for k, v in sorted(model.state_dict().items())}
    model.load_state_dict(state)
    return model, state, ddconfig


def to_meta(state, cfg, shards):
    """The inverse of convert_chameleon_weights_to_hf.py: one dictionary a shard."""
    heads, kv, layers = cfg.num_attention_heads, cfg.num_key_value_heads, cfg.num_hidden_layers
    k = cfg.hidden_size // heads

    def turn(w, n):  # rotate-half rows to pairs
        return w.view(n, 2, k // 2, -1).transpose(1, 2).reshape(n * k, -1)

    def turn_norm(w, n):  # [n, k] -> one [k] a shard
        return w[::n // shards].view(shards, 2, k // 2).transpose(1, 2).reshape(shards, k)

    out = [{} for _ in range(shards)]

    def put(name, pieces):
        for shard, piece in zip(out, pieces):
            shard[name] = piece.clone().contiguous()

    def rows(name, w):
        put(name, w.chunk(shards, 0))

    def columns(name, w):
        put(name, w.chunk(shards, 1))

    columns("tok_embeddings.weight", state["model.embed_tokens.weight"])
    put("norm.weight", [state["model.norm.weight"]] * shards)
    rows("output.weight", state["lm_head.weight"])
    for i in range(layers):
        p, m = f"model.layers.{i}.", f"layers.{i}."
        rows(m + "attention.wq.weight", turn(state[p + "self_attn.q_proj.weight"], heads))
        rows(m + "attention.wk.weight", turn(state[p + "self_attn.k_proj.weight"], kv))
        rows(m + "attention.wv.weight", state[p + "self_attn.v_proj.weight"])
        columns(m + "attention.wo.weight", state[p + "self_attn.o_proj.weight"])
        for one, n in (("q", heads), ("k", kv)):
            for part in ("weight", "bias"):
                put(f"{m}attention.{one}_normalization.{part}",
                    turn_norm(state[f"{p}self_attn.{one}_norm.{part}"], n))
        rows(m + "feed_forward.w1.weight", state[p + "mlp.gate_proj.weight"])
        rows(m + "feed_forward.w3.weight", state[p + "mlp.up_proj.weight"])
        columns(m + "feed_forward.w2.weight", state[p + "mlp.down_proj.weight"])
        put(m + "attention_norm.weight", [state[p + "input_layernorm.weight"]] * shards)
        put(m + "ffn_norm.weight", [state[p + "post_attention_layernorm.weight"]] * shards)
    for shard in out:
        shard["rope.freqs"] = torch.zeros(k // 2)
    return out


@torch.no_grad()
def goldens(model, tok, vocabulary, coder):
    prompt = [0] + tok.encode("what is in ", add_special_tokens=False).ids
    pixels = torch.rand(1, 3, 2 * GRID, 2 * GRID, generator=torch.Generator().manual_seed(32)) * 2 - 1
    latent = coder.quant_conv(coder.encoder(pixels))
    codes = coder.quantize(latent)[2][-1].view(-1)
    prompt += [vocabulary["<racm3:break>"]] + [4 + int(c) for c in codes] + [vocabulary["<eoss>"]]
    prompt += tok.encode("the picture?", add_special_tokens=False).ids
    prompt += [vocabulary["<reserved08706>"]]
    ids = torch.tensor([prompt])

    def logits_of(ids):
        return model.lm_head(model.model(input_ids=ids).last_hidden_state)

    states = [model.model.embed_tokens(ids)]
    hooks = [layer.register_forward_hook(
        lambda m, a, out: states.append(out[0] if isinstance(out, tuple) else out))
        for layer in model.model.layers]
    last = model.model(input_ids=ids).last_hidden_state
    for hook in hooks:
        hook.remove()
    states.append(last)
    logits = model.lm_head(last)

    text = torch.full((len(vocabulary),), float("-inf"))
    for name, value in vocabulary.items():
        if not name.startswith("IMGIMG") and (not name.startswith("<") or name == "<"):
            text[value] = 0
    text[vocabulary["</s>"]] = 0
    out = {"input_ids": ids, "hidden_states": torch.stack(states), "logits": logits,
           "pixel_values": pixels, "image_codes": codes.view(1, -1)}
    for name, mask in (("greedy_text_ids", text), ("greedy_ids", torch.zeros_like(text))):
        sequence, margin = ids, float("inf")
        for _ in range(16):
            row = logits_of(sequence)[0, -1].float() + mask
            best = torch.topk(row, 2)
            margin = min(margin, float(best.values[0] - best.values[1]))
            sequence = torch.cat([sequence, best.indices[:1].view(1, 1)], 1)
        out[name] = sequence[:, ids.shape[1]:]
        out[name + "_margin"] = torch.tensor([margin])
        print(name, out[name].tolist(), "margin", margin)
    out["text_ids"] = torch.tensor([[i for i in range(len(vocabulary)) if text[i] == 0
                                     and i != vocabulary["</s>"]]])
    return {k: v.contiguous().clone() for k, v in out.items()}


def write_json(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def write_hf(folder, model, state, tok, vocabulary):
    checkpoint = folder / "checkpoint"
    checkpoint.mkdir(parents=True, exist_ok=True)
    model.config.architectures = ["ChameleonForConditionalGeneration"]
    model.config.dtype = "float32"
    model.config.save_pretrained(checkpoint)
    save_file(state, checkpoint / "model.safetensors", metadata={"format": "pt"})
    (checkpoint / "tokenizer.json").write_text(tok.to_str(pretty=True) + "\n", encoding="utf-8")
    write_json(checkpoint / "tokenizer_config.json", dict(
        bos_token="<s>", eos_token="</s>", pad_token="<pad>", sep_token="<reserved08706>",
        unk_token="<unk>", image_token="<image>", boi_token="<racm3:break>", eoi_token="<eoss>",
        tokenizer_class="LlamaTokenizerFast"))
    write_json(checkpoint / "processor_config.json", dict(
        image_seq_length=GRID * GRID, image_token="<image>", processor_class="ChameleonProcessor"))
    write_json(checkpoint / "preprocessor_config.json", dict(
        image_processor_type="ChameleonImageProcessor", do_convert_rgb=True, do_resize=True,
        size=dict(shortest_edge=2 * GRID), resample=1, do_center_crop=True,
        crop_size=dict(height=2 * GRID, width=2 * GRID), do_rescale=True, rescale_factor=0.0078,
        do_normalize=True, image_mean=[1.0, 1.0, 1.0], image_std=[1.0, 1.0, 1.0]))


def write_meta(folder, size, shards, states, params, tok, coder_state, ddconfig):
    weights = folder / "checkpoint" / "models" / size
    weights.mkdir(parents=True, exist_ok=True)
    for i, state in enumerate(states):
        name = "consolidated.pth" if shards == 1 else f"consolidated.{i:02d}.pth"
        torch.save(state, weights / name)
    write_json(weights / "params.json", dict(model=params, seed=1, max_seq_len=4096))
    write_json(weights / "consolidate_params.json", dict(model_parallel_size=shards))
    texts = folder / "checkpoint" / "tokenizer"
    texts.mkdir(parents=True, exist_ok=True)
    (texts / "text_tokenizer.json").write_text(tok.to_str(pretty=True) + "\n", encoding="utf-8")
    lines = ["model:", "  base_learning_rate: 4.5e-06", "  target: taming.models.vqgan.VQModel",
             "  params:", f"    embed_dim: {WIDTH}", f"    n_embed: {CODES}", "    ddconfig:"]
    for key, value in ddconfig.items():
        if isinstance(value, list) and value:
            lines += [f"      {key}:"] + [f"      - {v}" for v in value]
        else:
            shown = {True: "true", False: "false"}.get(value, value) if isinstance(value, bool) else value
            lines.append(f"      {key}: {shown}")
    lines += ["    lossconfig:", "      target: taming.modules.losses.vqperceptual.DummyLoss",
              "    ckpt_path: manifold://none"]
    (texts / "vqgan.yaml").write_text("\n".join(lines) + "\n")
    if coder_state is not None:
        full = {k: v.to(torch.bfloat16) for k, v in coder_state.items()}
        full["loss.discriminator.main.0.bias"] = torch.zeros(4)
        torch.save({"state_dict": full}, texts / "vqgan.ckpt")


def prompts(tok_hf, tok_meta, vocabulary, repository):
    """Ids of whole prompts: the HF processor's, and tokens_from_ui of the authors."""
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tok_hf, bos_token="<s>", eos_token="</s>", pad_token="<pad>",
        sep_token="<reserved08706>", unk_token="<unk>",
        extra_special_tokens=dict(image_token="<image>", boi_token="<racm3:break>", eoi_token="<eoss>"))
    processor = ChameleonProcessor(
        ChameleonImageProcessor(size=dict(shortest_edge=8), crop_size=dict(height=8, width=8)),
        fast, image_seq_length=GRID * GRID)
    info = module(repository, "chameleon/inference/vocab.py").VocabInfo(
        json.loads(tok_meta.to_str())["model"]["vocab"])
    picture = torch.zeros(3, 8, 8, dtype=torch.uint8)
    cases = [["a red circle"], ["what is in ", None, "the picture?"], [None, "describe it, please."],
             ["describe it:\n", None], [None, None, " two pictures  and\tspaces "], [None],
             ["1 < 2 and <a>"], [" "], ["draw a red", " circle"]]
    out = []
    for case in cases:
        text = "".join("<image>" if p is None else p for p in case)
        images = [picture] * sum(p is None for p in case)
        hf = processor(images=images or None, text=text)["input_ids"][0]
        meta = [info.bos_id]
        for part in case:
            if part is None:
                meta += [info.begin_image] + [-1] * GRID * GRID + [info.end_image]
            else:
                meta += tok_meta.encode(part).ids
        meta += [info.eot_id]
        out.append(dict(parts=case, hf=[int(i) for i in hf], meta=meta))
    return out


def main(chameleon):
    tok_meta = tokenizer(NAMES, bos=False)
    hf_names = ["<image>" if n == "<reserved08707>" else n for n in NAMES]
    tok_hf = tokenizer(hf_names, bos=True)
    vocabulary = dict(sorted(tok_hf.get_vocab().items(), key=lambda e: e[1]))
    assert list(vocabulary.values()) == list(range(len(vocabulary))) and len(vocabulary) % 2 == 0
    coder, coder_state, ddconfig = vqgan(chameleon)

    for swin in (False, True):
        name, shards = ("hf-swin", 2) if swin else ("hf", 1)
        torch.manual_seed(0)
        model = ChameleonForConditionalGeneration(config(swin, vocabulary)).eval()
        fill = Fill(36 if swin else 30)
        state = {k: fill(k, v) for k, v in sorted(model.state_dict().items())}
        per_shard(state, model.config, shards)
        for k in state:
            if k.startswith("model.vqmodel."):
                state[k] = coder_state[k.removeprefix("model.vqmodel.")]
        model.load_state_dict(state)
        save_to = HERE / name
        stored = {k: v.to(torch.bfloat16) if k.startswith("model.vqmodel.") else v
                  for k, v in state.items() if not (swin and k.startswith("model.vqmodel."))}
        write_hf(save_to, model, stored, tok_hf, vocabulary)
        made = goldens(model, tok_hf, vocabulary, coder)
        save_file(made, save_to / "goldens.safetensors")
        hf_codes = model.model.vqmodel.encode(made["pixel_values"]).image_tokens.view(1, -1)
        assert torch.equal(hf_codes, made["image_codes"])
        # 2/3 of 4 x 32 is 85; times the multiplier 42, up to a multiple of 16: 48
        params = dict(dim=WIDTH, n_layers=2, n_heads=4, vocab_size=len(vocabulary),
                      ffn_dim_multiplier=0.5, multiple_of=16, norm_eps=1e-5, rope_theta=10000.0,
                      qk_normalization=True, swin_norm=swin, model_parallel_size=8, dropout=0.1)
        if swin:
            params["n_kv_heads"] = 2
        write_meta(HERE / ("meta-sharded" if swin else "meta"), "30b" if swin else "7b", shards,
                   to_meta(state, model.config, shards), params, tok_meta,
                   None if swin else coder_state, ddconfig)

    # Lumina-mGPT's folders: config.json as transformers 4 wrote it, no coder, one norm row a shard
    lumina_folder = HERE / "lumina-7b-512" / "checkpoint"
    lumina_folder.mkdir(parents=True, exist_ok=True)
    base = HERE / "hf" / "checkpoint"
    kept = {}
    for k, v in load_file(base / "model.safetensors").items():
        if not k.startswith("model.vqmodel."):
            kept[k] = (v[:1] if "_norm." in k and v.dim() == 2 else v).to(torch.bfloat16).contiguous()
    save_file(kept, lumina_folder / "model.safetensors", metadata={"format": "pt"})
    old = json.loads((base / "config.json").read_text())
    del old["rope_parameters"], old["dtype"], old["vq_config"]["model_type"]
    old.update(architectures=["ChameleonXLLMXForConditionalGeneration"], rope_scaling=None,
               rope_theta=10000.0, torch_dtype="bfloat16", mask_image_logits=False, dropout=0.05,
               z_loss_weight=1e-05, transformers_version="4.44.0.dev0")
    write_json(lumina_folder / "config.json", dict(sorted(old.items())))
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (lumina_folder / name).write_text((base / name).read_text())

    # the coder alone, as a folder of transformers
    coder_folder = HERE / "image-coder"
    coder_folder.mkdir(exist_ok=True)
    save_file({k: v.to(torch.bfloat16).contiguous() for k, v in coder_state.items()},
              coder_folder / "model.safetensors", metadata={"format": "pt"})
    write_json(coder_folder / "config.json", dict(
        architectures=["ChameleonVQVAE"], model_type="chameleon_vqgan", embed_dim=WIDTH,
        num_embeddings=CODES, latent_channels=WIDTH, resolution=2 * GRID, in_channels=3,
        base_channels=32, channel_multiplier=[1, 1], num_res_blocks=1, double_latent=False))
    write_json(HERE / "prompts.json", prompts(tok_hf, tok_meta, vocabulary, chameleon))


if __name__ == "__main__":
    main(sys.argv[1])
