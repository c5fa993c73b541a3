"""Times a Transfusion in transformers and diffusers, figure by figure as `diptych bench` does, and
compares the two.

Run by hand; nothing of the build needs it. Written for Python 3.11, torch 2.13, transformers 5.18,
diffusers 0.42, pillow and numpy.

  java -jar examples/target/diptych.jar bench make --shape transfusion-1b DIR
  python examples/bench/bench_transfusion.py DIR --steps 10
  python examples/bench/bench_transfusion.py DIR --steps 10 --rounds 3 \\
      --vs "java -jar examples/target/diptych.jar"

There is no published program. The model is put together here of what others wrote, as the goldens
are (src/test/resources/golden/transfusion/make.py): transformers' LlamaForCausalLM under a mask that
is written out, diffusers' Timesteps, TimestepEmbedding, AutoencoderKL and
FlowMatchEulerDiscreteScheduler. What is told of a picture is read once into a DynamicCache, all
contexts as rows of one batch, padded on the left; every step runs the patches behind it and crops
the cache. Only checkpoints with linear patch layers and a flow's scheduler, as `bench make` writes
them and the demo has them. The folder of the demo is where `bench --demo transfusion --json` says.

With --vs each round runs both programs, one after the other, each in a process of its own, so that
a machine that slows down meanwhile slows both. The table has the medians of all rounds; a ratio
above 1 says that diptych is faster. Figures are only as good as the machine is idle.
"""

import json
import pathlib
import statistics
import time

import sidebyside as both


class Transfusion:
  """The network, its coder, and the contexts that it is told."""

  def __init__(self, folder, dtype):
    import torch
    from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler
    from diffusers.models.embeddings import TimestepEmbedding, Timesteps
    from safetensors.torch import load_file
    from tokenizers import Tokenizer
    from transformers import LlamaConfig, LlamaForCausalLM
    from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

    folder = pathlib.Path(folder)
    c = self.config = json.loads((folder / "config.json").read_text())
    self.generation = json.loads((folder / "generation_config.json").read_text())
    llama = LlamaConfig(
        vocab_size=c["vocab_size"], hidden_size=c["hidden_size"],
        intermediate_size=c["intermediate_size"], num_hidden_layers=c["num_hidden_layers"],
        num_attention_heads=c["num_attention_heads"],
        num_key_value_heads=c["num_key_value_heads"], head_dim=c["head_dim"],
        max_position_embeddings=c["max_position_embeddings"], rms_norm_eps=c["rms_norm_eps"],
        rope_theta=c["rope_theta"], tie_word_embeddings=c["tie_word_embeddings"],
        bos_token_id=c["bos_token_id"], eos_token_id=c["eos_token_id"],
        pad_token_id=c["pad_token_id"])
    patch, channels, hidden = c["patch_size"], c["latent_channels"], c["hidden_size"]
    numbers, side = channels * patch * patch, c["latent_size"] // patch
    weights = {k: v.to(dtype) for k, v in load_file(folder / "model.safetensors").items()}
    with torch.device("meta"):
      self.model = LlamaForCausalLM(llama)
      parts = torch.nn.ModuleDict({
          "time_embed": TimestepEmbedding(c["time_frequencies"], hidden),
          "patch_in": torch.nn.ModuleDict({
              "proj": torch.nn.Linear(numbers, hidden),
              "position_embedding": torch.nn.Embedding(side * side, hidden)}),
          "patch_out": torch.nn.ModuleDict({"proj": torch.nn.Linear(hidden, numbers)})})
    own = tuple(name + "." for name in parts)
    parts.load_state_dict(
        {k: v for k, v in weights.items() if k.startswith(own)}, assign=True)
    self.model.load_state_dict(
        {k: v for k, v in weights.items() if not k.startswith(own)}, assign=True)
    # not among the weights, so nothing has put it where they are
    self.model.model.rotary_emb = LlamaRotaryEmbedding(llama)
    self.model.eval()
    self.time_embed = parts["time_embed"]
    self.patch_in, self.patch_out = parts["patch_in"], parts["patch_out"]
    self.frequencies = Timesteps(c["time_frequencies"], flip_sin_to_cos=True,
                                 downscale_freq_shift=0)
    # diptych's coder is float32 whatever the transformer computes in
    self.vae = AutoencoderKL.from_pretrained(
        folder / "vae", torch_dtype=torch.float32, low_cpu_mem_usage=False).eval()
    self.scheduler = FlowMatchEulerDiscreteScheduler.from_pretrained(folder / "scheduler")
    self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    self.dtype = dtype
    self.shape = (channels, c["latent_size"], c["latent_size"])
    self.side = c["latent_size"] * 2 ** (len(self.vae.config.block_out_channels) - 1)

  def words(self, text):
    return self.tokenizer.encode(text, add_special_tokens=False).ids

  def patches(self, latents, t):
    # latents: [N, C, Y, X] float32 -> [N, P, D]
    import torch

    n, c, y, x = latents.shape
    p = self.config["patch_size"]
    z = latents.to(self.dtype).reshape(n, c, y // p, p, x // p, p)
    z = z.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)
    told = self.time_embed(self.frequencies(torch.full([n], float(t))).to(self.dtype))
    return self.patch_in["proj"](z) + told[:, None] + self.patch_in["position_embedding"].weight

  def latents(self, rows):
    # rows: [N, P, D] -> [N, C, Y, X] float32
    c, y, x = self.shape
    p = self.config["patch_size"]
    h = self.patch_out["proj"](rows).reshape(len(rows), y // p, x // p, c, p, p)
    return h.permute(0, 3, 1, 4, 2, 5).reshape(len(rows), c, y, x).float()

  def encode(self, image):
    import numpy
    import torch

    pixels = torch.from_numpy(numpy.asarray(image).copy()).permute(2, 0, 1)[None].float()
    z = self.vae.encode(pixels / 127.5 - 1).latent_dist.mode()
    return (z - (self.vae.config.shift_factor or 0)) * self.vae.config.scaling_factor

  def decode(self, latents):
    z = latents / self.vae.config.scaling_factor + (self.vae.config.shift_factor or 0)
    return ((self.vae.decode(z).sample + 1) * 127.5).round().clamp(0, 255).byte()

  def read(self, contexts, pictures=1):
    """Reads contexts of ids and latents [1, C, Y, X]; a row for every picture of every context.

    Gives the last hidden states [G, D], the cache, and how many rows of padding each row has.
    """
    import torch
    from transformers import DynamicCache

    embeddings, inside = [], []
    for context in contexts:
      rows, marks = [], []
      for at, part in enumerate(context):
        if isinstance(part, torch.Tensor):
          rows.append(self.patches(part, 0)[0])
          marks.append(torch.full([len(rows[-1])], at))
        else:
          rows.append(self.model.model.embed_tokens(torch.tensor([part])))
          marks.append(torch.tensor([-1]))
      embeddings.append(torch.cat(rows))
      inside.append(torch.cat(marks))
    length = max(len(e) for e in embeddings)
    before = torch.tensor([length - len(e) for e in embeddings])
    h = torch.stack([torch.nn.functional.pad(e, (0, 0, length - len(e), 0)) for e in embeddings])
    marks = torch.stack(
        [torch.nn.functional.pad(m, (length - len(m), 0), value=-1) for m in inside])
    at = torch.arange(length)
    seen = (at[None, :, None] >= at[None, None]) | (
        (marks[:, :, None] == marks[:, None]) & (marks[:, :, None] >= 0))
    # a row of padding sees itself, so that its numbers stay finite
    seen &= (at[None, None] >= before[:, None, None]) | (at[None, :, None] == at[None, None])
    cache = DynamicCache()
    out = self.model.model(
        inputs_embeds=h, attention_mask=self.mask(seen), past_key_values=cache, use_cache=True,
        position_ids=(at[None] - before[:, None]).clamp_min(0))
    if pictures > 1:
      cache.batch_repeat_interleave(pictures)
      before = before.repeat_interleave(pictures)
    return out.last_hidden_state[:, -1], cache, before

  def mask(self, seen):
    import torch

    none = torch.zeros(seen.shape, dtype=self.dtype)
    return none.masked_fill(~seen, torch.finfo(self.dtype).min)[:, None]

  def draw(self, steps, contexts, pictures, scale=5.0):
    """[N, C, Y, X] latents; rows of the same picture lie next to each other."""
    import torch

    _, cache, before = self.read(contexts, pictures)
    length = cache.get_seq_length()
    count = len(self.patch_in["position_embedding"].weight)
    at = torch.arange(length + count)
    seen = (at[None, None] >= before[:, None, None]).expand(-1, count, -1)
    mask = self.mask(seen)
    positions = at[None, length:] - before[:, None]
    x = torch.randn(pictures, *self.shape)
    self.scheduler.set_timesteps(self.generation["num_inference_steps"])
    for t in self.scheduler.timesteps:
      h = self.patches(x, t).repeat(len(contexts), 1, 1)
      out = self.model.model(
          inputs_embeds=h, attention_mask=mask, position_ids=positions, past_key_values=cache,
          use_cache=True)
      cache.crop(-count)
      said = self.latents(out.last_hidden_state).split(pictures)
      velocity = said[-1] + scale * (said[0] - said[-1])
      x = self.scheduler.step(velocity, t, x).prev_sample
      steps.done()
    return x

  def say(self, steps, context, tokens):
    """Greedy words."""
    import torch

    hidden, cache, _ = self.read([context])
    for i in range(tokens):
      word = self.model.lm_head(hidden).argmax(-1)
      steps.done()
      if i + 1 < tokens:
        hidden = self.model.model(
            input_ids=word[None], past_key_values=cache, use_cache=True).last_hidden_state[:, -1]


def figures(args):
  import torch
  # what the model imports is not a part of its load
  import transformers.models.llama.modeling_llama  # noqa: F401
  from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler  # noqa: F401

  if args.threads:
    torch.set_num_threads(args.threads)
  torch.set_grad_enabled(False)
  found = [("threads", torch.get_num_threads(), "")]
  begin = time.perf_counter()
  model = Transfusion(args.model, getattr(torch, args.dtype))
  load = 1e3 * (time.perf_counter() - begin)
  found.append(("load", load, "ms"))
  c = model.config
  bos, sep = [c["bos_token_id"]], [c["sep_token_id"]]
  boi, eoi = [c["boi_token_id"]], [c["eoi_token_id"]]
  image = both.gradient(model.side)

  def shown():
    return boi + [model.encode(image)] + eoi

  def caption(tokens, words):
    with both.Steps() as steps:
      model.say(steps, bos + shown() + model.words(words) + sep, tokens)
    return steps

  found.append(both.first_answer(load, lambda: caption(1, both.QUESTION)))

  def measure(name, contexts, pictures, brief=False):
    def draw(most):
      latents = None
      with both.Steps(most=most) as steps:
        latents = model.draw(steps, contexts(), pictures)
      return steps, latents

    draw(min(8, args.steps or 8))
    first, each, decoding, whole = [], [], [], []
    for _ in range(args.rounds):
      steps, latents = draw(args.steps)
      first.append(steps.first())
      each += steps.steps()
      if latents is not None:
        begin = time.perf_counter()
        for one in latents.split(1):
          model.decode(one)
        end = time.perf_counter()
        decoding.append(1e3 * (end - begin) / pictures)
        whole.append(1e3 * (end - steps.begin))
    if brief:
      found.append((f"{name} step, median", statistics.median(each), "ms"))
    else:
      found.extend(both.drawing_figures(name, first, each, pictures, of="step"))
    found.extend(both.whole_figure(name, whole))
    if decoding and not brief:
      found.append(("picture decoding (VAE)", statistics.median(decoding), "ms"))

  drawn = model.words(both.PROMPT)
  found.append(("drawing, pictures at once", args.pictures, ""))
  told = lambda: [bos + drawn + sep + boi, bos + sep + boi]
  measure("drawing", told, args.pictures)

  def behind_a_picture():
    seen = shown()
    return [bos + seen + drawn + sep + boi, bos + seen + sep + boi]

  measure("drawing behind a picture", behind_a_picture, args.pictures)
  if args.together:
    measure(f"drawing of {args.together} pictures", told, args.together, brief=True)

  encoding = both.timed(args.rounds, lambda: model.encode(image))
  found.append((f"picture encoding, {model.side}x{model.side}", encoding, "ms"))
  caption(2, both.QUESTION)
  first, each, again = [], [], []
  for _ in range(args.rounds):
    steps = caption(args.tokens, both.QUESTION)
    first.append(steps.first())
    each.append((steps.times[-1] - steps.times[0]) * 1e3 / (len(steps.times) - 1))
    again.append(caption(2, both.SECOND).first())
  token = statistics.median(each)
  found += [
      (f"caption of {model.side}x{model.side}, first token", statistics.median(first), "ms"),
      ("caption, a token", token, "ms"),
      ("caption, tokens", 1e3 / token, "tokens/s"),
      ("second question, first token", statistics.median(again), "ms"),
      both.peak()]
  return found


if __name__ == "__main__":
  both.main(__file__, __doc__, figures)
