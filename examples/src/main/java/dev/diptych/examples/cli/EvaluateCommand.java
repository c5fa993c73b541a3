package dev.diptych.examples.cli;

import com.google.gson.JsonObject;
import dev.diptych.core.UnifiedModel;
import dev.diptych.examples.Demo;
import dev.diptych.examples.world.DemoEvaluation;
import dev.diptych.examples.world.PictureWorld;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Measures a demo model, or another of the picture world. */
@Command(
    name = "evaluate",
    description =
        "Caption and draw scenes that the demo never saw, tell their stories and edit them where the"
            + " model can, and count what is right.",
    mixinStandardHelpOptions = true,
    sortOptions = false)
final class EvaluateCommand implements Callable<Integer> {
  private final Console console;

  @Spec CommandSpec spec;

  @Option(
      names = "--scenes",
      paramLabel = "N",
      defaultValue = "500",
      description = "How many scenes, stories and edits, 1 or more (default: ${DEFAULT-VALUE}).")
  int scenes;

  @Option(
      names = "--seed",
      paramLabel = "N",
      defaultValue = "101",
      description = "Seed of the scenes (default: ${DEFAULT-VALUE}).")
  long seed;

  @Option(names = "--seen", description = "Scenes of the kind that was trained on, instead.")
  boolean seen;

  @Option(names = "--mistakes", description = "List what was not right.")
  boolean mistakes;

  @Mixin ModelOptions model;
  @Mixin ReportOptions report;

  EvaluateCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() {
    if (scenes < 1) {
      throw new ParameterException(
          spec.commandLine(), "--scenes takes 1 or more, found " + scenes);
    }
    DemoEvaluation.Questions questions =
        new DemoEvaluation.Questions(
            PictureWorld.scenes(seed, scenes, !seen),
            PictureWorld.stories(seed, model.taught(Demo.Skill.TELL) ? scenes : 0, !seen),
            PictureWorld.edits(seed, model.taught(Demo.Skill.EDIT) ? scenes : 0, !seen));
    long begin = System.nanoTime();
    DemoEvaluation.Score score;
    boolean shown = console.errIsTerminal() && !report.quiet && !report.json;
    try (UnifiedModel loaded = model.load();
        Progress progress = new Progress(console, shown, "scenes", " done")) {
      score = DemoEvaluation.evaluate(loaded, questions, progress::to);
    }
    long millis = (System.nanoTime() - begin) / 1_000_000;
    if (report.json) {
      JsonObject json = new JsonObject();
      json.addProperty("command", "evaluate");
      json.addProperty("scenes", score.scenes());
      json.addProperty("heldOut", !seen);
      json.addProperty("seed", seed);
      json.addProperty("captionsRight", score.captionsRight());
      json.addProperty("drawingsRight", score.drawingsRight());
      if (score.stories() > 0) {
        json.addProperty("stories", score.stories());
        json.addProperty("storiesRight", score.storiesRight());
      }
      if (score.edits() > 0) {
        json.addProperty("edits", score.edits());
        json.addProperty("editsRight", score.editsRight());
      }
      json.addProperty("totalMs", millis);
      Report.print(console, json);
      return 0;
    }
    StringBuilder line = new StringBuilder();
    line.append(score.scenes()).append(seen ? " trained" : " held-out").append(" scenes:");
    line.append(share(" captions", score.captions()));
    line.append(share(", drawings", score.drawings()));
    if (score.stories() > 0) {
      line.append(share(", stories", score.storiesShare()));
    }
    if (score.edits() > 0) {
      line.append(share(", edits", score.editsShare()));
    }
    console.out().println(line);
    if (mistakes) {
      score.mistakes().forEach(console.out()::println);
    }
    report.note(console, millis + " ms");
    return 0;
  }

  private static String share(String what, double share) {
    return String.format(Locale.ROOT, "%s right %.1f %%", what, 100 * share);
  }
}
