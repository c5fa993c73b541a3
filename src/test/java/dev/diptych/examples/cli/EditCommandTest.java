package dev.diptych.examples.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.gson.JsonObject;
import dev.diptych.core.Image;
import dev.diptych.examples.Demo;
import dev.diptych.examples.DemoModel;
import dev.diptych.examples.world.Edit;
import dev.diptych.examples.world.PictureWorld;
import dev.diptych.examples.world.Scene;
import dev.diptych.examples.world.Scene.Thing;
import dev.diptych.examples.world.SceneReader;
import dev.diptych.examples.world.SceneRenderer;
import dev.diptych.examples.world.SceneWords;
import dev.diptych.tokenizers.ImageFile;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Draws pictures anew. */
class EditCommandTest {
  @TempDir Path folder;

  @Test
  void withoutAModelTheDemoEdits() {
    Path target = folder.resolve("after.png");

    Cli edit =
        Cli.run("edit", before(), "add a small red star below", "-o", target, "--preview", "--json");

    assertThat(edit.exitCode()).as(edit.stderr()).isZero();
    assertThat(edit.json().getAsJsonObject("model").get("folder").getAsString())
        .isEqualTo(DemoModel.folder(Demo.TRANSFUSION).toString());
    assertThat(ImageFile.read(target).width()).isEqualTo(PictureWorld.SIDE);
    assertThat(names()).containsExactly("after.png", "before.png");
  }

  /** Any folder may be named, also a demo's own. */
  @Test
  void givesAModelThePictureAndTheInstruction() {
    Path target = folder.resolve("after.png");
    Path model = DemoModel.folder(Demo.CHAMELEON);

    Cli run =
        Cli.run("edit", before(), "make it green", "-o", target, "--seed", 4, "--model", model);
    JsonObject json =
        Cli.run(
                "edit", before(), "make it green", "-o", target, "--seed", 4, "--model", model,
                "--json")
            .json();

    assertThat(run.exitCode()).as(run.stderr()).isZero();
    assertThat(run.text()).isEqualToIgnoringNewLines(target.toString());
    assertThat(run.stderr()).startsWith("seed 4, ");
    assertThat(ImageFile.read(target).width()).isEqualTo(PictureWorld.SIDE);
    assertThat(ImageFile.readPngText(target))
        .containsEntry("prompt", "make it green")
        .containsEntry("seed", "4");
    assertThat(json.get("command").getAsString()).isEqualTo("edit");
    int codes = json.getAsJsonArray("imageCodes").get(0).getAsJsonArray().size();
    assertThat(json.getAsJsonArray("promptTokenIds").size()).isGreaterThan(codes);
    assertThat(names()).containsExactly("after.png", "before.png");
  }

  @Test
  void refusesADemoThatWasNotTaughtToEditAndSaysWhichWas() {
    Demo demo = Demo.JANUS;
    Cli run = Cli.run("edit", before(), "a", "-o", folder.resolve("p.png"), "--demo", demo);

    assertThat(run.exitCode()).isEqualTo(1);
    assertThat(run.stderr())
        .startsWith("diptych: The demo " + demo + " was not taught to edit pictures")
        .contains("expected --demo transfusion", "found    --demo " + demo)
        .doesNotContain("\tat ");
    assertThat(names()).containsExactly("before.png");
  }

  @ParameterizedTest
  @EnumSource(names = {"CHAMELEON", "TRANSFUSION"})
  void everyDemoThatWasTaughtToDoesWhatItIsTold(Demo demo) {
    Edit edit =
        PictureWorld.edits(7, 40, false).stream()
            .filter(e -> e.instruction().startsWith("add "))
            .findFirst()
            .orElseThrow();
    Path before = folder.resolve("one.png");
    Path target = folder.resolve("two.png");
    ImageFile.writePng(SceneRenderer.render(edit.before()), before, Map.of());

    Cli run =
        Cli.run("edit", before, edit.instruction(), "-o", target, "--demo", demo, "--seed", 1);

    assertThat(run.exitCode()).as(run.stderr()).isZero();
    Scene drawn = SceneReader.read(ImageFile.read(target)).scene().orElseThrow();
    assertThat(drawn.caption()).isEqualTo(edit.after().caption());
  }

  @Test
  void refusesAModelThatCannotEditAndSaysWhichCan() {
    Cli run = Cli.tiny("edit", before(), "a", "-o", folder.resolve("p.png"));

    assertThat(run.exitCode()).isEqualTo(1);
    assertThat(run.stderr())
        .contains("does not edit pictures", "TEXT -> IMAGE", "--demo transfusion")
        .doesNotContain("\tat ");
    assertThat(names()).containsExactly("before.png");
  }

  @Test
  void refusesAPictureThatIsNotThere() {
    Cli run = Cli.run("edit", folder.resolve("none.png"), "a", "-o", folder.resolve("p.png"));

    assertThat(run.exitCode()).isEqualTo(1);
    assertThat(run.stderr()).contains("none.png").doesNotContain("\tat ");
    assertThat(names()).isEmpty();
  }

  @Test
  void optionsOfDenoisingAreRefusedWhereNothingIsDenoised() {
    Path target = folder.resolve("p.png");

    List<Cli> runs =
        List.of(
            Cli.tiny("draw", "a", "-o", target, "--steps", 5),
            Cli.tiny("draw", "a", "-o", target, "--shift", 3),
            Cli.tiny("draw", "a", "-o", target, "--guidance-interval", "0.4,1"),
            Cli.tiny("draw", "a", "-o", target, "--renorm", "text_channel,0.1"),
            Cli.tiny("draw", "a", "-o", target, "--think"),
            Cli.tiny("caption", before(), "--think"),
            Cli.run("tell", "a", "-o", target, "--steps", 5));

    assertThat(runs).allMatch(run -> run.exitCode() == 1);
    assertThat(runs.stream().map(run -> run.stderr().lines().toList().get(0)))
        .containsExactly(
            "diptych: This model has no --steps: its pictures are tokens",
            "diptych: This model has no --shift: its pictures are tokens",
            "diptych: This model has no --guidance-interval: its pictures are tokens",
            "diptych: This model has no --renorm: its pictures are tokens",
            "diptych: This model has no --think: it answers at once",
            "diptych: This model has no --think: it answers at once",
            "diptych: This model has no --steps: its pictures are tokens");
    assertThat(runs.get(3).stderr()).contains("found    --renorm text_channel,0.1");
    assertThat(names()).containsExactly("before.png");
  }

  @Test
  void theDemoDoesWhatItIsTold() {
    Scene circle = SceneWords.parse("a large red circle above a small blue square").orElseThrow();
    Path file = folder.resolve("red.png");
    Path target = folder.resolve("green.png");
    ImageFile.writePng(drawn(circle), file, Map.of());

    Cli edit =
        Cli.run("edit", file, "make the circle green", "-o", target, "--seed", 1, "--preview");

    assertThat(edit.exitCode()).as(edit.stderr()).isZero();
    assertThat(SceneReader.read(ImageFile.read(target)).scene().map(Scene::caption))
        .contains("a large green circle above a small blue square");
    assertThat(names()).containsExactly("green.png", "red.png");
  }

  private static Image drawn(Scene scene) {
    // Words name no places.
    List<Thing> things =
        List.of(
            new Thing(scene.things().get(0).kind(), 32, 15),
            new Thing(scene.things().get(1).kind(), 32, 49));
    return SceneRenderer.render(new Scene(things, scene.relation()));
  }

  private Path before() {
    Path file = folder.resolve("before.png");
    ImageFile.writePng(
        SceneRenderer.render(PictureWorld.scenes(3, 1, false).get(0)), file, Map.of());
    return file;
  }

  private List<String> names() {
    try (Stream<Path> files = Files.list(folder)) {
      return files.map(p -> p.getFileName().toString()).sorted().toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
