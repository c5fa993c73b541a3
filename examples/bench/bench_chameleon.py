"""Times Chameleon in transformers, figure by figure as `diptych bench` does, and compares the two.

Run by hand; nothing of the build needs it. Written for Python 3.11, torch 2.13, transformers 5.18,
pillow and numpy.

  java -jar examples/target/diptych.jar bench make --shape chameleon-7b DIR
  python examples/bench/bench_chameleon.py DIR --steps 12
  python examples/bench/bench_chameleon.py DIR --steps 12 --rounds 3 \
      --vs "java -jar examples/target/diptych.jar"

transformers does not draw with Chameleon: its forward call forbids the codes, and it has no
decoder. So the drawing is written here from the model's own modules, as the authors' program does
it (facebookresearch/chameleon@dbbe47f, chameleon/inference/chameleon.py): the contexts that
guidance compares are read one by one and continue as the rows of one batch, padded on the left, in
a DynamicCache; guidance, temperature 0.7 and top-p 0.9 choose the code. A step calls the whole
output head, as the model does; the figure "codes' rows of the head" calls those alone, as diptych
does. Contexts that are equal are one row on both sides. There is nothing to compare the VQ decoder
with.

With --vs each round runs both programs, one after the other, each in a process of its own, so that
a machine that slows down meanwhile slows both. The table has the medians of all rounds; a ratio
above 1 says that diptych is faster. Figures are only as good as the machine is idle.
"""

import time

import sidebyside as both

TEXT_SCALE, IMAGE_SCALE, TEMPERATURE, TOP_P = 3.0, 1.2, 0.7, 0.9


class Drawer:
  """Draws the codes of pictures behind contexts of any lengths."""

  def __init__(self, model, length):
    self.model = model
    self.ids = model.model.vocabulary_mapping.image_tokens
    self.count = len(self.ids)
    self.length = length

  def head(self, hidden, own_rows):
    # hidden: [B, D] -> [B, E] float32
    import torch

    weight = self.model.lm_head.weight
    if own_rows:
      begin = self.ids[0]
      logits = torch.nn.functional.linear(hidden, weight[begin:begin + self.count])
    else:
      logits = self.model.lm_head(hidden)[:, self.ids]
    return logits.float()

  def choose(self, logits, pictures):
    # logits: [G * N, E], full context before image-only before empty -> [N] codes
    import torch

    parts = logits.split(pictures)
    full, none = parts[0], parts[-1]
    images = parts[1] if len(parts) == 3 else none
    logits = none + IMAGE_SCALE * (images - none) + TEXT_SCALE * (full - images)
    ordered, order = (logits / TEMPERATURE).softmax(-1).sort(descending=True)
    ordered[ordered.cumsum(-1) - ordered > TOP_P] = 0
    return order.gather(1, torch.multinomial(ordered, 1)).squeeze(1)

  def read(self, contexts, pictures):
    """Reads every context by itself; gives the rows' last hidden states, their cache and mask."""
    import torch
    from torch.nn.functional import pad
    from transformers import DynamicCache

    length = max(len(c) for c in contexts)
    caches, hidden = [], []
    for context in contexts:
      cache = DynamicCache()
      out = self.model.model(
          input_ids=torch.tensor([context]), past_key_values=cache, use_cache=True)
      hidden.append(out.last_hidden_state[:, -1].repeat(pictures, 1))
      caches.append(cache)
    rows = DynamicCache()

    def rows_of(tensors):
      missing = [length - t.shape[2] for t in tensors]
      return torch.cat(
          [pad(t, (0, 0, n, 0)).repeat(pictures, 1, 1, 1) for t, n in zip(tensors, missing)])

    for i in range(len(self.model.model.layers)):
      rows.update(
          rows_of([c.layers[i].keys for c in caches]),
          rows_of([c.layers[i].values for c in caches]), i)
    mask = torch.zeros(len(contexts) * pictures, length, dtype=torch.long)
    for g, context in enumerate(contexts):
      mask[g * pictures:(g + 1) * pictures, length - len(context):] = 1
    return torch.cat(hidden), rows, mask

  def draw(self, steps, contexts, pictures, own_rows=False):
    import torch

    hidden, cache, mask = self.read(contexts, pictures)
    codes = []
    positions = mask.sum(1, keepdim=True)
    ids = torch.tensor(self.ids)
    one = torch.ones(len(mask), 1, dtype=torch.long)
    while True:
      codes.append(self.choose(self.head(hidden, own_rows), pictures))
      steps.done()
      if len(codes) == self.length:
        return torch.stack(codes, 1)
      mask = torch.cat([mask, one], 1)
      out = self.model.model(
          input_ids=ids[codes[-1]].repeat(len(contexts)).unsqueeze(1), attention_mask=mask,
          position_ids=positions, past_key_values=cache, use_cache=True)
      hidden = out.last_hidden_state[:, -1]
      positions = positions + 1


def figures(args):
  import statistics

  import torch
  from transformers import ChameleonForConditionalGeneration, ChameleonProcessor
  from transformers.utils import logging

  logging.set_verbosity_error()  # the decoder's tensors are unexpected to it
  if args.threads:
    torch.set_num_threads(args.threads)
  torch.set_grad_enabled(False)
  found = [("threads", torch.get_num_threads(), "")]
  begin = time.perf_counter()
  dtype = getattr(torch, args.dtype)
  model = ChameleonForConditionalGeneration.from_pretrained(args.model, dtype=dtype).eval()
  processor = ChameleonProcessor.from_pretrained(args.model)
  load = 1e3 * (time.perf_counter() - begin)
  found.append(("load", load, "ms"))

  names = model.config.vocabulary_map
  opened = names["<racm3:break>"]
  side = model.config.vq_config.resolution
  image = both.gradient(side)

  def encode(kind):
    pixels = processor.image_processor(image, return_tensors="pt")["pixel_values"]
    return model.get_image_tokens(pixels.to(kind))

  def picture():
    return [opened] + encode(dtype)[0].tolist() + [names["<eoss>"]]

  words = processor(text=both.PROMPT, return_tensors="pt")["input_ids"][0].tolist()
  bos = words[:1]
  empty = bos + [opened]
  drawer = Drawer(model, processor.image_seq_length)

  def question(text):
    return processor(text="<image>" + text, images=image, return_tensors="pt").to(dtype)

  asked = question(both.QUESTION)
  found.append(both.first_answer(
      load, lambda: model.generate(**asked, do_sample=False, max_new_tokens=1)))

  def measure(name, contexts):
    def draw(most, own_rows=False, pictures=args.pictures):
      with both.Steps(most=most) as steps:
        drawer.draw(steps, contexts(), pictures, own_rows)
      return steps

    draw(min(8, args.steps or 8))
    runs = [draw(args.steps) for _ in range(args.rounds)]
    each = [ms for run in runs for ms in run.steps()]
    found.append((f"{name}, rows of a picture", len(contexts()), ""))
    found.extend(
        both.drawing_figures(name, [run.first() for run in runs], each, args.pictures))
    own = draw(args.steps or 24, own_rows=True).steps()
    found.append((f"{name} step, codes' rows of the head", statistics.median(own), "ms"))
    if args.together and name == "drawing":
      each = [ms for _ in range(args.rounds)
              for ms in draw(args.steps, pictures=args.together).steps()]
      found.append((f"drawing of {args.together} pictures step, median",
                    statistics.median(each), "ms"))

  found.append(("drawing, pictures at once", args.pictures, ""))
  measure("drawing", lambda: [words + [opened], empty])

  def behind_a_picture():
    shown = picture()
    return [bos + shown + words[1:] + [opened], bos + shown + [opened], empty]

  measure("drawing behind a picture", behind_a_picture)

  encoding = both.timed(args.rounds, lambda: encode(dtype))
  found.append((f"picture encoding, {side}x{side}", encoding, "ms"))
  found += both.caption_figures(
      model, asked, question(both.SECOND), side, args.tokens, args.rounds)
  found.append(both.peak())
  if dtype != torch.float32:
    # diptych encodes in float32 whatever the transformer computes in
    model.model.vqmodel.float()
    encoding = both.timed(args.rounds, lambda: encode(torch.float32))
    found.append((f"picture encoding, {side}x{side}, float32", encoding, "ms"))
  return found


if __name__ == "__main__":
  both.main(__file__, __doc__, figures)
