"""Writes a tiny random BAGEL checkpoint, and what the authors' code computes with it.

    python make.py BAGEL     # a clone of ByteDance-Seed/Bagel@056b5fd; no network

torch 2.13.0, transformers 4.49.0 (which the authors' code asks for), torchvision, pillow; one
thread, seed SEED. README.md tells what is in which file.
"""

import hashlib
import json
import re
import shutil
import sys
from copy import deepcopy
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from tokenizers import (AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers,
                        trainers)

import authors

authors.load(sys.argv[1])
from data.data_utils import add_special_tokens, pil_img2rgb  # noqa: E402
from data.transforms import ImageTransform  # noqa: E402
from inferencer import InterleaveInferencer  # noqa: E402
from modeling.autoencoder import AutoEncoder, AutoEncoderParams  # noqa: E402
from modeling.bagel import (Bagel, BagelConfig, Qwen2Config, Qwen2ForCausalLM,  # noqa: E402
                            SiglipVisionConfig, SiglipVisionModel)
from modeling.qwen2 import Qwen2Tokenizer  # noqa: E402

HERE = Path(__file__).parent
CHECKPOINT = HERE / "checkpoint"
PHOTOGRAPHS = HERE.parent / "image" / "photographs"
SEED = int(sys.argv[2]) if len(sys.argv) > 2 else 71
WIDTH = 32
LATENT_SIDE = 12  # cells of the table of positions; 64 in the published checkpoint
VIT_SIDE = 10     # patches of a side; 70 in the published checkpoint
VIT_PATCH = 4
CELL = 4          # pixels of one latent patch: the VAE halves once, two latents a side
CORPUS = ["A cat on a red sofa, what is in the picture?", "Make the circle green and the square red.",
          "You should first think about the planning process in the mind and then generate the image.",
          "The reasoning process is enclosed within <think> </think> tags"]
# Qwen2's, in the order of its tokenizer.
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|vision_start|>",
           "<|vision_end|>"]
QWEN2 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
         r"|\s*[\r\n]+|\s+(?!\S)|\s+")

torch.set_num_threads(1)
torch.set_grad_enabled(False)


def write_json(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    written = json.dumps(value, ensure_ascii=False, indent=1)
    written = re.sub(r"\[\s+(-?[0-9][-0-9.e,\s]*?)\s+\]",
                     lambda m: "[" + re.sub(r"\s+", " ", m.group(1)) + "]", written)
    assert json.loads(written) == value
    path.write_text(written + "\n", encoding="utf-8")


def write_tokenizer():
    """Byte-level BPE: tokenizer.json for us, vocab.json and merges.txt for the authors."""
    tok = Tokenizer(models.BPE())
    tok.normalizer = normalizers.NFC()
    tok.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(QWEN2), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tok.decoder = decoders.ByteLevel()
    tok.train_from_iterator(CORPUS, trainers.BpeTrainer(
        vocab_size=330, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    tok.add_special_tokens([AddedToken(n, special=True, normalized=False) for n in SPECIAL])
    written = json.loads(tok.to_str())
    model = written["model"]
    CHECKPOINT.mkdir(parents=True, exist_ok=True)
    (CHECKPOINT / "tokenizer.json").write_text(tok.to_str(pretty=True) + "\n", encoding="utf-8")
    write_json(CHECKPOINT / "vocab.json", model["vocab"])
    merges = [m if isinstance(m, str) else " ".join(m) for m in model["merges"]]
    (CHECKPOINT / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n",
                                           encoding="utf-8")
    added = {str(t["id"]): dict(content=t["content"], lstrip=False, normalized=False, rstrip=False,
                                single_word=False, special=True) for t in written["added_tokens"]}
    write_json(CHECKPOINT / "tokenizer_config.json", dict(
        add_bos_token=False, add_prefix_space=False, added_tokens_decoder=added,
        additional_special_tokens=SPECIAL[1:], bos_token=None, clean_up_tokenization_spaces=False,
        eos_token="<|im_end|>", errors="replace", model_max_length=131072,
        pad_token="<|endoftext|>", split_special_tokens=False, tokenizer_class="Qwen2Tokenizer",
        unk_token=None))
    return tok.get_vocab()


class Fill:
    """Seeded weights with few significant bits: exact in bfloat16, and they compress well."""

    def __init__(self, seed, vocabulary):
        self.generator = torch.Generator().manual_seed(seed)
        # A byte that is no letter of its own never leads: a half character has no one spelling.
        self.known = len(vocabulary)
        self.unlikely = [i for t, i in vocabulary.items()
                         if t in SPECIAL and t != "<|im_end|>"
                         or t not in SPECIAL and any(ord(c) > 126 and c not in "ĠĊ" for c in t)]

    def normal(self, shape, std):
        step = 2.0 ** round(float(np.log2(std / 4)))
        draw = torch.randn(shape, generator=self.generator) * std / step
        return torch.round(draw).clamp(-15, 15) * step

    def __call__(self, name, tensor):
        shape = tuple(tensor.shape)
        if name.endswith("pos_embed.pos_embed"):
            # The stored table is what counts, and it need not be the sines that it is published as.
            return tensor.to(torch.bfloat16).float()
        if "norm" in name and name.endswith("weight") and len(shape) == 1:
            return (1 + self.normal(shape, 0.2)).abs() + 0.125
        if len(shape) == 1:
            return self.normal(shape, 0.2)
        if "embed_tokens" in name:
            return self.normal(shape, 0.9)
        if "lm_head" in name:
            head = self.normal(shape, 2.0 / WIDTH ** 0.5)
            head[self.unlikely] = 0
            head[self.known:] = 0
            return head
        if name.startswith(("decoder.", "encoder.")):
            gain = 0.4 if name == "decoder.conv_out.weight" else 1.2
            return self.normal(shape, gain / float(np.prod(shape[1:])) ** 0.5)
        return self.normal(shape, 1.2 / float(np.prod(shape[1:])) ** 0.5)


def fill(model, seed, vocabulary, file):
    maker = Fill(seed, vocabulary)
    state = {k: maker(k, v) for k, v in sorted(model.state_dict().items())}
    model.load_state_dict(state)
    stored = {k: v.to(torch.bfloat16).contiguous() for k, v in state.items()}
    for k, v in stored.items():
        assert torch.equal(v.float(), state[k]), k
    save_file(stored, CHECKPOINT / file, metadata={"format": "pt"})


def checkpoint():
    shutil.rmtree(CHECKPOINT, ignore_errors=True)
    vocabulary = write_tokenizer()
    llm = dict(architectures=["Qwen2ForCausalLM"], attention_dropout=0.0,
               bos_token_id=vocabulary["<|endoftext|>"], eos_token_id=vocabulary["<|endoftext|>"],
               hidden_act="silu", hidden_size=WIDTH, initializer_range=0.02, intermediate_size=48,
               max_position_embeddings=1024, max_window_layers=2, model_type="qwen2",
               num_attention_heads=4, num_hidden_layers=2, num_key_value_heads=2,
               rms_norm_eps=1e-6, rope_theta=1000000.0, sliding_window=1024,
               tie_word_embeddings=False, torch_dtype="bfloat16", use_cache=True,
               use_sliding_window=False, vocab_size=len(vocabulary) + 10)
    vit = dict(attention_dropout=0.0, hidden_act="gelu_pytorch_tanh", hidden_size=32,
               image_size=VIT_SIDE * VIT_PATCH, intermediate_size=64, layer_norm_eps=1e-6,
               model_type="siglip_vision_model", num_attention_heads=4, num_channels=3,
               num_hidden_layers=3, patch_size=VIT_PATCH, torch_dtype="bfloat16")
    write_json(CHECKPOINT / "llm_config.json", llm)
    write_json(CHECKPOINT / "vit_config.json", vit)
    write_json(CHECKPOINT / "config.json", dict(
        architectures=["BagelForConditionalGeneration"], connector_act="gelu_pytorch_tanh",
        interpolate_pos=False, latent_patch_size=2, llm_config=dict(llm, qk_norm=True),
        max_latent_size=LATENT_SIDE, model_type="bagel", timestep_shift=1.0, vit_config=vit,
        visual_gen=True, visual_und=True, vit_max_num_patch_per_side=VIT_SIDE))
    write_json(CHECKPOINT / "generation_config.json", dict(
        bos_token_id=llm["bos_token_id"], do_sample=False, eos_token_id=vocabulary["<|im_end|>"],
        num_timesteps=6, pad_token_id=llm["bos_token_id"]))

    # As app.py reads them.
    llm_config = Qwen2Config.from_json_file(str(CHECKPOINT / "llm_config.json"))
    llm_config.qk_norm = True
    llm_config.tie_word_embeddings = False
    llm_config.layer_module = "Qwen2MoTDecoderLayer"
    vit_config = SiglipVisionConfig.from_json_file(str(CHECKPOINT / "vit_config.json"))
    vit_config.rope = False
    vit_config.num_hidden_layers -= 1
    params = AutoEncoderParams(resolution=32, in_channels=3, downsample=2, ch=32, out_ch=3,
                               ch_mult=[1, 1], num_res_blocks=1, z_channels=4, scale_factor=0.3611,
                               shift_factor=0.1159)
    config = BagelConfig(visual_gen=True, visual_und=True, llm_config=llm_config,
                         vit_config=vit_config, vae_config=params, latent_patch_size=2,
                         max_latent_size=LATENT_SIDE, vit_max_num_patch_per_side=VIT_SIDE,
                         connector_act="gelu_pytorch_tanh")
    model = Bagel(Qwen2ForCausalLM(llm_config), SiglipVisionModel(vit_config), config).eval()
    model.vit_model.vision_model.embeddings.convert_conv2d_to_linear(vit_config)
    vae = AutoEncoder(params).eval()
    vae.reg.sample = False
    fill(model, SEED, vocabulary, "ema.safetensors")
    fill(vae, SEED + 1, vocabulary, "ae.safetensors")
    tokenizer, ids, _ = add_special_tokens(Qwen2Tokenizer.from_pretrained(str(CHECKPOINT)))
    assert ids["bos_token_id"] == vocabulary["<|im_start|>"], ids
    assert ids["end_of_image"] == vocabulary["<|vision_end|>"], ids
    return InterleaveInferencer(
        model, vae, tokenizer,
        # As 1024, 512 and 980, 224 are of the published tables of 64 and 70.
        ImageTransform(LATENT_SIDE * CELL, LATENT_SIDE * CELL // 2, CELL),
        ImageTransform(VIT_SIDE * VIT_PATCH, VIT_SIDE * 16 // 70 * VIT_PATCH, VIT_PATCH), ids)


def photograph(name):
    return Image.open(PHOTOGRAPHS / f"{name}.png").convert("RGB")


def digest(pixels):
    pixels = np.ascontiguousarray(pixels.numpy(), dtype="<f4")
    return {"shape": list(pixels.shape), "sha256": hashlib.sha256(pixels.tobytes()).hexdigest()}


def preprocessing():
    """The two ways of the published checkpoint, and the way that a picture of a request takes."""
    vae, vit = ImageTransform(1024, 512, 16), ImageTransform(980, 224, 14)
    random = np.random.RandomState(7)
    pairs = [tuple(int(x) for x in random.randint(1, 3000, 2)) for _ in range(120)]
    pairs += [(1024, 1024), (1023, 1025), (512, 512), (511, 513), (4000, 100), (100, 4000), (8, 1600),
              (2000, 10), (980, 980), (224, 224), (40, 5000), (5000, 40), (3, 600), (1, 200),
              (8192, 8192), (616, 616), (1848, 24)]

    class Size:
        """A picture that is only measured."""

        def __init__(self, size):
            self.size = size

    import data.transforms
    resize = data.transforms.F.resize
    data.transforms.F.resize = lambda img, size, *a, **k: Size((size[1], size[0]))
    sizes = []
    for pair in pairs:
        first = vae.resize_transform(Size(pair))
        sizes.append([*pair, *first.size, *vae.resize_transform(first).size,
                      *vit.resize_transform(Size(pair)).size, *vit.resize_transform(first).size])
    data.transforms.F.resize = resize
    pixels = {"vae": {}, "vit": {}}
    for path in sorted(PHOTOGRAPHS.glob("*.png")):
        first = vae.resize_transform(pil_img2rgb(Image.open(path)))
        pixels["vae"][path.stem] = digest(vae(first))
        pixels["vit"][path.stem] = digest(vit(first))
    # Coarse opacity of every kind, as Pillow lays it on white.
    random = np.random.default_rng(SEED)
    coarse = Image.fromarray(random.integers(0, 256, (5, 7, 4), dtype=np.uint8), "RGBA")
    seen = coarse.resize((70, 50), Image.Resampling.NEAREST)
    seen.save(HERE / "preprocess" / "opacity.png")
    white = np.array(pil_img2rgb(Image.open(HERE / "preprocess" / "opacity.png")))
    write_json(HERE / "preprocess" / "case.json", {
        **pixels,
        "opacity_sha256": hashlib.sha256(white.tobytes()).hexdigest(),
        "sizes_columns": ["width", "height", "vae_width", "vae_height", "again_width",
                          "again_height", "vit_width", "vit_height", "vit_of_vae_width",
                          "vit_of_vae_height"],
        "sizes": sizes})


class Recorder:
    """What passes through the model while the inferencer works."""

    def __init__(self, inferencer):
        self.i = inferencer
        self.hidden, self.x, self.times, self.v, self.logits = [], [], [], [], []
        self.noise = None
        model = inferencer.model
        forward, flow = model.language_model.forward_inference, model._forward_flow
        latent = model.prepare_vae_latent

        def forward_inference(*args, **kwargs):
            out = forward(*args, **kwargs)
            if kwargs["update_past_key_values"]:
                self.hidden.append(out.packed_query_sequence.clone())
            return out

        def forward_flow(**kwargs):
            self.x.append(kwargs["x_t"].clone())
            self.times.append(float(kwargs["timestep"][0]))
            v = flow(**kwargs)
            self.v.append(v.clone())
            return v

        def prepare_vae_latent(*args, **kwargs):
            found = latent(*args, **kwargs)
            if self.noise is not None:
                found["packed_init_noises"] = self.noise
            return found

        def decode_image(latents, shape):
            self.x.append(latents.clone())
            return decode(latents, shape)

        decode = inferencer.decode_image
        model.language_model.forward_inference = forward_inference
        model._forward_flow = forward_flow
        model.prepare_vae_latent = prepare_vae_latent
        inferencer.decode_image = decode_image
        head = model.language_model.lm_head
        head.register_forward_hook(lambda m, a, o: self.logits.append(o[0].clone()))

    def run(self, parts, noise=None, **options):
        self.hidden, self.x, self.times, self.v, self.logits = [], [], [], [], []
        self.noise = noise
        out = self.i.interleave_inference(parts, **options)
        if self.logits:
            top = torch.topk(torch.stack(self.logits), 2).values
            lead = float((top[:, 0] - top[:, 1]).min())
            assert lead > 1e-3, lead
        return out


def noise_of(shape, seed):
    count = (shape[0] // CELL) * (shape[1] // CELL)
    draw = torch.randn(count, 16, generator=torch.Generator().manual_seed(seed))
    # Short once packed.
    return torch.round(draw * 64) / 64


def reading(recorder):
    inferencer, tensors, facts = recorder.i, {}, []
    cat, coffee = photograph("chelsea"), photograph("coffee")
    model = inferencer.model
    image = inferencer.vae_transform.resize_transform(cat)
    prepared, _, _ = model.prepare_vit_images([0], [0], [image], inferencer.vit_transform,
                                              inferencer.new_token_ids)
    pixels = inferencer.vit_transform(image)
    features = model.vit_model(prepared["packed_vit_tokens"], prepared["packed_vit_position_ids"],
                               torch.tensor([0, len(prepared["packed_vit_tokens"])]),
                               len(prepared["packed_vit_tokens"]))
    tensors["vit.pixels"] = pixels
    tensors["vit.features"] = features
    tensors["vit.embeddings"] = (model.connector(features)
                                 + model.vit_pos_embed(prepared["packed_vit_position_ids"]))
    facts_vit = dict(position_ids=prepared["packed_vit_position_ids"].tolist())
    cases = {
        "caption": (["chelsea", "what is in the picture?"], {}),
        "words": (["Make the circle green"], {}),
        "two": (["chelsea", "and", "coffee", "are they 2 alike?\n"], {}),
        "thinking": (["coffee", "what is it?"], dict(think=True)),
    }
    for name, (parts, options) in cases.items():
        given = [photograph(p) if (PHOTOGRAPHS / f"{p}.png").exists() else p for p in parts]
        text = recorder.run(given, understanding_output=True, max_think_token_n=21, **options)[0]
        # The decoded text came of ids that the hidden states alone have kept; the head has them all.
        ids = [int(row.argmax()) for row in recorder.logits]
        facts.append(dict(name=name, parts=parts, ids=ids, text=text, **options))
        if name == "caption":
            tensors["caption.picture"] = recorder.hidden[0]
            tensors["caption.question"] = recorder.hidden[1]
            tensors["caption.logits"] = torch.stack(recorder.logits)
        print("read", name, ids, repr(text))
    return tensors, facts, facts_vit


def drawing(recorder):
    tensors, facts = {}, []
    base = dict(cfg_text_scale=4.0, cfg_img_scale=1.0, cfg_interval=[0.4, 1.0], timestep_shift=3.0,
                num_timesteps=6, cfg_renorm_min=0.0, cfg_renorm_type="global")
    edit = dict(base, cfg_img_scale=2.0, cfg_interval=[0.0, 1.0], cfg_renorm_type="text_channel")
    cat = ["chelsea", "Make the circle green"]
    cases = {
        "plain": (["A cat on a red sofa"], dict(base, cfg_text_scale=1.0)),
        "global": (["A cat on a red sofa"], base),
        "channel": (["A cat on a red sofa"], dict(base, cfg_renorm_type="channel")),
        "text_channel": (["A cat on a red sofa"],
                         dict(base, cfg_renorm_type="text_channel", timestep_shift=1.0)),
        "minimum": (["A cat on a red sofa"], dict(base, cfg_renorm_min=0.75)),
        "unnormed": (["A cat on a red sofa"], dict(base, cfg_renorm_min=1.0)),
        "images_too": (["A cat on a red sofa"], dict(base, cfg_img_scale=1.5)),
        "edit": (cat, edit),
        "edit_global": (cat, dict(edit, cfg_renorm_type="global", cfg_interval=[0.3, 0.9])),
        "edit_channel": (cat, dict(edit, cfg_renorm_type="channel")),
        "edit_words_only": (cat, dict(edit, cfg_img_scale=1.0)),
        "two_pictures": (["what is", "coffee", "on a sofa", "tall"], edit),
        "thinking": (["the planning process"], dict(base, think=True, max_think_token_n=13)),
        "thinking_nothing": (["A cat"], dict(base, think=True, max_think_token_n=13)),
        "edit_thinking": (cat, dict(edit, think=True, max_think_token_n=9)),
    }
    for name, (parts, options) in cases.items():
        given = [photograph(p) if (PHOTOGRAPHS / f"{p}.png").exists() else p for p in parts]
        shape = (20, 24)
        for part in given:
            if not isinstance(part, str):
                shape = recorder.i.vae_transform.resize_transform(part).size[::-1]
        noise = noise_of(shape, SEED + len(facts))
        out = recorder.run(given, noise=noise, image_shapes=(20, 24), **options)
        fact = dict(name=name, parts=parts, height=shape[0], width=shape[1], times=recorder.times,
                    **options)
        if options.get("think"):
            fact["text"] = out[0]
            fact["ids"] = [int(row.argmax()) for row in recorder.logits]
        facts.append(fact)
        tensors[f"{name}.noise"] = noise
        tensors[f"{name}.x"] = recorder.x[-1]
        if name in ("global", "edit"):
            tensors[f"{name}.steps"] = torch.stack(recorder.x[1:])
            tensors[f"{name}.v"] = torch.stack(recorder.v)
        tensors[f"{name}.rgb"] = torch.from_numpy(np.array(out[-1]))
        if name == "edit":
            tensors["edit.latents_chunk"] = recorder.hidden[0]
            tensors["edit.picture_chunk"] = recorder.hidden[1]
            tensors["edit.words_chunk"] = recorder.hidden[2]
        rgb = tensors[f"{name}.rgb"].float()
        print("drew", name, shape, "spread", float(rgb.std()), "x", float(recorder.x[-1].std()))
    return tensors, facts


def published():
    """Names and shapes of ema.safetensors at the size of BAGEL-7B-MoT, a layer for all of its kind."""
    llm = Qwen2Config(vocab_size=152064, hidden_size=3584, intermediate_size=18944,
                      num_hidden_layers=28, num_attention_heads=28, num_key_value_heads=4,
                      tie_word_embeddings=False, qk_norm=True, layer_module="Qwen2MoTDecoderLayer")
    vit = SiglipVisionConfig(hidden_size=1152, intermediate_size=4304, num_hidden_layers=26,
                             num_attention_heads=16, image_size=980, patch_size=14, rope=False)
    params = AutoEncoderParams(256, 3, 8, 128, 3, [1, 2, 4, 4], 2, 16, 0.3611, 0.1159)
    # The tables of positions are computed when the class is made, which no device can leave out.
    with torch.device("meta"):
        language_model, vision = Qwen2ForCausalLM(llm), SiglipVisionModel(vit)
    model = Bagel(language_model, vision, BagelConfig(
        llm_config=llm, vit_config=vit, vae_config=params, max_latent_size=64))
    model.vit_model.vision_model.embeddings.convert_conv2d_to_linear(vit, meta=True)
    shapes, numbers = {}, {}
    for name, tensor in model.state_dict().items():
        layer = re.sub(r"\.layers\.\d+\.", ".layers.*.", name)
        assert shapes.setdefault(layer, list(tensor.shape)) == list(tensor.shape), name
        numbers[layer] = numbers.get(layer, 0) + 1
    write_json(HERE / "published.json", {
        n: dict(shape=s, layers=numbers[n]) for n, s in sorted(shapes.items())})


inferencer = checkpoint()
preprocessing()
published()
recorder = Recorder(inferencer)
read, read_facts, vit_facts = reading(recorder)
drawn, drawn_facts = drawing(recorder)
# float32, as everything that Java compares with
save_file({k: v.contiguous() for k, v in {**read, **drawn}.items()}, HERE / "expected.safetensors")
for file in HERE.rglob("*.safetensors"):
    file.chmod(0o644)
write_json(HERE / "case.json", dict(reading=read_facts, vit=vit_facts, drawing=drawn_facts))
