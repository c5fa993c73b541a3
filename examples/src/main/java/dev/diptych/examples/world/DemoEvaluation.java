package dev.diptych.examples.world;

import dev.diptych.core.GenerationOptions;
import dev.diptych.core.GenerationRequest;
import dev.diptych.core.GenerationResult;
import dev.diptych.core.Image;
import dev.diptych.core.Modality;
import dev.diptych.core.Output;
import dev.diptych.core.Part;
import dev.diptych.core.UnifiedModel;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * Measures a model of the picture world: it captions pictures that it never saw, draws them from
 * words, and tells stories of them in words and pictures and edits them where it can; {@link
 * SceneReader} judges the pictures from their pixels.
 */
public final class DemoEvaluation {
  /**
   * What is asked.
   *
   * @param scenes to caption and to draw, at least one
   * @param stories to tell, any number; a model that does not mix words and pictures is not asked
   * @param edits to make, any number; a model that does not draw from pictures is not asked
   */
  public record Questions(List<Scene> scenes, List<Story> stories, List<Edit> edits) {
    /** Copies the lists. */
    public Questions {
      scenes = List.copyOf(scenes);
      stories = List.copyOf(stories);
      edits = List.copyOf(edits);
      if (scenes.isEmpty()) {
        throw new IllegalArgumentException("Cannot measure a model on no scene");
      }
    }
  }

  /**
   * The outcome.
   *
   * @param scenes how many were tried
   * @param captionsRight captions that say the scene exactly, in either order of the relation
   * @param drawingsRight drawings with the right shapes, colours, sizes and relation
   * @param stories how many were tried; 0 for a model that does not mix words and pictures
   * @param storiesRight stories told in the words asked for, each picture in its place and right; a
   *     line may go on with what its picture shows, if it does show it
   * @param edits how many were tried; 0 for a model that does not draw from pictures
   * @param editsRight edits after which the picture shows what the instruction asked for
   * @param mistakes one line for everything that is not right
   */
  public record Score(
      int scenes,
      int captionsRight,
      int drawingsRight,
      int stories,
      int storiesRight,
      int edits,
      int editsRight,
      List<String> mistakes) {
    /** The right captions as a share in [0, 1]. */
    public double captions() {
      return (double) captionsRight / scenes;
    }

    /** The right drawings as a share in [0, 1]. */
    public double drawings() {
      return (double) drawingsRight / scenes;
    }

    /** The right stories as a share in [0, 1]; NaN when none was tried. */
    public double storiesShare() {
      return (double) storiesRight / stories;
    }

    /** The right edits as a share in [0, 1]; NaN when none was tried. */
    public double editsShare() {
      return (double) editsRight / edits;
    }
  }

  /** Is told how far a measurement is. */
  @FunctionalInterface
  public interface Progress {
    /** So many of so many scenes, stories and edits are done. */
    void to(int done, int total);
  }

  private final UnifiedModel model;
  private final List<String> mistakes = new ArrayList<>();

  private DemoEvaluation(UnifiedModel model) {
    this.model = model;
  }

  /**
   * Captions and draws every scene, tells every story and makes every edit, with the model's
   * defaults; drawing, story and edit {@code i} have seed {@code i}.
   */
  public static Score evaluate(UnifiedModel model, Questions questions, Progress progress) {
    Set<Modality> words = Set.of(Modality.TEXT);
    Set<Modality> both = Set.of(Modality.TEXT, Modality.IMAGE);
    boolean tells = model.capabilities().supports(words, Output.INTERLEAVED);
    boolean makes = model.capabilities().supports(both, Output.IMAGE);
    List<Scene> scenes = questions.scenes();
    List<Story> stories = tells ? questions.stories() : List.of();
    List<Edit> edits = makes ? questions.edits() : List.of();
    int total = scenes.size() + stories.size() + edits.size();
    DemoEvaluation evaluation = new DemoEvaluation(model);
    int done = 0;
    int captionsRight = 0;
    int drawingsRight = 0;
    for (int i = 0; i < scenes.size(); i++) {
      captionsRight += evaluation.captions(scenes.get(i)) ? 1 : 0;
      drawingsRight += evaluation.draws(scenes.get(i), i) ? 1 : 0;
      progress.to(++done, total);
    }
    int storiesRight = 0;
    for (int i = 0; i < stories.size(); i++) {
      storiesRight += evaluation.tells(stories.get(i), i) ? 1 : 0;
      progress.to(++done, total);
    }
    int editsRight = 0;
    for (int i = 0; i < edits.size(); i++) {
      editsRight += evaluation.makes(edits.get(i), i) ? 1 : 0;
      progress.to(++done, total);
    }
    return new Score(
        scenes.size(),
        captionsRight,
        drawingsRight,
        stories.size(),
        storiesRight,
        edits.size(),
        editsRight,
        List.copyOf(evaluation.mistakes));
  }

  private boolean captions(Scene scene) {
    String caption = model.caption(SceneRenderer.render(scene));
    Optional<Scene> said = SceneWords.parse(caption);
    return said.map(scene::says).orElse(false)
        || mistake("caption of " + scene.caption() + ": " + caption);
  }

  private boolean draws(Scene scene, long seed) {
    Image image = answer(scene.caption(), List.of(), Output.IMAGE, seed).images().get(0);
    return shows(image, scene)
        || mistake("drawing of " + scene.caption() + ": " + described(image));
  }

  private boolean tells(Story story, long seed) {
    GenerationResult answer = answer(story.request(), List.of(), Output.INTERLEAVED, seed);
    List<String> lines = story.lines();
    List<String> told = story.told();
    List<Scene> scenes = story.scenes();
    boolean right = answer.parts().size() == 2 * lines.size();
    List<String> found = new ArrayList<>();
    for (int i = 0; i < answer.parts().size(); i++) {
      Part part = answer.parts().get(i);
      if (part instanceof Part.Text text) {
        String said = text.text().strip();
        right =
            right
                && i % 2 == 0
                && (said.equals(lines.get(i / 2)) || said.equals(told.get(i / 2)));
        found.add(said);
      } else if (part instanceof Part.Picture picture) {
        right = right && i % 2 == 1 && shows(picture.image(), scenes.get(i / 2));
        found.add("[" + described(picture.image()) + "]");
      }
    }
    return right || mistake("story of " + story.request() + ": " + String.join(" ", found));
  }

  private boolean makes(Edit edit, long seed) {
    List<Image> given = List.of(SceneRenderer.render(edit.before()));
    Image image = answer(edit.instruction(), given, Output.IMAGE, seed).images().get(0);
    return shows(image, edit.after())
        || mistake(
            "edit of "
                + edit.before().caption()
                + ", "
                + edit.instruction()
                + ": "
                + described(image));
  }

  private boolean mistake(String line) {
    mistakes.add(line);
    return false;
  }

  private static boolean shows(Image image, Scene scene) {
    return SceneReader.read(image).scene().map(scene::says).orElse(false);
  }

  private static String described(Image image) {
    SceneReader.Reading read = SceneReader.read(image);
    return read.scene().map(Scene::caption).orElse("unreadable, " + read.reason());
  }

  private GenerationResult answer(String prompt, List<Image> given, Output output, long seed) {
    GenerationRequest.Builder request =
        GenerationRequest.builder()
            .output(output)
            .options(GenerationOptions.builder().seed(seed).build());
    given.forEach(request::image);
    return model.generate(request.text(prompt).build());
  }
}
