package dev.diptych.examples.cli;

import dev.diptych.core.Cancellation;
import dev.diptych.core.FinishReason;
import dev.diptych.core.GenerationOptions;
import dev.diptych.core.GenerationRequest;
import dev.diptych.core.GenerationResult;
import dev.diptych.core.Image;
import dev.diptych.core.Output;
import dev.diptych.core.Session;
import dev.diptych.core.UnifiedModel;
import dev.diptych.core.engine.LibTorch;
import dev.diptych.core.weights.CheckpointSummary;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;

/** Times questions about pictures. */
final class CaptionBenchmark {
  private static final String SECOND = "How many shapes are in it?";

  private final UnifiedModel model;
  private final CheckpointSummary.Step step;
  private final int side;
  private final Cancellation cancellation;
  private final Consumer<String> note;
  private final List<Benchmark.Figure> figures;
  // No two questions begin with the same picture, where one may be remembered.
  private int shown = 1;

  /**
   * Prepares.
   *
   * @param side pixels of a side of the picture
   * @param figures to which those of this are added
   */
  CaptionBenchmark(
      UnifiedModel model,
      CheckpointSummary.Step step,
      int side,
      Cancellation cancellation,
      Consumer<String> note,
      List<Benchmark.Figure> figures) {
    this.model = model;
    this.step = step;
    this.side = side;
    this.cancellation = cancellation;
    this.note = note;
    this.figures = figures;
  }

  /** The first answer of all, nothing warm: what somebody waits for who loads a model to ask. */
  void first(double loadMillis) {
    note.accept("the first answer");
    GenerationResult result = caption(1);
    add("load and first token of a caption", loadMillis + first(result), "ms");
  }

  /** Everything else about captions. */
  void run(Benchmark.Plan plan) {
    note.accept("captioning");
    caption(2);
    List<Double> encoding = new ArrayList<>();
    List<Double> first = new ArrayList<>();
    List<Double> each = new ArrayList<>();
    List<Double> second = new ArrayList<>();
    double cached = 0;
    for (int i = 0; i < plan.rounds(); i++) {
      try (Session session = model.newSession()) {
        GenerationResult result = session.generate(question(gradient(shown++), plan.tokens()));
        encoding.add(result.timings().imageEncoding().toNanos() / 1e6);
        first.add(first(result));
        int more = result.tokenIds().size() - 1;
        if (more > 0) {
          each.add(result.timings().tokens().toNanos() / 1e6 / more);
        }
        if (result.finishReason() == FinishReason.STOP) {
          note.accept("the caption ended after " + (more + 1) + " tokens");
        }
        cached = result.promptTokenIds().size() + more / 2.0;
        second.add(first(session.generate(request(1).text(SECOND).build())));
      }
    }
    String picture = side + "x" + side;
    add("picture encoding, " + picture, Benchmark.Figure.percentile(encoding, 0.5), "ms");
    add(
        "caption of " + picture + ", first token",
        Benchmark.Figure.percentile(first, 0.5),
        "ms");
    if (!each.isEmpty()) {
      double median = Benchmark.Figure.percentile(each, 0.5);
      add("caption, a token", median, "ms");
      add("caption, tokens", 1000 / median, "tokens/s");
      add("caption step, read", gigabytes(step.text(), cached) / (median / 1e3), "GB/s");
      calls(plan);
    }
    add("second question, first token", Benchmark.Figure.percentile(second, 0.5), "ms");
    if (plan.remembers()) {
      remembered(plan);
    }
  }

  /** Native calls of every token behind the first: two captions, one of them longer. */
  private void calls(Benchmark.Plan plan) {
    long begin = LibTorch.calls();
    int few = caption(1).tokenIds().size();
    long middle = LibTorch.calls();
    int many = caption(plan.tokens()).tokenIds().size();
    long more = (LibTorch.calls() - middle) - (middle - begin);
    if (many > few) {
      add("caption step, native calls", more / (double) (many - few), "");
    }
  }

  /** The same picture, another question, another conversation. */
  private void remembered(Benchmark.Plan plan) {
    List<Double> again = new ArrayList<>();
    for (int i = 0; i < plan.rounds(); i++) {
      Image picture = gradient(shown++);
      model.generate(question(picture, 1));
      again.add(
          first(model.generate(request(1).image(picture).text(SECOND).build())));
    }
    add(
        "second question, another session, first token",
        Benchmark.Figure.percentile(again, 0.5),
        "ms");
  }

  private GenerationResult caption(int tokens) {
    return model.generate(question(gradient(shown++), tokens));
  }

  private GenerationRequest question(Image picture, int tokens) {
    return request(tokens).image(picture).text(model.captionQuestion()).build();
  }

  private GenerationRequest.Builder request(int tokens) {
    GenerationOptions options =
        GenerationOptions.builder()
            .maxTokens(tokens)
            .greedy(true)
            .repetitionPenalty(1)
            .seed(1)
            .build();
    return GenerationRequest.builder()
        .options(options.orElse(model.defaults(Output.TEXT)))
        .cancellation(cancellation);
  }

  private static double first(GenerationResult result) {
    return result.timings().firstToken().toNanos() / 1e6;
  }

  /**
   * {@return a picture of colours that run from left to right}
   *
   * @param which so many lines from the top are black
   */
  Image gradient(int which) {
    byte[] rgb = new byte[3 * side * side];
    for (int i = 3 * side * Math.min(which, side); i < rgb.length; i++) {
      rgb[i] = (byte) (i / 3 % side * (i % 3 + 1) / 3);
    }
    return Image.of(side, side, rgb);
  }

  /** {@return what a step reads} */
  double gigabytes(long weights, double positions) {
    double weight =
        switch (model.dtype()) {
          // the few tensors that stay in bfloat16, or in 8 bits, are left out of account
          case INT8 -> 1;
          case INT4 -> 0.5 + 4 / 64.0;
          default -> model.dtype().bytes();
        };
    return (weight * weights + model.dtype().bytes() * step.cache() * positions) / 1e9;
  }

  private void add(String name, double value, String unit) {
    figures.add(new Benchmark.Figure(name, value, unit));
  }
}
