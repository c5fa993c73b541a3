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

import statistics
import time

import sidebyside as both


def figures(args):
  import torch
  from transformers import JanusForConditionalGeneration, JanusProcessor

  if args.threads:
    torch.set_num_threads(args.threads)
  torch.set_grad_enabled(False)
  found = [("threads", torch.get_num_threads(), "")]
  begin = time.perf_counter()
  dtype = getattr(torch, args.dtype)
  model = JanusForConditionalGeneration.from_pretrained(args.model, dtype=dtype).eval()
  processor = JanusProcessor.from_pretrained(args.model)
  load = 1e3 * (time.perf_counter() - begin)
  found.append(("load", load, "ms"))
  side = model.config.vision_config.image_size

  def chat(content):
    messages = [{"role": "user", "content": content}]
    return processor.apply_chat_template(messages, add_generation_prompt=True)

  drawing = processor(
      text=[chat([{"type": "text", "text": both.PROMPT}])], generation_mode="image",
      return_tensors="pt")

  def question(words):
    return processor(
        text=[chat([{"type": "image"}, {"type": "text", "text": words}])],
        images=both.gradient(side), return_tensors="pt").to(dtype)

  asked = question(both.QUESTION)
  found.append(both.first_answer(
      load, lambda: model.generate(**asked, do_sample=False, max_new_tokens=1)))

  def draw(most, pictures=args.pictures):
    with both.Steps(model.model.generation_head, most) as steps:
      codes = model.generate(
          **drawing, generation_mode="image", do_sample=True, guidance_scale=5,
          num_return_sequences=pictures)
      return steps, codes
    return steps, None

  def measure(pictures):
    """Times of the first code, of every step, of the decoder, and of whole drawings."""
    first, each, decoding, whole = [], [], [], []
    for _ in range(args.rounds):
      steps, codes = draw(args.steps, pictures)
      first.append(steps.first())
      each += steps.steps()
      if codes is not None:
        begin = time.perf_counter()
        for one in codes.split(1):
          model.decode_image_tokens(one)
        end = time.perf_counter()
        decoding.append(1e3 * (end - begin) / len(codes))
        whole.append(1e3 * (end - steps.begin))
    return first, each, decoding, whole

  draw(min(8, args.steps or 8))
  first, each, decoding, whole = measure(args.pictures)
  found.append(("drawing, pictures at once", args.pictures, ""))
  found += both.drawing_figures("drawing", first, each, args.pictures)
  found += both.whole_figure("drawing", whole)
  if args.together:
    name = f"drawing of {args.together} pictures"
    draw(min(8, args.steps or 8), args.together)
    _, each, _, whole = measure(args.together)
    found.append((f"{name} step, median", statistics.median(each), "ms"))
    found += both.whole_figure(name, whole)

  found += both.caption_figures(
      model, asked, question(both.SECOND), side, args.tokens, args.rounds)
  found.append(both.peak())

  if decoding:
    found.append(("picture decoding (VQ)", statistics.median(decoding), "ms"))
    if dtype != torch.float32:
      # diptych decodes in float32 whatever the transformer computes in
      model.model.vqmodel.float()
      codes = draw(0, 1)[1]
      in_float32 = both.timed(args.rounds, lambda: model.decode_image_tokens(codes))
      found.append(("picture decoding (VQ), float32", in_float32, "ms"))
  return found


if __name__ == "__main__":
  both.main(__file__, __doc__, figures)
