package dev.diptych.examples;

import static org.assertj.core.api.Assertions.assertThat;

import dev.diptych.tokenizers.ImageFile;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Every recipe runs on the demo model. */
class RecipesTest {
  @TempDir Path folder;

  @Test
  void describesWhatItDrew() {
    String said = printed(() -> DescribeAnImage.main(new String[0]));

    assertThat(said.lines()).hasSize(2);
    assertThat(said).contains("circle");
  }

  @Test
  void drawsTwoPictures() {
    String file = folder.resolve("a.png").toString();

    String said = printed(() -> DrawFromText.main(new String[] {"a large red circle", file}));

    assertThat(said.lines().map(Path::of))
        .containsExactly(folder.resolve("a-1.png"), folder.resolve("a-2.png"))
        .allSatisfy(p -> assertThat(ImageFile.read(p).width()).isEqualTo(64));
  }

  @Test
  void asksEveryFamilyTheSame() {
    String prompt = "a large red circle above a small blue square";

    String said = printed(() -> ThreeFamilies.main(new String[] {prompt, folder.toString()}));

    assertThat(said.lines())
        .containsExactly(
            folder.resolve("janus.png") + ": " + prompt,
            folder.resolve("chameleon.png") + ": " + prompt,
            folder.resolve("transfusion.png") + ": " + prompt);
    assertThat(folder).isDirectoryContaining("glob:**/transfusion.png");
    assertThat(ImageFile.readPngText(folder.resolve("transfusion.png")))
        .containsEntry("prompt", prompt)
        .containsEntry("seed", "1");
  }

  @Test
  void streamsAnAnswer() {
    assertThat(printed(() -> StreamTokens.main(new String[0])).lines())
        .hasSize(2)
        .last()
        .isEqualTo("STOP");
  }

  @Test
  void inspectsTheDemo() {
    assertThat(printed(() -> InspectACheckpoint.main(new String[0])))
        .startsWith("janus HF-native")
        .contains("language_model", "it fits");
  }

  @Test
  void tellsAStory() {
    String name = folder.resolve("s").toString();

    String said = printed(() -> TellAStory.main(new String[] {name}));

    assertThat(said.lines().map(String::strip))
        .containsExactly(
            "a large red circle",
            name + "-1.png",
            "then a small blue square joins it below",
            name + "-2.png");
    assertThat(ImageFile.readPngText(Path.of(name + "-2.png"))).containsEntry("picture", "2 of 2");
  }

  @Test
  void answersAboutWhatItDrewWithoutReadingItAgain() {
    String file = folder.resolve("d.png").toString();

    String said = printed(() -> DrawThenAsk.main(new String[] {file}));

    assertThat(said.strip()).contains("green star", "purple circle");
    assertThat(ImageFile.read(Path.of(file)).width()).isEqualTo(64);
  }

  private static String printed(Runnable recipe) {
    PrintStream before = System.out;
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    System.setOut(new PrintStream(out, true, StandardCharsets.UTF_8));
    try {
      recipe.run();
    } finally {
      System.setOut(before);
    }
    return out.toString(StandardCharsets.UTF_8);
  }
}
