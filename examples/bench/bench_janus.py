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
  found.append(("load", 1e3 * (time.perf_counter() - begin), "ms"))

  def chat(content):
    messages = [{"role": "user", "content": content}]
    return processor.apply_chat_template(messages, add_generation_prompt=True)

  drawing = processor(
      text=[chat([{"type": "text", "text": both.PROMPT}])], generation_mode="image",
      return_tensors="pt")

  def draw(most):
    with both.Steps(model.model.generation_head, most) as steps:
      codes = model.generate(
          **drawing, generation_mode="image", do_sample=True, guidance_scale=5,
          num_return_sequences=args.pictures)
      return steps, codes
    return steps, None

  draw(8)
  first, each, decoding = [], [], []
  for _ in range(args.rounds):
    steps, codes = draw(args.steps)
    first.append(steps.first())
    each += steps.steps()
    if codes is not None:
      begin = time.perf_counter()
      model.decode_image_tokens(codes[:1])
      decoding.append(1e3 * (time.perf_counter() - begin))
  found.append(("drawing, pictures at once", args.pictures, ""))
  found += both.drawing_figures("drawing", first, each, args.pictures)

  asked = processor(
      text=[chat([{"type": "image"}, {"type": "text", "text": both.QUESTION}])],
      images=both.gradient(384), return_tensors="pt").to(dtype)
  found += both.caption_figures(model, asked, 384, args.tokens, args.rounds)
  found.append(both.peak())

  if decoding:
    found.append(("picture decoding (VQ)", statistics.median(decoding), "ms"))
    if dtype != torch.float32:
      # diptych decodes in float32 whatever the transformer computes in
      model.model.vqmodel.float()
      in_float32 = both.timed(args.rounds, lambda: model.decode_image_tokens(codes[:1]))
      found.append(("picture decoding (VQ), float32", in_float32, "ms"))
  return found


if __name__ == "__main__":
  both.main(__file__, __doc__, figures)
