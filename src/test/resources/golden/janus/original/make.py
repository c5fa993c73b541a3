"""Writes three tiny random Janus checkpoints in the deepseek-ai layout and their goldens.

  python make.py PATH_TO_A_CHECKOUT_OF_deepseek-ai/Janus [seed_of_1.3b seed_of_7b]

The checkout is deepseek-ai/Janus@1daa72fa409002d40931bd7b36a9280362469ead, unchanged. It asks for
transformers >= 4.38 and does not import under transformers 5: this was run with transformers
4.48.3, tokenizers 0.21.4, timm 1.0.31, einops, attrdict, torchvision (versions in case.json).

Only sizes are patched, at run time, because the code fixes them: the SigLIP table entry, the VQ
model's channels and codebook, and what no forward pass uses: the attention pool's width and the
length of the `codebook_used` buffer (65536).

  janus-1.3b     model.safetensors
  janus-pro-1b   pytorch_model.bin, the same tensors (goldens: those of janus-1.3b)
  janus-pro-7b   two shards and pytorch_model.bin.index.json, other sizes, own goldens
"""

import collections
import copy
import json
import os
import shutil
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
sys.path.insert(0, sys.argv[1])

import numpy as np
import PIL
import timm
import tokenizers
import torch
import torchvision
import transformers
from PIL import Image
from safetensors.torch import save_file

import tiny
from janus.models import MultiModalityCausalLM, VLChatProcessor
from janus.models import image_processing_vlm, modeling_vlm, siglip_vit, vq_model

torch.set_num_threads(1)
transformers.logging.set_verbosity_error()

PICTURES = os.path.join(HERE, "..", "pictures")
VERSIONS = tiny.versions(torch, transformers, tokenizers, torchvision, timm, PIL, np)
VERSIONS["source"] = "deepseek-ai/Janus@1daa72fa409002d40931bd7b36a9280362469ead"
VOCAB = 320

Sizes = collections.namedtuple(
    "Sizes", "image patch vision_width vision_layers mlp_ratio hidden intermediate heads "
    "head_embed codebook multiplier latent layers")
# One level: neither down- nor upsampling. It is stored twice, so it is as small as it can be.
SMALL = Sizes(image=48, patch=8, vision_width=64, vision_layers=2, mlp_ratio=1.0, hidden=32,
              intermediate=44, heads=2, head_embed=40, codebook=80, multiplier=[1], latent=20,
              layers=2)
# Two levels of unequal width, two vision heads. Heads are not written in this one's config, as in Janus-Pro-7B's: Llama's default of 32 holds.
LARGE = Sizes(image=28, patch=4, vision_width=128, vision_layers=1, mlp_ratio=0.25, hidden=64,
              intermediate=40, heads=None, head_embed=64, codebook=72, multiplier=[2, 1],
              latent=12, layers=1)
SEEDS = {"janus-1.3b": 4, "janus-pro-7b": 2}

ENCODER, DECODER = vq_model.Encoder, vq_model.Decoder
POOL = siglip_vit.AttentionPoolLatent


def patch(sizes):
  """Shrinks what the reference hard-wires."""
  siglip_vit.SigLIP_MODEL_CONFIG["siglip_large_patch16_384"] = {
      "image_size": sizes.image, "patch_size": sizes.patch, "width": sizes.vision_width,
      "layers": sizes.vision_layers, "heads": sizes.vision_width // 64,
      "mlp_ratio": sizes.mlp_ratio, "global_pool": "map", "use_checkpoint": False}
  siglip_vit.AttentionPoolLatent = lambda width, **kwargs: POOL(
      8, num_heads=1, mlp_ratio=1.0, norm_layer=kwargs["norm_layer"])
  vq_model.Encoder = lambda **kwargs: ENCODER(ch=32, num_res_blocks=1, **kwargs)
  vq_model.Decoder = lambda **kwargs: DECODER(ch=32, num_res_blocks=1, **kwargs)

  def small_vq():
    model = vq_model.VQModel(vq_model.ModelArgs(
        codebook_size=sizes.codebook, encoder_ch_mult=sizes.multiplier,
        decoder_ch_mult=sizes.multiplier, z_channels=sizes.latent))
    model.quantize.register_buffer("codebook_used", torch.zeros(16))
    return model

  vq_model.VQ_models["VQ-16"] = small_vq


def config_json(sizes):
  language = {"hidden_size": sizes.hidden, "intermediate_size": sizes.intermediate,
              "max_position_embeddings": 1024, "model_type": "llama", "num_hidden_layers": sizes.layers,
              "torch_dtype": "bfloat16", "vocab_size": VOCAB}
  if sizes.heads:
    language.update(num_attention_heads=sizes.heads, num_key_value_heads=sizes.heads)

  def part(cls, model_type, **params):
    return {"cls": cls, "model_type": model_type, "params": params}

  return {
      "aligner_config": part("MlpProjector", "aligner", depth=2, input_dim=sizes.vision_width,
                             n_embed=sizes.hidden, projector_type="mlp_gelu"),
      "architectures": ["MultiModalityCausalLM"],
      "gen_aligner_config": part("MlpProjector", "gen_aligner", depth=2, input_dim=8,
                                 n_embed=sizes.hidden, projector_type="mlp_gelu"),
      "gen_head_config": part("vision_head", "gen_head", image_token_embed=sizes.head_embed,
                              image_token_size=sizes.codebook, n_embed=sizes.hidden),
      "gen_vision_config": part("VQ-16", "gen_vision", image_token_size=sizes.codebook,
                                n_embed=8),
      "language_config": language, "model_type": "multi_modality", "torch_dtype": "bfloat16",
      "transformers_version": "4.33.1",
      "vision_config": part("CLIPVisionTower", "vision", image_size=sizes.image,
                            model_name="siglip_large_patch16_384", select_feature="same",
                            select_layer=-1)}


def write_small_files(folder, sizes, added):
  os.makedirs(folder)
  tiny.write_json(os.path.join(folder, "config.json"), config_json(sizes))
  tiny.write_json(os.path.join(folder, "preprocessor_config.json"), {
      "background_color": [127, 127, 127], "do_normalize": True, "image_mean": [0.5, 0.5, 0.5],
      "image_processor_type": "VLMImageProcessor", "image_size": sizes.image,
      "image_std": [0.5, 0.5, 0.5], "min_size": 14, "processor_class": "VLChatProcessor",
      "rescale_factor": 0.00392156862745098})
  tiny.write_json(os.path.join(folder, "processor_config.json"), {
      "add_special_token": False, "ignore_id": -100, "image_tag": tiny.IMAGE,
      "mask_prompt": True, "num_image_tokens": (sizes.image // sizes.patch) ** 2,
      "processor_class": "VLChatProcessor", "sft_format": "deepseek"})
  tokenizer = tiny.build_tokenizer(290, bos_in_file=False, added=added)
  tokenizer.save(os.path.join(folder, "tokenizer.json"))

  def token(content):
    return {"__type": "AddedToken", "content": content, "lstrip": False, "normalized": True,
            "rstrip": False, "single_word": False}

  extra = [t for t in added if t not in (tiny.BOS, tiny.EOS, tiny.PAD, tiny.BOI, tiny.EOI)]
  tiny.write_json(os.path.join(folder, "tokenizer_config.json"), {
      "add_bos_token": True, "add_eos_token": False, "additional_special_tokens": extra,
      "bos_token": token(tiny.BOS), "clean_up_tokenization_spaces": False,
      "eos_token": token(tiny.EOS), "legacy": True, "model_max_length": 1024,
      "pad_token": tiny.PAD, "processor_class": "VLChatProcessor", "sp_model_kwargs": {},
      "tokenizer_class": "LlamaTokenizerFast", "unk_token": None,
      "use_default_system_prompt": False})
  tiny.write_json(os.path.join(folder, "special_tokens_map.json"), {
      "additional_special_tokens": extra, "bos_token": tiny.BOS, "eos_token": tiny.EOS,
      "pad_token": tiny.PAD})
  return len(tokenizer.get_vocab())


def random_model(sizes, seed, vocabulary):
  patch(sizes)
  model = MultiModalityCausalLM(modeling_vlm.MultiModalityConfig(**config_json(sizes)))
  state = tiny.fill_state(model.state_dict(), seed, vocabulary)
  state["gen_vision_model.quantize.codebook_used"] = torch.zeros(16, dtype=torch.bfloat16)
  model.load_state_dict(state)
  return model.to(torch.bfloat16)


def checkpoint(name):
  return os.path.join(HERE, name, "checkpoint")


def make_checkpoints(seeds):
  for name in ("janus-1.3b", "janus-pro-1b", "janus-pro-7b"):
    shutil.rmtree(checkpoint(name), ignore_errors=True)
  vocabulary = write_small_files(checkpoint("janus-1.3b"), SMALL, tiny.ADDED)
  write_small_files(checkpoint("janus-pro-1b"), SMALL, tiny.ADDED)
  write_small_files(checkpoint("janus-pro-7b"), LARGE, tiny.ADDED[::-1])

  # state_dict() carries `_metadata`, which torch.save pickles with it, as published files do.
  state = random_model(SMALL, seeds["janus-1.3b"], vocabulary).state_dict()
  save_file({k: v.contiguous() for k, v in state.items()},
            os.path.join(checkpoint("janus-1.3b"), "model.safetensors"),
            metadata={"format": "pt"})
  torch.save(state, os.path.join(checkpoint("janus-pro-1b"), "pytorch_model.bin"))

  state = random_model(LARGE, seeds["janus-pro-7b"], vocabulary).state_dict()
  names, total = list(state), sum(v.numel() * v.element_size() for v in state.values())
  shards, size = [{}, {}], 0
  for key in names:
    shards[0 if size < total // 2 else 1][key] = state[key]
    size += state[key].numel() * state[key].element_size()
  weight_map = {}
  for i, shard in enumerate(shards):
    file = f"pytorch_model-{i + 1:05d}-of-00002.bin"
    torch.save(shard, os.path.join(checkpoint("janus-pro-7b"), file))
    weight_map.update({key: file for key in shard})
  tiny.write_json(os.path.join(checkpoint("janus-pro-7b"), "pytorch_model.bin.index.json"), {
      "metadata": {"total_size": total}, "weight_map": weight_map})


def load(name, sizes, dtype=torch.float32):
  patch(sizes)
  model, report = MultiModalityCausalLM.from_pretrained(
      checkpoint(name), torch_dtype=dtype, output_loading_info=True)
  assert not report["missing_keys"] and not report["unexpected_keys"], report
  return model.eval()


CAT, COFFEE = "cat_96x63.png", "coffee_32x36.png"
PRO = ("<|User|>", "<|Assistant|>")
FIRST = ("User", "Assistant")
DEFAULT = VLChatProcessor.system_prompt
ONE = [("<image_placeholder>\ndescribe the picture, please.", [CAT]), ("", [])]
# name, roles, system prompt, contents in turn with their pictures
PROMPTS = [
    ("single", PRO, DEFAULT, ONE),
    ("single_no_system", PRO, "", ONE),
    ("single_plain_roles", FIRST, DEFAULT, ONE),
    ("two_pictures", PRO, DEFAULT, [
        ("<image_placeholder> is Figure 1.\n<image_placeholder> is Figure 2.\n"
         "which image is brighter?", [CAT, COFFEE]), ("", [])]),
    ("two_turns", PRO, DEFAULT, [
        ("<image_placeholder>\nwhat is in the picture?", [COFFEE]), ("a cup of coffee.", []),
        ("which colour has it?", []), ("", [])]),
    ("plain_text", PRO, DEFAULT, [("  größer als 42 – 图 and\n\tmore?  ", []), ("", [])]),
    ("draw", PRO, "", [("a large red circle above a small blue square", []), ("", [])]),
    ("draw_plain_roles", FIRST, "", [("ein grüner Stern, 2 blaue Kreise ★", []), ("", [])]),
]


def template(processor, roles, system, turns):
  messages = [{"role": roles[i % 2], "content": content} for i, (content, _) in enumerate(turns)]
  return messages, processor.apply_sft_template_for_multi_turn_prompts(
      conversations=messages, sft_format=processor.sft_format, system_prompt=system)


def prompts_case(folder, processor, names):
  case = []
  for name, roles, system, turns in PROMPTS:
    if name not in names:
      continue
    messages, sft = template(processor, roles, system, turns)
    pictures = [p for _, seen in turns for p in seen]
    entry = {"name": name, "system_prompt": system, "messages": messages, "pictures": pictures}
    if name.startswith("draw"):
      entry["prompt"] = sft + processor.image_start_tag
      ids = processor.tokenizer.encode(entry["prompt"])
    else:
      entry["prompt"] = sft
      images = [Image.open(os.path.join(PICTURES, p)).convert("RGB") for p in pictures]
      inputs = processor(prompt=sft, images=images, force_batchify=True)
      if system == DEFAULT:  # the route of the published example gives the same
        other = processor(conversations=messages, images=images, force_batchify=True)
        assert other.sft_format[0] == sft and torch.equal(other.input_ids, inputs.input_ids)
      assert bool(inputs.attention_mask.all())
      ids = inputs.input_ids[0].tolist()
    entry["input_ids"] = ids
    case.append(entry)
  tiny.write_json(os.path.join(folder, "prompts", "case.json"), {
      "prompts": case, "versions": VERSIONS})
  return {c["name"]: c for c in case}


def preprocess_case(folder, processor, sizes):
  image_processor = processor.image_processor
  # 256 pictures of one grey each, square, so that nothing but the arithmetic happens.
  flat = [Image.new("RGB", (sizes.image, sizes.image), (v, v, v)) for v in range(256)]
  table = torch.stack([image_processor([f], return_tensors="pt").pixel_values[0, 0, 0, 0]
                       for f in flat])
  tensors, case = {"table": table}, []
  for name in sorted(os.listdir(PICTURES)):
    image = Image.open(os.path.join(PICTURES, name)).convert("RGB")
    pixels = image_processor([image], return_tensors="pt").pixel_values[0]
    canvas = torch.searchsorted(table, pixels.contiguous()).to(torch.uint8)
    assert torch.equal(table[canvas.long()], pixels)
    tensors[f"{name}.canvas"] = canvas
    case.append({"picture": name, "size": list(image.size)})
  rows, asked = [], []
  random = np.random.RandomState(3)
  pairs = [tuple(int(x) for x in random.randint(1, 3000, 2)) for _ in range(120)]
  pairs += [(768, 1), (1, 768), (256, 2), (256, 1), (1024, 36), (1024, 37), (1024, 38),
            (1024, 40), (768, 333), (768, 335), (512, 250), (512, 254), (2048, 1000)]
  wide = image_processing_vlm.VLMImageProcessor(
      384, image_mean=[0.5] * 3, image_std=[0.5] * 3)
  functional = torchvision.transforms.functional
  original = functional.resize
  functional.resize = lambda image, size, **kwargs: asked.append(list(size)) or original(
      image, size, **kwargs)
  try:
    for width, height in pairs:
      wide.resize(Image.new("RGB", (width, height)))
      rows.append([width, height, asked[-1][1], asked[-1][0]])
  finally:
    functional.resize = original
  tiny.save(os.path.join(folder, "preprocess", "expected.safetensors"), tensors)
  tiny.write_json(os.path.join(folder, "preprocess", "case.json"), {
      "pictures": case, "side": sizes.image, "min_size": 14,
      "sizes_at_384": {"columns": ["width", "height", "new_width", "new_height"], "rows": rows},
      "versions": VERSIONS})


class Tap:
  """Keeps what chosen modules return."""

  def __init__(self, **modules):
    self.seen = {name: [] for name in modules}
    self.handles = [m.register_forward_hook(self.hook(name)) for name, m in modules.items()]

  def hook(self, name):
    def keep(module, args, output):
      output = output[0] if isinstance(output, tuple) else output
      self.seen[name].append(output.detach().clone())
    return keep

  def __enter__(self):
    return self.seen

  def __exit__(self, *_):
    for handle in self.handles:
      handle.remove()


def layers(prefix, modules):
  return {f"{prefix}_{i}": m for i, m in enumerate(modules)}


def inputs_of(processor, prompt):
  images = [Image.open(os.path.join(PICTURES, p)).convert("RGB") for p in prompt["pictures"]]
  return processor(prompt=prompt["prompt"], images=images, force_batchify=True)


def embed(model, processor, prompt):
  inputs = inputs_of(processor, prompt)
  dtype = next(model.parameters()).dtype
  inputs.pixel_values = inputs.pixel_values.to(dtype)
  return inputs, model.prepare_inputs_embeds(**inputs)


def understand_case(folder, model, processor, prompts, runs, everything):
  tower = model.vision_model.vision_tower
  core = model.language_model.model
  with Tap(vision_embeddings=tower.pos_drop, vision_output=model.vision_model,
           aligner_output=model.aligner, decoder_norm=core.norm,
           **layers("vision_layer", tower.blocks), **layers("decoder_layer", core.layers)) as seen:
    inputs, embeddings = embed(model, processor, prompts["single_no_system"])
    logits = model.language_model(
        inputs_embeds=embeddings, attention_mask=inputs.attention_mask).logits
  tensors = {"pixel_values": inputs.pixel_values[0], "decoder_embeddings": embeddings,
             "logits": logits}
  tensors.update({k: v[0] for k, v in seen.items()})
  if not everything:
    tensors = {k: tensors[k] for k in ("pixel_values", "vision_output", "aligner_output")}
    tensors["last_logits"] = logits[:, -1]
  answers, smallest = [], 9.0
  tokenizer = processor.tokenizer
  for name, count in runs:
    inputs, embeddings = embed(model, processor, prompts[name])
    out = model.language_model.generate(
        inputs_embeds=embeddings, attention_mask=inputs.attention_mask,
        pad_token_id=tokenizer.eos_token_id, bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id, max_new_tokens=count, do_sample=False,
        use_cache=True, return_dict_in_generate=True, output_scores=True)
    ids = out.sequences[0].tolist()
    gap = min(tiny.margin(s[0]) for s in out.scores)
    smallest = min(smallest, gap)
    answers.append({"prompt": name, "max_new_tokens": count, "ids": ids,
                    "text": tokenizer.decode(ids, skip_special_tokens=True),
                    "ended_by_eos": ids[-1] == tokenizer.eos_token_id, "smallest_margin": gap})
  tiny.save(os.path.join(folder, "understand", "expected.safetensors"), tensors)
  tiny.write_json(os.path.join(folder, "understand", "case.json"), {
      "prompt": "single_no_system", "input_ids": prompts["single_no_system"]["input_ids"],
      "answers": answers, "versions": VERSIONS})
  return smallest


def draw(model, processor, ids, weight, count):
  """The published loop for one picture, with argmax for the sample. Rows: with, without."""
  rows = torch.tensor([ids, ids])
  rows[1, 1:-1] = processor.pad_id
  embeddings = model.language_model.get_input_embeddings()(rows)
  past, codes, pairs, combined, prefill = None, [], [], [], None
  for _ in range(count):
    out = model.language_model.model(
        inputs_embeds=embeddings, use_cache=True, past_key_values=past)
    past = out.past_key_values
    hidden = out.last_hidden_state[:, -1, :]
    prefill = hidden if prefill is None else prefill
    logits = model.gen_head(hidden)
    mixed = logits[1] + weight * (logits[0] - logits[1])
    pairs.append(logits)
    combined.append(mixed)
    codes.append(int(mixed.argmax()))
    embeddings = model.prepare_gen_img_embeds(torch.tensor([codes[-1]] * 2)).unsqueeze(1)
  return (codes, rows[1].tolist(), torch.stack(pairs), torch.stack(combined), prefill)


def to_rgb(pixels):
  """[B, 3, H, W] in about [-1, 1] to uint8, as the published example does it."""
  pixels = pixels.to(torch.float32).numpy().transpose(0, 2, 3, 1)
  rgb = np.zeros(pixels.shape, dtype=np.uint8)
  rgb[:] = np.clip((pixels + 1) / 2 * 255, 0, 255)
  return torch.tensor(rgb)


def draw_case(folder, model, processor, prompts, sizes, runs):
  case, tensors, smallest = [], {}, 9.0
  side = sizes.image // sizes.patch
  for name, weight in runs:
    ids = prompts[name]["input_ids"]
    codes, without, pairs, combined, prefill = draw(
        model, processor, ids, weight, side * side)
    gap = min(tiny.margin(row) for row in combined)
    smallest = min(smallest, gap)
    tokens = torch.tensor([codes])
    pixels = model.gen_vision_model.decode_code(tokens.int(), shape=[1, 8, side, side])
    tensors.update({
        f"{name}.prefill_hidden": prefill,
        f"{name}.pair_logits": pairs[:4], f"{name}.combined_logits": combined[:4],
        f"{name}.code_embeddings": model.prepare_gen_img_embeds(tokens),
        f"{name}.pixels": pixels[0], f"{name}.rgb": to_rgb(pixels)[0]})
    DISTINCT.append(len(set(codes)))
    case.append({"prompt": name, "guidance": weight, "input_ids": ids,
                 "unconditional_ids": without, "codes": codes, "smallest_margin": gap,
                 "distinct_codes": len(set(codes))})
  tiny.save(os.path.join(folder, "draw", "expected.safetensors"), tensors)
  tiny.write_json(os.path.join(folder, "draw", "case.json"), {
      "draws": case, "versions": VERSIONS})
  return smallest


def vq_case(folder, model, processor, sizes):
  vq = model.gen_vision_model
  grid = sizes.image // sizes.patch
  side = grid * 2 ** (len(sizes.multiplier) - 1)
  image = Image.open(os.path.join(PICTURES, CAT)).convert("RGB")
  image = image.crop((33, 10, 73, 50)).resize((side, side), Image.BICUBIC)
  pixels = torch.tensor(np.asarray(image).copy()).permute(2, 0, 1)[None].float() / 255 * 2 - 1
  with Tap(features=vq.encoder, latents=vq.quant_conv) as seen:
    codes = vq.encode(pixels)[2][2]
  latents = seen["latents"][0]
  unit = torch.nn.functional.normalize
  flat = unit(latents.permute(0, 2, 3, 1).reshape(-1, latents.shape[1]).double(), dim=-1)
  book = unit(vq.quantize.embedding.weight.double(), dim=-1)
  near = torch.topk(torch.cdist(flat, book) ** 2, 2, dim=1, largest=False).values
  gap = float((near[:, 1] - near[:, 0]).min())
  shape = [1, 8, grid, grid]
  decoded = vq.decode_code(codes[None].int(), shape=shape)
  tiny.save(os.path.join(folder, "vq", "expected.safetensors"), {
      "encode.pixels": pixels, "encode.features": seen["features"][0], "encode.latents": latents,
      "decode.quantized": vq.quantize.get_codebook_entry(codes[None], shape),
      "decode.pixels": decoded, "decode.rgb": to_rgb(decoded)[0]})
  tiny.write_json(os.path.join(folder, "vq", "case.json"), {
      "codes": codes.tolist(), "smallest_distance_margin": gap,
      "distinct_codes": len(set(codes.tolist())), "versions": VERSIONS})
  return gap


def bf16_case(folder, name, sizes, model, processor, prompts):
  half = load(name, sizes, torch.bfloat16)
  count = (sizes.image // sizes.patch) ** 2

  def text_logits(which):
    inputs, embeddings = embed(which, processor, prompts["single_no_system"])
    return which.language_model(
        inputs_embeds=embeddings, attention_mask=inputs.attention_mask).logits[0].float()

  exact, rounded = text_logits(model), text_logits(half)
  ids = prompts["draw"]["input_ids"]
  codes, _, pairs, combined, _ = draw(model, processor, ids, 5.0, count)
  half_codes, _, half_pairs, half_combined, _ = draw(half, processor, ids, 5.0, count)
  grid = sizes.image // sizes.patch
  tokens = torch.tensor([codes]).int()
  pixels = model.gen_vision_model.decode_code(tokens, shape=[1, 8, grid, grid])
  half_pixels = half.gen_vision_model.decode_code(tokens, shape=[1, 8, grid, grid]).float()
  tiny.save(os.path.join(folder, "bf16", "expected.safetensors"), {
      "logits": rounded[-1], "float32_logits": exact[-1],
      "pair_logits": half_pairs[0].float(), "combined_logits": half_combined[0].float(),
      "float32_pair_logits": pairs[0]})
  tiny.write_json(os.path.join(folder, "bf16", "case.json"), {
      "prompt": "single_no_system", "draw_prompt": "draw", "guidance": 5.0,
      "logits_max_abs_error": float((rounded - exact).abs().max()),
      "last_logits_max_abs_error": float((rounded[-1] - exact[-1]).abs().max()),
      "logits_std": float(exact.std()),
      "pair_logits_max_abs_error": float((half_pairs[0].float() - pairs[0]).abs().max()),
      "combined_logits_max_abs_error": float(
          (half_combined[0].float() - combined[0]).abs().max()),
      "decoded_pixels_max_abs_error": float((half_pixels - pixels).abs().max()),
      "bf16_codes": half_codes,
      "codes_equal_to_float32_until": next(
          (i for i, (a, b) in enumerate(zip(codes, half_codes)) if a != b), len(codes)),
      "versions": VERSIONS})


DISTINCT = []


def main():
  seeds = dict(SEEDS)
  if len(sys.argv) > 3:
    seeds = dict(zip(seeds, map(int, sys.argv[2:4])))
  make_checkpoints(seeds)
  with torch.no_grad():
    model = load("janus-1.3b", SMALL)
    twin = load("janus-pro-1b", SMALL).state_dict()
    assert all(torch.equal(v, twin[k]) for k, v in model.state_dict().items())
    for name, sizes, texts, draws in (
        ("janus-1.3b", SMALL,
         [("single_no_system", 24), ("single", 24), ("single_plain_roles", 12),
          ("two_pictures", 16), ("two_turns", 16), ("plain_text", 16)],
         [("draw", 5.0), ("draw_plain_roles", 2.5)]),
        ("janus-pro-7b", LARGE, [("single_no_system", 12)], [("draw", 5.0)])):
      DISTINCT.clear()
      folder = os.path.join(HERE, name)
      model = load(name, sizes)
      processor = VLChatProcessor.from_pretrained(checkpoint(name))
      everything = name == "janus-1.3b"
      prompts = prompts_case(folder, processor, {p[0] for p in PROMPTS} if everything else {
          "single_no_system", "draw"})
      if everything:
        preprocess_case(folder, processor, sizes)
        bf16_case(folder, name, sizes, model, processor, prompts)
        patch(sizes)
      margins = {"text": understand_case(folder, model, processor, prompts, texts,
                                         everything),
                 "draw": draw_case(folder, model, processor, prompts, sizes, draws),
                 "vq": vq_case(folder, model, processor, sizes)}
      print(seeds, name, seeds[name], margins, "distinct codes:", DISTINCT)
      assert min(margins.values()) > 1e-3, "choose another seed: a greedy step is nearly a tie"


if __name__ == "__main__":
  main()
