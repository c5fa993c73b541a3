package dev.diptych.examples.world;

import dev.diptych.core.GenerationOptions;
import dev.diptych.core.GenerationRequest;
import dev.diptych.core.Image;
import dev.diptych.core.Output;
import dev.diptych.core.UnifiedModel;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.IntConsumer;

/**
 * Measures a model of the picture world: it captions pictures that it never saw, and draws them from
 * words; {@link SceneReader} judges the drawings from their pixels.
 */
public final class DemoEvaluation {
  /**
   * The outcome.
   *
   * @param scenes how many were tried
   * @param captionsRight captions that say the scene exactly, in either order of the relation
   * @param drawingsRight drawings with the right shapes, colours, sizes and relation
   * @param mistakes one line for every caption and drawing that is not right
   */
  public record Score(int scenes, int captionsRight, int drawingsRight, List<String> mistakes) {
    /** The right captions as a share in [0, 1]. */
    public double captions() {
      return (double) captionsRight / scenes;
    }

    /** The right drawings as a share in [0, 1]. */
    public double drawings() {
      return (double) drawingsRight / scenes;
    }
  }

  private DemoEvaluation() {}

  /**
   * Captions and draws every scene, with the model's defaults; drawing {@code i} has seed {@code i}.
   *
   * @param scenes at least one
   * @param progress is told how many scenes are done
   */
  public static Score evaluate(UnifiedModel model, List<Scene> scenes, IntConsumer progress) {
    if (scenes.isEmpty()) {
      throw new IllegalArgumentException("Cannot measure a model on no scene");
    }
    int captions = 0;
    int drawings = 0;
    List<String> mistakes = new ArrayList<>();
    for (int i = 0; i < scenes.size(); i++) {
      Scene scene = scenes.get(i);
      String caption = model.caption(SceneRenderer.render(scene));
      Optional<Scene> said = SceneWords.parse(caption);
      if (said.map(scene::says).orElse(false)) {
        captions++;
      } else {
        mistakes.add("caption of " + scene.caption() + ": " + caption);
      }

      SceneReader.Reading drawn = SceneReader.read(draw(model, scene.caption(), i));
      if (drawn.scene().map(scene::says).orElse(false)) {
        drawings++;
      } else {
        mistakes.add(
            "drawing of "
                + scene.caption()
                + ": "
                + drawn.scene().map(Scene::caption).orElse("unreadable, " + drawn.reason()));
      }
      progress.accept(i + 1);
    }
    return new Score(scenes.size(), captions, drawings, List.copyOf(mistakes));
  }

  private static Image draw(UnifiedModel model, String prompt, long seed) {
    GenerationOptions options = GenerationOptions.builder().seed(seed).build();
    return model
        .generate(
            GenerationRequest.builder()
                .text(prompt)
                .output(Output.IMAGE)
                .options(options)
                .build())
        .images()
        .get(0);
  }
}
