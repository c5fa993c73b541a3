"""Parts that both make.py scripts share: the tiny tokenizer, seeded weights, file writers.

Nothing here comes from our Java code or from a reference repository.
"""

import json
import os
import platform
import re

import numpy as np
import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers
from tokenizers import pre_tokenizers, processors, trainers

BOS = "<｜begin▁of▁sentence｜>"
EOS = "<｜end▁of▁sentence｜>"
PAD = "<｜▁pad▁｜>"
IMAGE = "<image_placeholder>"
BOI = "<begin_of_image>"
EOI = "<end_of_image>"
USER = "<|User|>"
ASSISTANT = "<|Assistant|>"

# Every id differs from the published one, on purpose: ids must be resolved from the file.
ADDED = [EOS, USER, BOI, PAD, IMAGE, "<patch_placeholder>", BOS, ASSISTANT, EOI,
         "<|ref|>", "<|/ref|>", "<|det|>", "<|/det|>", "<|grounding|>"]

# Tensors that are looked up or added, not multiplied with.
TABLES = ("embed_tokens.weight", "position_embedding.weight", "pos_embed", "latent",
          "generation_embeddings.weight", "gen_embed.weight", "quantize.embedding.weight")

CORPUS = """\
a photo of a cat and a photo of an astronaut in front of a flag. describe the picture, please.
You are a helpful language and vision assistant. You are able to understand the visual content
that the user provides, and assist the user with a variety of tasks using natural language.
what is in the picture? which image is brighter? the first one is Figure 1, the second is Figure 2.
draw a large red circle above a small blue square, to the left of a green triangle or a yellow star.
"""


def build_tokenizer(vocab_size, bos_in_file, added=ADDED):
  """A byte-level BPE with Janus' special tokens behind a small real vocabulary.

  bos_in_file: True writes a template post-processor that prepends the BOS token into
  tokenizer.json (what save_pretrained of the HF class leaves), False leaves the file without
  it, so that only `add_bos_token` of tokenizer_config.json asks for the BOS token.
  """
  tokenizer = Tokenizer(models.BPE())
  tokenizer.normalizer = normalizers.Sequence([])
  tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
      pre_tokenizers.Split(Regex(r"[\r\n]"), "isolated"),
      pre_tokenizers.Split(Regex(r"\s?\p{L}+"), "isolated"),
      pre_tokenizers.Split(Regex(r"\s?\p{P}+"), "isolated"),
      pre_tokenizers.Split(Regex(r"\s+$"), "isolated"),
      pre_tokenizers.Digits(individual_digits=True),
      pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
  ])
  tokenizer.decoder = decoders.ByteLevel()
  trainer = trainers.BpeTrainer(
      vocab_size=vocab_size, show_progress=False,
      initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()))
  tokenizer.train_from_iterator(CORPUS.splitlines(keepends=True), trainer)
  tokenizer.add_special_tokens(
      [AddedToken(t, special=True, normalized=t in (BOS, EOS)) for t in added])
  if bos_in_file:
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", pair=f"{BOS} $A {BOS} $B:1",
        special_tokens=[(BOS, tokenizer.token_to_id(BOS))])
  else:
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
  return tokenizer


class Weights:
  """Seeded weights with few significant bits: exact in bfloat16, and they compress well."""

  def __init__(self, seed):
    self.generator = torch.Generator().manual_seed(seed)

  def normal(self, shape, std):
    draw = torch.randn(shape, generator=self.generator)
    step = 2.0 ** round(np.log2(std / 4))
    return (torch.round(draw * std / step).clamp(-15, 15) * step).to(torch.bfloat16)

  def fill(self, name, tensor, vocabulary):
    """One tensor of a state dict, scaled by what it does."""
    shape = tuple(tensor.shape)
    if len(shape) == 1:
      is_norm = name.endswith("weight")
      return self.normal(shape, 0.1) + (1.0 if is_norm else 0.0)
    if name.endswith(("lm_head.weight", "vision_head.weight")):
      weight = self.normal(shape, 2.0 / np.sqrt(shape[1]))
      if name.endswith("lm_head.weight"):
        weight[vocabulary:] = 0  # rows without a token, as in the published vocabulary of 102400
      return weight
    if name.endswith(TABLES):
      return self.normal(shape, 0.9)
    fan_in = int(np.prod(shape[1:]))
    # A strong echo of the code just drawn, or every step would draw the same one.
    echo = "generation_aligner" in name or "gen_aligner" in name
    return self.normal(shape, (2.4 if echo else 1.2) / np.sqrt(fan_in))


def fill_state(state, seed, vocabulary):
  weights = Weights(seed)
  return {k: weights.fill(k, state[k], vocabulary).contiguous() for k in sorted(state)}


def margin(row):
  top = torch.topk(row.float(), 2, dim=-1).values
  return float((top[..., 0] - top[..., 1]).min())


def write_json(path, value):
  """Indented, but a list of numbers stays on one line."""
  os.makedirs(os.path.dirname(path), exist_ok=True)
  written = json.dumps(value, ensure_ascii=False, indent=1)
  written = re.sub(r"\[\s+(-?[0-9][-0-9.e,\s]*?)\s+\]",
                   lambda m: "[" + re.sub(r"\s+", " ", m.group(1)) + "]", written)
  assert json.loads(written) == value
  with open(path, "w", encoding="utf-8", newline="\n") as f:
    f.write(written + "\n")


def save(path, tensors):
  from safetensors.torch import save_file
  os.makedirs(os.path.dirname(path), exist_ok=True)
  save_file({k: v.detach().contiguous().clone() for k, v in tensors.items()}, path)


def versions(*modules):
  found = {"python": platform.python_version()}
  for module in modules:
    found[module.__name__] = module.__version__
  return found
