"""Times Janus in transformers, figure by figure as `diptych bench` does, and compares the two.

Run by hand; nothing of the build needs it. Written for Python 3.11, torch 2.13, transformers 5.18,
pillow and numpy.

  java -jar examples/target/diptych.jar bench make --shape janus-pro-1b DIR
  python examples/bench/bench_janus.py DIR
  python examples/bench/bench_janus.py DIR --rounds 3 --vs "java -jar examples/target/diptych.jar"

With --vs each round runs both programs, one after the other, each in a process of its own, so that
a machine that slows down meanwhile slows both. The table has the medians of all rounds; a ratio
above 1 says that diptych is faster. Figures are only as good as the machine is idle.
"""

import argparse
import json
import resource
import shlex
import statistics
import subprocess
import sys
import time

PROMPT = "a large red circle above a small blue square"
QUESTION = "Describe the picture."


class Stopped(Exception):
  """Ends a drawing after as many steps as were asked for."""


class Steps:
  """The times at which a module has finished its forward calls."""

  def __init__(self, module, most=0):
    self.times = []
    self.most = most
    self.hook = module.register_forward_hook(self.done)

  def done(self, *_):
    self.times.append(time.perf_counter())
    if self.most and len(self.times) > self.most:
      raise Stopped

  def __enter__(self):
    self.begin = time.perf_counter()
    return self

  def __exit__(self, kind, *_):
    self.hook.remove()
    return kind is Stopped

  def first(self):
    return 1e3 * (self.times[0] - self.begin)

  def steps(self):
    return [1e3 * (b - a) for a, b in zip(self.times, self.times[1:])]


def figures(args):
  import numpy
  import torch
  from PIL import Image
  from transformers import JanusForConditionalGeneration, JanusProcessor

  if args.threads:
    torch.set_num_threads(args.threads)
  torch.set_grad_enabled(False)
  found = [("threads", torch.get_num_threads(), "")]
  begin = time.perf_counter()
  dtype = getattr(torch, args.dtype)
  model = JanusForConditionalGeneration.from_pretrained(args.model, dtype=dtype).eval()
  processor = JanusProcessor.from_pretrained(args.model)
  found.append(("load", 1e3 * (time.perf_counter() - begin), "ms"))

  def chat(content):
    messages = [{"role": "user", "content": content}]
    return processor.apply_chat_template(messages, add_generation_prompt=True)

  drawing = processor(
      text=[chat([{"type": "text", "text": PROMPT}])], generation_mode="image", return_tensors="pt")

  def draw(most):
    with Steps(model.model.generation_head, most) as steps:
      codes = model.generate(
          **drawing, generation_mode="image", do_sample=True, guidance_scale=5,
          num_return_sequences=args.pictures)
      return steps, codes
    return steps, None

  draw(8)
  first, each, decoding, decoding32 = [], [], [], []
  for _ in range(args.rounds):
    steps, codes = draw(args.steps)
    first.append(steps.first())
    each += steps.steps()
    if codes is not None:
      begin = time.perf_counter()
      model.decode_image_tokens(codes[:1])
      decoding.append(1e3 * (time.perf_counter() - begin))
  median = statistics.median(each)
  found += [
      ("drawing, pictures at once", args.pictures, ""),
      ("drawing, first code", statistics.median(first), "ms"),
      ("drawing step, median", median, "ms"),
      ("drawing step, 95th percentile", sorted(each)[int(0.95 * (len(each) - 1))], "ms"),
      ("drawing, codes of all pictures", 1e3 * args.pictures / median, "codes/s"),
  ]

  x = numpy.arange(384)[None, :, None] * numpy.array([1, 2, 3])[None, None, :] // 3
  pixels = numpy.broadcast_to(x, (384, 384, 3)).astype(numpy.uint8)
  asked = processor(
      text=[chat([{"type": "image"}, {"type": "text", "text": QUESTION}])],
      images=Image.fromarray(pixels), return_tensors="pt").to(dtype)

  def caption(tokens):
    with Steps(model.lm_head) as steps:
      model.generate(**asked, do_sample=False, max_new_tokens=tokens, min_new_tokens=tokens)
    return steps

  caption(2)
  first, per_token = [], []
  for _ in range(args.rounds):
    steps = caption(args.tokens)
    first.append(steps.first())
    per_token.append(1e3 * (steps.times[-1] - steps.times[0]) / (len(steps.times) - 1))
  token = statistics.median(per_token)
  found += [
      ("caption of 384x384, first token", statistics.median(first), "ms"),
      ("caption, a token", token, "ms"),
      ("caption, tokens", 1e3 / token, "tokens/s"),
  ]
  peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
  found.append(("peak resident memory", peak, "MB"))

  if decoding:
    found.append(("picture decoding (VQ)", statistics.median(decoding), "ms"))
    if dtype != torch.float32:
      # diptych decodes in float32 whatever the transformer computes in
      model.model.vqmodel.float()
      for _ in range(args.rounds + 1):
        begin = time.perf_counter()
        model.decode_image_tokens(codes[:1])
        decoding32.append(1e3 * (time.perf_counter() - begin))
      found.append(("picture decoding (VQ), float32", statistics.median(decoding32[1:]), "ms"))
  return found


def child(command):
  out = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.decode()
  return {f["name"]: (f["value"], f["unit"]) for f in json.loads(out)["figures"]}


def compare(args):
  shared = ["--dtype", args.dtype, "--tokens", str(args.tokens), "--steps", str(args.steps),
            "--pictures", str(args.pictures)]
  ours = shlex.split(args.vs) + ["bench", "--model", args.model, "--json", "--quiet"] + shared
  theirs = [sys.executable, __file__, args.model, "--json"] + shared
  if args.threads:
    theirs += ["--threads", str(args.threads)]
  runs = {"diptych": [], "transformers": []}
  for i in range(args.rounds):
    print(f"round {i + 1} of {args.rounds}", file=sys.stderr)
    # who is first changes, so that neither always meets the warmer machine
    order = [("diptych", ours), ("transformers", theirs)]
    for name, command in order if i % 2 == 0 else reversed(order):
      runs[name].append(child(command))

  def median(name, figure):
    values = [run[figure][0] for run in runs[name] if figure in run]
    return statistics.median(values) if values else None

  print(f"{'':44} {'diptych':>12} {'transformers':>13} {'ratio':>7}")
  names = list(runs["diptych"][0]) + [n for n in runs["transformers"][0] if n not in
                                      runs["diptych"][0]]
  for name in names:
    a, b = median("diptych", name), median("transformers", name)
    unit = next(run[name][1] for run in runs["diptych"] + runs["transformers"] if name in run)
    ratio = ""
    if a and b and unit:
      ratio = f"{a / b if unit.endswith('/s') else b / a:7.2f}"
    shown = [f"{v:12.2f}" if v is not None else f"{'':12}" for v in (a, b)]
    print(f"{name:44} {shown[0]} {shown[1]:>13} {ratio:>7} {unit}")


def main():
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument("model", help="folder of a checkpoint in the HF-native layout")
  parser.add_argument("--dtype", default="bfloat16", choices=["float32", "bfloat16"])
  parser.add_argument("--rounds", type=int, default=1)
  parser.add_argument("--steps", type=int, default=0, help="stop a drawing early; 0 draws it all")
  parser.add_argument("--tokens", type=int, default=32)
  parser.add_argument("--pictures", type=int, default=1)
  parser.add_argument("--threads", type=int, default=0, help="0 leaves it to torch")
  parser.add_argument("--json", action="store_true")
  parser.add_argument("--vs", metavar="COMMAND", help="how diptych is run, to compare")
  args = parser.parse_args()
  if args.vs:
    compare(args)
    return
  found = figures(args)
  if args.json:
    print(json.dumps({"command": "bench", "model": args.model, "figures": [
        {"name": n, "value": round(v, 3), "unit": u} for n, v, u in found]}))
  else:
    for name, value, unit in found:
      print(f"{name:44} {value:12.2f} {unit}")


if __name__ == "__main__":
  main()
