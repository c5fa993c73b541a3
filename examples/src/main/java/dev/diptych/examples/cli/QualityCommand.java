package dev.diptych.examples.cli;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import dev.diptych.core.DType;
import dev.diptych.core.GenerationOptions;
import dev.diptych.core.GenerationRequest;
import dev.diptych.core.Image;
import dev.diptych.core.Modality;
import dev.diptych.core.Output;
import dev.diptych.core.Probe;
import dev.diptych.core.UnifiedModel;
import dev.diptych.examples.world.PictureWorld;
import dev.diptych.examples.world.Scene;
import dev.diptych.examples.world.SceneRenderer;
import dev.diptych.tokenizers.ImageFile;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.function.Function;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/**
 * Measures what a narrower number format does to a model's numbers. The reference answers first and
 * what it computed is kept; then every other format is loaded by itself and led along the same
 * answers, so that no two models are in memory at once.
 */
@Command(
    name = "quality",
    description = {
      "Measure what narrower number formats do to a model: captions and drawings of the reference,"
          + " greedy, are gone through again in every format, word by word, code by code and step by"
          + " step.",
      "Of words and image codes: Kullback-Leibler divergence from the reference in nats, and how often"
          + " the likeliest is the same. Of steps of denoising: the error of what the model says of the"
          + " noise, as a share of its length. Guidance is the model's own."
    },
    mixinStandardHelpOptions = true,
    sortOptions = false)
final class QualityCommand implements Callable<Integer> {
  private final Console console;

  @Spec CommandSpec spec;

  @Option(
      names = "--narrow",
      paramLabel = "DTYPE",
      split = ",",
      defaultValue = "int8,int4",
      converter = ModelOptions.DTypeConverter.class,
      description =
          "Formats that are measured (default: ${DEFAULT-VALUE}); --dtype is the reference's.")
  List<DType> narrow;

  @Option(
      names = "--scenes",
      paramLabel = "N",
      defaultValue = "8",
      description =
          "Scenes of coloured shapes to caption and to draw, 0 or more (default: ${DEFAULT-VALUE}).")
  int scenes;

  @Option(
      names = "--seed",
      paramLabel = "N",
      defaultValue = "101",
      description = "Seed of the scenes and the noise (default: ${DEFAULT-VALUE}).")
  long seed;

  @Option(
      names = "--image",
      paramLabel = "FILE",
      description = "A picture to caption in place of the scenes' (may be repeated).")
  List<Path> images = List.of();

  @Option(
      names = "--prompt",
      paramLabel = "TEXT",
      description = "What to draw in place of the scenes (may be repeated).")
  List<String> prompts = List.of();

  @Option(
      names = "--tokens",
      paramLabel = "N",
      defaultValue = "64",
      description = "Most words of a caption (default: ${DEFAULT-VALUE}).")
  int tokens;

  @Option(
      names = "--steps",
      paramLabel = "N",
      description = "Stop a drawing after N codes or steps (default: draw whole pictures).")
  int steps;

  @Mixin ModelOptions model;
  @Mixin ReportOptions report;

  /** One thing that is asked of every format, and how the reference went through it. */
  private record Question(GenerationRequest request, Trace trace) {}

  QualityCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() {
    if (scenes < 0 || tokens < 1 || steps < 0 || narrow.isEmpty()) {
      throw new ParameterException(
          spec.commandLine(),
          "expected --scenes and --steps of at least 0, --tokens of at least 1, and a format");
    }
    Map<DType, Divergence> found = new LinkedHashMap<>();
    DType reference;
    try (Interrupt interrupt = new Interrupt()) {
      List<Question> questions = new ArrayList<>();
      report.note(console, "the reference");
      try (UnifiedModel loaded = model.load(model.dtype)) {
        reference = loaded.dtype();
        questions(loaded, interrupt).forEach(r -> questions.add(new Question(r, new Trace())));
        if (questions.isEmpty()) {
          throw new ParameterException(
              spec.commandLine(), "there is nothing to ask: expected --scenes, --image or --prompt");
        }
        go(loaded, questions, q -> q.trace.recorder(steps));
      }
      for (DType dtype : narrow) {
        report.note(console, name(dtype));
        Divergence divergence = new Divergence();
        try (UnifiedModel loaded = model.load(dtype)) {
          go(loaded, questions, q -> q.trace.follower(divergence));
          found.put(loaded.dtype(), divergence);
        }
      }
    }
    if (report.json) {
      print(reference, found);
    } else {
      tell(reference, found);
    }
    return 0;
  }

  /** Captions first, then drawings; only what the model can do. */
  private List<GenerationRequest> questions(UnifiedModel loaded, Interrupt interrupt) {
    List<Scene> all = PictureWorld.scenes(seed, scenes, true);
    List<Image> shown =
        images.isEmpty()
            ? all.stream().map(SceneRenderer::render).toList()
            : images.stream().map(ImageFile::read).toList();
    List<String> drawn = prompts.isEmpty() ? all.stream().map(Scene::caption).toList() : prompts;
    List<GenerationRequest> requests = new ArrayList<>();
    if (loaded.capabilities().supports(EnumSet.allOf(Modality.class), Output.TEXT)) {
      for (Image image : shown) {
        requests.add(
            GenerationRequest.builder()
                .image(image)
                .text(loaded.captionQuestion())
                .options(GenerationOptions.builder().maxTokens(tokens).seed(seed).build())
                .cancellation(interrupt.cancellation())
                .build());
      }
    }
    if (loaded.capabilities().supports(Set.of(Modality.TEXT), Output.IMAGE)) {
      for (int i = 0; i < drawn.size(); i++) {
        requests.add(
            GenerationRequest.builder()
                .text(drawn.get(i))
                .output(Output.IMAGE)
                .options(GenerationOptions.builder().seed(seed + i).build())
                .cancellation(interrupt.cancellation())
                .build());
      }
    }
    return requests;
  }

  private void go(UnifiedModel loaded, List<Question> questions, Function<Question, Probe> probe) {
    boolean shown = console.errIsTerminal() && !report.quiet && !report.json;
    try (Progress progress = new Progress(console, shown, "answers", " done")) {
      for (int i = 0; i < questions.size(); i++) {
        GenerationRequest r = questions.get(i).request;
        GenerationRequest.Builder led =
            GenerationRequest.builder()
                .output(r.output())
                .options(r.options())
                .cancellation(r.cancellation())
                .probe(probe.apply(questions.get(i)));
        r.parts().forEach(led::part);
        try {
          loaded.generate(led.build());
        } catch (Trace.Enough e) {
          // As was asked for.
        }
        progress.to(i + 1, questions.size());
      }
    }
  }

  private void tell(DType reference, Map<DType, Divergence> found) {
    String head = "%-10s %-12s %8s %12s %12s %12s %14s%n";
    console.out().printf(head, name(reference), "", "places", "mean", "99 %", "most", "same choice");
    found.forEach(
        (dtype, divergence) -> {
          line(dtype, "words, nats", divergence.choices(Modality.TEXT));
          line(dtype, "codes, nats", divergence.choices(Modality.IMAGE));
          line(dtype, "steps, share", divergence.steps());
        });
  }

  private void line(DType dtype, String of, Divergence.Figures f) {
    if (f != null) {
      String same =
          Double.isNaN(f.sameChoice())
              ? ""
              : String.format(Locale.ROOT, "%.1f %%", 100 * f.sameChoice());
      console
          .out()
          .printf(
              Locale.ROOT,
              "%-10s %-12s %8d %12.3g %12.3g %12.3g %14s%n",
              name(dtype),
              of,
              f.places(),
              f.mean(),
              f.most99(),
              f.most(),
              same);
    }
  }

  private void print(DType reference, Map<DType, Divergence> found) {
    JsonArray figures = new JsonArray();
    found.forEach(
        (dtype, divergence) -> {
          add(figures, dtype, "words", "nats", divergence.choices(Modality.TEXT));
          add(figures, dtype, "codes", "nats", divergence.choices(Modality.IMAGE));
          add(figures, dtype, "steps", "share", divergence.steps());
        });
    JsonObject json = new JsonObject();
    json.addProperty("command", "bench quality");
    json.addProperty("model", model.folder().toString());
    json.addProperty("reference", name(reference));
    json.add("figures", figures);
    Report.print(console, json);
  }

  private static void add(
      JsonArray figures, DType dtype, String of, String unit, Divergence.Figures f) {
    if (f != null) {
      JsonObject one = new JsonObject();
      one.addProperty("dtype", name(dtype));
      one.addProperty("of", of);
      one.addProperty("unit", unit);
      one.addProperty("places", f.places());
      one.addProperty("mean", f.mean());
      one.addProperty("most99", f.most99());
      one.addProperty("most", f.most());
      if (!Double.isNaN(f.sameChoice())) {
        one.addProperty("sameChoice", f.sameChoice());
      }
      figures.add(one);
    }
  }

  private static String name(DType dtype) {
    return dtype.name().toLowerCase(Locale.ROOT);
  }
}
