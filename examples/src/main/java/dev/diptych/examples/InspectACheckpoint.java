package dev.diptych.examples;

import dev.diptych.core.weights.CheckpointSummary;
import dev.diptych.models.Diptych;
import java.nio.file.Path;

/**
 * Says what a checkpoint is and what it needs, without loading it.
 *
 * <p>Argument: a checkpoint's folder.
 */
public final class InspectACheckpoint {
  private InspectACheckpoint() {}

  /** Runs the recipe. */
  public static void main(String[] args) {
    Path folder = args.length > 0 ? Path.of(args[0]) : DemoModel.folder();
    // region recipe
    CheckpointSummary summary = Diptych.inspect(folder);

    System.out.println(summary.family() + " " + summary.layout().orElse("(not run)"));
    System.out.println(summary.tensors() + " tensors, " + summary.parameters() + " parameters");
    summary.parts().forEach(p -> System.out.println("  " + p.name() + " " + p.parameters()));
    summary
        .memory()
        .ifPresent(m -> System.out.println(m.weightsBfloat16() + " bytes of weights in bfloat16"));
    summary.fit().ifPresent(f -> System.out.println(f.fits() ? "it fits" : f.missing().keySet()));
    // endregion
  }
}
