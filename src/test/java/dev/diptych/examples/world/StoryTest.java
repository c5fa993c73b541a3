package dev.diptych.examples.world;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import java.util.zip.CRC32;
import org.junit.jupiter.api.Test;

class StoryTest {
  @Test
  void tellsTheTrainingScriptsStories() throws IOException {
    int stories = 0;
    for (String line : golden()) {
      String[] columns = line.split("\t");
      if (columns.length == 8) {
        List<String> lines = List.of(columns[6].split("\\|"));
        Story story =
            new Story(
                PictureWorldTest.scene(columns[0], columns[1]),
                Integer.parseInt(columns[3]),
                Integer.parseInt(columns[4]),
                lines.size());

        assertThat(story.lines()).isEqualTo(lines);
        assertThat(String.join("|", story.told())).isEqualTo(columns[7]);
        assertThat(story.scenes().stream().map(StoryTest::crc).collect(Collectors.joining(",")))
            .isEqualTo(columns[5]);
        assertThat(PictureWorld.isHeldOut(story.pair())).isEqualTo(columns[2].equals("1"));
        stories++;
      }
    }

    assertThat(stories).isEqualTo(64);
  }

  @Test
  void asksInItsOwnWords() {
    Story story = Story.parse(List.of(
        "a large red circle",
        "then a small blue square joins it below",
        "then the large red circle leaves")).orElseThrow();

    assertThat(story.request())
        .isEqualTo(
            "Tell a story: a large red circle, then a small blue square joins it below,"
                + " then the large red circle leaves");
    assertThat(story.scenes().stream().map(Scene::caption))
        .containsExactly(
            "a large red circle",
            "a large red circle above a small blue square",
            "a small blue square");
  }

  @Test
  void readsItsOwnLines() {
    for (Story story : PictureWorld.stories(9, 300, false)) {
      Story read = Story.parse(story.lines()).orElseThrow();

      assertThat(read.lines()).isEqualTo(story.lines());
      for (int i = 0; i < story.pictures(); i++) {
        assertThat(read.scenes().get(i).says(story.scenes().get(i))).isTrue();
      }
    }
  }

  @Test
  void readsNothingIntoOtherLines() {
    String first = "a large red circle";
    String joins = "then a small blue square joins it below";

    assertThat(Story.parse(List.of())).isEmpty();
    assertThat(Story.parse(List.of(joins))).isEmpty();
    assertThat(Story.parse(List.of(first, first))).isEmpty();
    assertThat(Story.parse(List.of(first, "then a large red circle joins it below"))).isEmpty();
    assertThat(Story.parse(List.of(first, "then a small blue cube joins it below"))).isEmpty();
    assertThat(Story.parse(List.of(first, joins, "then the small red circle leaves"))).isEmpty();
    assertThat(Story.parse(List.of(first, joins, "then the large red circle leaves", first)))
        .isEmpty();
  }

  @Test
  void givesTheSameStoriesForTheSameSeed() {
    assertThat(PictureWorld.stories(7, 50, true)).isEqualTo(PictureWorld.stories(7, 50, true));
    assertThat(PictureWorld.stories(7, 50, true)).isNotEqualTo(PictureWorld.stories(8, 50, true));
    assertThat(PictureWorld.stories(7, 50, true)).allMatch(s -> PictureWorld.isHeldOut(s.pair()));
    assertThat(PictureWorld.stories(7, 50, false)).noneMatch(s -> PictureWorld.isHeldOut(s.pair()));
    assertThat(PictureWorld.stories(7, 50, false).stream().map(Story::pictures).distinct())
        .containsExactlyInAnyOrder(1, 2, 3);
  }

  @Test
  void refusesAStoryWithNobodyToTellApart() {
    Story story = PictureWorld.stories(7, 1, false).get(0);
    Scene alone = story.scenes().get(0);
    Scene twins =
        new Scene(
            List.of(alone.things().get(0), alone.things().get(0)), story.pair().relation());

    assertThatThrownBy(() -> new Story(alone, 0, 0, 2)).hasMessageContaining("different kinds");
    assertThatThrownBy(() -> new Story(twins, 0, 0, 2)).hasMessageContaining("different kinds");
    assertThatThrownBy(() -> new Story(story.pair(), 0, 2, 2)).hasMessageContaining("0 and 1");
    assertThatThrownBy(() -> new Story(story.pair(), 0, 1, 4)).hasMessageContaining("1 to 3");
  }

  private static String crc(Scene scene) {
    CRC32 crc = new CRC32();
    crc.update(SceneRenderer.render(scene).rgb());
    return String.format(Locale.ROOT, "%08x", crc.getValue());
  }

  private static List<String> golden() throws IOException {
    try (InputStream in = StoryTest.class.getResourceAsStream("/golden/world/stories.tsv")) {
      return new String(in.readAllBytes(), StandardCharsets.UTF_8).lines().toList();
    }
  }
}
