"""What the programs in this folder share: clocks, the table, two programs in turns."""

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
SECOND = "How many shapes are in it?"


class Stopped(Exception):
  """Ends a drawing after as many steps as were asked for."""


class Steps:
  """The times at which steps were done: forward calls of a module, or calls of done()."""

  def __init__(self, module=None, most=0):
    self.times = []
    self.most = most
    self.hook = module.register_forward_hook(self.done) if module else None

  def done(self, *_):
    self.times.append(time.perf_counter())
    if self.most and len(self.times) > self.most:
      raise Stopped

  def __enter__(self):
    self.begin = time.perf_counter()
    return self

  def __exit__(self, kind, *_):
    if self.hook:
      self.hook.remove()
    return kind is Stopped

  def first(self):
    return 1e3 * (self.times[0] - self.begin)

  def steps(self):
    return [1e3 * (b - a) for a, b in zip(self.times, self.times[1:])]


def gradient(side):
  """The picture that `diptych bench` asks about."""
  import numpy
  from PIL import Image

  x = numpy.arange(side)[None, :, None] * numpy.array([1, 2, 3])[None, None, :] // 3
  return Image.fromarray(numpy.broadcast_to(x, (side, side, 3)).astype(numpy.uint8))


def drawing_figures(name, first, steps, pictures, of="code"):
  median = statistics.median(steps)
  found = [
      (f"{name}, first {of}", statistics.median(first), "ms"),
      (f"{name} step, median", median, "ms"),
      (f"{name} step, 95th percentile", sorted(steps)[int(0.95 * (len(steps) - 1))], "ms"),
  ]
  if of == "code":
    found.append((f"{name}, codes of all pictures", 1e3 * pictures / median, "codes/s"))
  return found


def whole_figure(name, times):
  """Prompt to pixels; nothing where drawings were stopped early."""
  return [(f"{name}, from prompt to pixels", statistics.median(times), "ms")] if times else []


def first_answer(load, answer):
  """Load and the first token of the first caption, nothing warm; `answer` takes one token."""
  begin = time.perf_counter()
  answer()
  return ("load and first token of a caption", load + 1e3 * (time.perf_counter() - begin), "ms")


def caption_figures(model, asked, second, side, tokens, rounds):
  """Greedy answers; a step is a call of the output head. The second question is a request like the
  first, as these programs keep nothing of a picture between two calls of generate."""

  def caption(tokens, asked=asked):
    with Steps(model.lm_head) as steps:
      model.generate(**asked, do_sample=False, max_new_tokens=tokens, min_new_tokens=tokens)
    return steps

  caption(2)
  first, each, again = [], [], []
  for _ in range(rounds):
    again.append(caption(2, second).first())
    steps = caption(tokens)
    first.append(steps.first())
    each.append(1e3 * (steps.times[-1] - steps.times[0]) / (len(steps.times) - 1))
  token = statistics.median(each)
  return [
      (f"caption of {side}x{side}, first token", statistics.median(first), "ms"),
      ("caption, a token", token, "ms"),
      ("caption, tokens", 1e3 / token, "tokens/s"),
      ("second question, first token", statistics.median(again), "ms"),
  ]


def timed(rounds, run):
  """The median time of so many calls, after one that is not counted."""
  times = []
  for _ in range(rounds + 1):
    begin = time.perf_counter()
    run()
    times.append(1e3 * (time.perf_counter() - begin))
  return statistics.median(times[1:])


def peak():
  megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
  return ("peak resident memory", megabytes, "MB")


def child(command):
  out = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.decode()
  return {f["name"]: (f["value"], f["unit"]) for f in json.loads(out)["figures"]}


def compare(args, program):
  shared = ["--tokens", str(args.tokens), "--steps", str(args.steps),
            "--pictures", str(args.pictures), "--together", str(args.together)]
  bench = shlex.split(args.vs) + ["bench", "--model", args.model, "--json", "--quiet"] + shared
  theirs = [sys.executable, program, args.model, "--json", "--dtype", args.dtype] + shared
  if args.threads:
    theirs += ["--threads", str(args.threads)]
  programs = {"diptych": bench + ["--dtype", args.dtype], "transformers": theirs}
  for options in args.also:
    dtype = [] if "--dtype" in options else ["--dtype", args.dtype]
    programs[options] = bench + dtype + shlex.split(options)
  runs = {name: [] for name in programs}
  for i in range(args.rounds):
    print(f"round {i + 1} of {args.rounds}", file=sys.stderr)
    # who is first changes, so that neither always meets the warmer machine
    order = list(programs)
    for name in order if i % 2 == 0 else reversed(order):
      runs[name].append(child(programs[name]))

  def median(name, figure):
    values = [run[figure][0] for run in runs[name] if figure in run]
    return statistics.median(values) if values else None

  more = "".join(f" {options.split()[-1]:>12}" for options in args.also)
  print(f"{'':52} {'diptych':>12} {'transformers':>13} {'ratio':>7}{more}")
  names = list(runs["diptych"][0]) + [n for n in runs["transformers"][0] if n not in
                                      runs["diptych"][0]]
  for name in names:
    a, b = median("diptych", name), median("transformers", name)
    unit = next(run[name][1] for run in runs["diptych"] + runs["transformers"] if name in run)
    ratio = ""
    if a and b and unit:
      ratio = f"{a / b if unit.endswith('/s') else b / a:7.2f}"
    shown = [f"{v:12.2f}" if v is not None else f"{'':12}" for v in (a, b)]
    others = [median(options, name) for options in args.also]
    more = "".join(f" {v:12.2f}" if v is not None else f" {'':12}" for v in others)
    print(f"{name:52} {shown[0]} {shown[1]:>13} {ratio:>7}{more} {unit}")


def main(program, doc, figures):
  """Runs `figures(args)`, or both programs in turns."""
  parser = argparse.ArgumentParser(description=doc.splitlines()[0])
  parser.add_argument("model", help="folder of a checkpoint in the HF-native layout")
  parser.add_argument("--dtype", default="bfloat16", choices=["float32", "bfloat16"])
  parser.add_argument("--rounds", type=int, default=1)
  parser.add_argument("--steps", type=int, default=0, help="stop a drawing early; 0 draws it all")
  parser.add_argument("--tokens", type=int, default=32)
  parser.add_argument("--pictures", type=int, default=1)
  parser.add_argument("--together", type=int, default=0, help="draw so many at once as well")
  parser.add_argument("--threads", type=int, default=0, help="0 leaves it to torch")
  parser.add_argument("--json", action="store_true")
  parser.add_argument("--vs", metavar="COMMAND", help="how diptych is run, to compare")
  parser.add_argument("--also", metavar="OPTIONS", action="append", default=[],
                      help="with --vs, run diptych with these options of its bench as well, such as"
                           " '--dtype int8'; may be repeated")
  args = parser.parse_args()
  if args.vs:
    compare(args, program)
    return
  found = figures(args)
  if args.json:
    print(json.dumps({"command": "bench", "model": args.model, "figures": [
        {"name": n, "value": round(v, 3), "unit": u} for n, v, u in found]}))
  else:
    for name, value, unit in found:
      print(f"{name:52} {value:12.2f} {unit}")
