package dev.diptych.examples.cli;

import dev.diptych.core.Cancellation;
import dev.diptych.core.DeviceChoice;
import dev.diptych.core.GenerationCancelledException;
import dev.diptych.core.GenerationListener;
import dev.diptych.core.GenerationOptions;
import dev.diptych.core.GenerationRequest;
import dev.diptych.core.GenerationResult;
import dev.diptych.core.Modality;
import dev.diptych.core.Output;
import dev.diptych.core.UnifiedModel;
import dev.diptych.core.engine.LibTorch;
import dev.diptych.core.engine.MemoryBandwidth;
import dev.diptych.core.weights.CheckpointSummary;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;

/** Times drawings and captions through the public API, as a user would see them. */
final class Benchmark {
  // Several times the last-level cache of a server.
  private static final long STREAM_BYTES = 1L << 30;
  private static final String DRAWING = "drawing";
  private static final String EDITING = "drawing behind a picture";
  // The beginning of the text and the one of the picture.
  private static final int EMPTY = 2;
  private static final String PROMPT = "a large red circle above a small blue square";

  private final UnifiedModel model;
  // A step of denoising computes with all patches at once: no codes, and not bound by what it reads.
  private final boolean denoises;
  private final CheckpointSummary.Step step;
  private final CaptionBenchmark asked;
  private final Cancellation cancellation;
  private final Consumer<String> note;
  private final List<Figure> figures = new ArrayList<>();

  /** One measured number. */
  record Figure(String name, double value, String unit) {
    /** {@return the smallest that a share of all do not exceed, NaN without any} */
    static double percentile(List<Double> values, double p) {
      List<Double> sorted = values.stream().sorted().toList();
      return sorted.isEmpty() ? Double.NaN : sorted.get((int) Math.ceil(p * (sorted.size() - 1)));
    }
  }

  /**
   * What is measured.
   *
   * @param steps most steps of a drawing; 0 is the whole picture
   * @param tokens most tokens of a caption
   * @param rounds how often
   * @param pictures pictures in one drawing
   * @param together pictures of one more drawing; 0 leaves it out
   * @param remembers whether the model keeps pictures that were asked about
   */
  record Plan(
      int steps,
      int tokens,
      int rounds,
      int pictures,
      int together,
      boolean remembers,
      DeviceChoice device) {
    Plan with(int pictures) {
      return new Plan(steps, tokens, rounds, pictures, together, remembers, device);
    }
  }

  Benchmark(
      UnifiedModel model,
      CheckpointSummary summary,
      Cancellation cancellation,
      Consumer<String> note) {
    this.model = model;
    this.denoises = model.defaults(Output.IMAGE).inferenceSteps().isPresent();
    this.step = summary.step().orElseThrow();
    this.cancellation = cancellation;
    this.note = note;
    this.asked = new CaptionBenchmark(model, step, side(summary.sizes()), cancellation, note, figures);
  }

  /** {@return pixels of a side of the picture that is read, so that no resizing is timed} */
  private static int side(Map<String, String> sizes) {
    for (String name : List.of("image.target_size", "image.resolution", "vision.image_size")) {
      if (sizes.containsKey(name)) {
        return Integer.parseInt(sizes.get(name));
      }
    }
    return 384;
  }

  /** Measures everything. */
  List<Figure> run(Plan plan, double loadMillis) {
    add("threads", LibTorch.threads(), "");
    add("load", loadMillis, "ms");
    asked.first(loadMillis);
    int words = promptTokens(false);
    draw(plan, DRAWING, new Prompt(words, 0));
    if (drawsBehindPictures()) {
      draw(plan, EDITING, new Prompt(words, promptTokens(true) - words));
    }
    if (plan.together() > 0) {
      together(plan);
    }
    asked.run(plan);
    add("peak resident memory", peakMegabytes(), "MB");
    // Last, so that its own tensor is not in the peak.
    note.accept("measuring the memory's bandwidth");
    double bandwidth = MemoryBandwidth.measure(plan.device(), STREAM_BYTES) / 1e9;
    add("memory bandwidth, float32 sum", bandwidth, "GB/s");
    for (String name : List.of(DRAWING, EDITING, "caption")) {
      share(name + " step, read", name + " step, share of bandwidth", bandwidth);
    }
    return figures;
  }

  private boolean drawsBehindPictures() {
    return model.capabilities().routes().stream()
        .anyMatch(r -> r.output() == Output.IMAGE && r.reads().contains(Modality.IMAGE));
  }

  /**
   * How long a prompt is.
   *
   * @param words tokens without its picture
   * @param picture tokens of its picture, 0 if it has none
   */
  private record Prompt(int words, int picture) {}

  /** Tells the length of a prompt by asking for one word behind it. */
  private int promptTokens(boolean picture) {
    GenerationRequest.Builder request = GenerationRequest.builder();
    if (picture) {
      request.image(asked.gradient(0));
    }
    GenerationOptions options =
        GenerationOptions.builder().maxTokens(1).greedy(true).seed(1).build();
    return model
        .generate(
            request
                .text(PROMPT)
                .options(options.orElse(model.defaults(Output.TEXT)))
                .cancellation(cancellation)
                .build())
        .promptTokenIds()
        .size();
  }

  private void draw(Plan plan, String name, Prompt prompt) {
    note.accept(name);
    draw(plan, prompt, plan.steps() == 0 ? 8 : Math.min(8, plan.steps()));
    List<Double> steps = new ArrayList<>();
    List<Double> first = new ArrayList<>();
    List<Double> decoding = new ArrayList<>();
    List<Double> whole = new ArrayList<>();
    double calls = 0;
    for (int i = 0; i < plan.rounds(); i++) {
      Drawing drawing = draw(plan, prompt, plan.steps());
      steps.addAll(drawing.steps());
      first.add(drawing.firstMillis);
      calls = drawing.callsOfAStep();
      if (drawing.result != null) {
        decoding.add(drawing.result.timings().imageDecoding().toNanos() / 1e6 / plan.pictures());
      }
      if (plan.steps() == 0) {
        whole.add(drawing.wholeMillis);
      }
    }
    double median = Figure.percentile(steps, 0.5);
    if (name.equals(DRAWING)) {
      add(name + ", pictures at once", plan.pictures(), "");
    }
    add(name + (denoises ? ", first step" : ", first code"), Figure.percentile(first, 0.5), "ms");
    add(name + " step, median", median, "ms");
    add(name + " step, 95th percentile", Figure.percentile(steps, 0.95), "ms");
    add(name + " step, native calls", calls, "");
    if (!whole.isEmpty()) {
      add(name + ", from prompt to pixels", Figure.percentile(whole, 0.5), "ms");
    }
    if (!decoding.isEmpty()) {
      String decoder = denoises ? "picture decoding (VAE)" : "picture decoding (VQ)";
      add(decoder, Figure.percentile(decoding, 0.5), "ms");
    }
    if (denoises) {
      return;
    }
    int[] rows = rows(prompt);
    add(name + ", rows of a picture", rows.length, "");
    add(name + ", codes of all pictures", 1000 * plan.pictures() / median, "codes/s");
    double drawn = steps.size() / (2.0 * plan.rounds());
    double cached = plan.pictures() * Arrays.stream(rows).mapToDouble(r -> r + drawn).sum();
    add(name + " step, read", asked.gigabytes(step.drawing(), cached) / (median / 1e3), "GB/s");
  }

  /** Several pictures of one prompt beside one: their steps, and all of it where it is drawn. */
  private void together(Plan plan) {
    String name = "drawing of " + plan.together() + " pictures";
    note.accept(name);
    Prompt prompt = new Prompt(0, 0);
    Plan many = plan.with(plan.together());
    draw(many, prompt, plan.steps() == 0 ? 8 : Math.min(8, plan.steps()));
    List<Double> steps = new ArrayList<>();
    List<Double> whole = new ArrayList<>();
    for (int i = 0; i < plan.rounds(); i++) {
      Drawing drawing = draw(many, prompt, plan.steps());
      steps.addAll(drawing.steps());
      if (plan.steps() == 0) {
        whole.add(drawing.wholeMillis);
      }
    }
    add(name + " step, median", Figure.percentile(steps, 0.5), "ms");
    if (!whole.isEmpty()) {
      add(name + ", from prompt to pixels", Figure.percentile(whole, 0.5), "ms");
    }
  }

  /** {@return positions of every row of a picture before its first code} */
  private int[] rows(Prompt prompt) {
    int full = prompt.words + prompt.picture;
    return switch (step.contexts()) {
      case EQUAL -> new int[] {full, full};
      case FULL_AND_EMPTY -> new int[] {full, EMPTY};
      case FULL_PICTURES_AND_EMPTY ->
          prompt.picture == 0
              ? new int[] {full, EMPTY}
              : new int[] {full, prompt.picture + EMPTY, EMPTY};
    };
  }

  /** One drawing with the times of its steps. */
  private static final class Drawing implements GenerationListener {
    private final long begin = System.nanoTime();
    private final List<Long> times = new ArrayList<>();
    private final int most;
    private final Cancellation own;
    private double firstMillis;
    private double wholeMillis;
    private long firstCalls;
    private long calls;
    private GenerationResult result;

    Drawing(int most, Cancellation own) {
      this.most = most;
      this.own = own;
    }

    @Override
    public void onImageProgress(int done, int total) {
      times.add(System.nanoTime());
      calls = LibTorch.calls();
      if (done == 1) {
        firstCalls = calls;
        firstMillis = (times.get(0) - begin) / 1e6;
      }
      if (most > 0 && done > most) {
        own.cancel();
      }
    }

    double callsOfAStep() {
      return (calls - firstCalls) / (times.size() - 1.0);
    }

    List<Double> steps() {
      List<Double> steps = new ArrayList<>();
      for (int i = 1; i < times.size(); i++) {
        steps.add((times.get(i) - times.get(i - 1)) / 1e6);
      }
      return steps;
    }
  }

  private Drawing draw(Plan plan, Prompt prompt, int most) {
    Cancellation own = most > 0 ? new Cancellation() : cancellation;
    Drawing drawing = new Drawing(most, own);
    GenerationOptions.Builder options =
        GenerationOptions.builder().pictures(plan.pictures()).guidanceScale(5).seed(1);
    GenerationRequest.Builder request = GenerationRequest.builder();
    if (prompt.picture > 0) {
      request.image(asked.gradient(0));
    }
    Set<Modality> reads =
        prompt.picture > 0 ? EnumSet.allOf(Modality.class) : EnumSet.of(Modality.TEXT);
    GenerationOptions defaults = model.defaults(reads, Output.IMAGE);
    if (defaults.think().isPresent()) {
      // Words before the picture are not steps of it.
      options.think(false);
    }
    try {
      drawing.result =
          model.generate(
              request
                  .text(PROMPT)
                  .output(Output.IMAGE)
                  .options(options.build().orElse(defaults))
                  .listener(drawing)
                  .cancellation(own)
                  .build());
      drawing.wholeMillis = (System.nanoTime() - drawing.begin) / 1e6;
    } catch (GenerationCancelledException e) {
      if (cancellation.cancelled()) {
        throw e;
      }
    }
    if (cancellation.cancelled()) {
      throw new GenerationCancelledException("The measurement was cancelled");
    }
    return drawing;
  }

  private void share(String read, String name, double bandwidth) {
    figures.stream()
        .filter(f -> f.name().equals(read))
        .findFirst()
        .ifPresent(f -> add(name, 100 * f.value() / bandwidth, "%"));
  }

  private void add(String name, double value, String unit) {
    figures.add(new Figure(name, value, unit));
  }

  /** The kernel's own record, so short peaks count too; elsewhere the heap alone is known. */
  private static double peakMegabytes() {
    try {
      for (String line :
          Files.readAllLines(Path.of("/proc/self/status"), StandardCharsets.ISO_8859_1)) {
        if (line.startsWith("VmHWM:")) {
          return Long.parseLong(line.replaceAll("[^0-9]", "")) * 1024 / 1e6;
        }
      }
    } catch (IOException e) {
      // No Linux.
    }
    return Runtime.getRuntime().totalMemory() / 1e6;
  }
}
