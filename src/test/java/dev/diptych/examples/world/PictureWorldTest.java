package dev.diptych.examples.world;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.diptych.examples.world.Scene.Colour;
import dev.diptych.examples.world.Scene.Kind;
import dev.diptych.examples.world.Scene.Relation;
import dev.diptych.examples.world.Scene.Shape;
import dev.diptych.examples.world.Scene.Size;
import dev.diptych.examples.world.Scene.Thing;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.zip.CRC32;
import org.junit.jupiter.api.Test;

class PictureWorldTest {
  @Test
  void drawsTheTrainingScriptsPicturesToTheLastBit() throws IOException {
    int pictures = 0;
    for (String line : golden()) {
      String[] columns = line.split("\t");
      if (columns.length == 5) {
        Scene scene = scene(columns[0], columns[1]);
        CRC32 crc = new CRC32();
        crc.update(SceneRenderer.render(scene).rgb());

        assertThat(String.format(Locale.ROOT, "%08x", crc.getValue())).isEqualTo(columns[3]);
        assertThat(scene.caption()).isEqualTo(columns[4]);
        assertThat(PictureWorld.isHeldOut(scene)).isEqualTo(columns[2].equals("1"));
        pictures++;
      }
    }

    assertThat(pictures).isEqualTo(64);
  }

  @Test
  void holdsOutTheTrainingScriptsCombinations() throws IOException {
    StringBuilder table = new StringBuilder();
    for (Colour colour : Colour.values()) {
      for (Shape shape : Shape.values()) {
        for (Relation relation : Relation.values()) {
          table.append(PictureWorld.isHeldOut(colour, shape, relation) ? '1' : '0');
        }
      }
    }

    assertThat(golden()).contains("held-out\t" + table);
    assertThat(table.chars().filter(c -> c == '1').count()).isBetween(19L, 20L);
  }

  @Test
  void givesTheSameScenesForTheSameSeed() {
    assertThat(PictureWorld.scenes(7, 50, true)).isEqualTo(PictureWorld.scenes(7, 50, true));
    assertThat(PictureWorld.scenes(7, 50, true)).isNotEqualTo(PictureWorld.scenes(8, 50, true));
    assertThat(PictureWorld.scenes(7, 50, true)).allMatch(PictureWorld::isHeldOut);
    assertThat(PictureWorld.scenes(7, 50, false)).noneMatch(PictureWorld::isHeldOut);
  }

  @Test
  void readsItsOwnCaptions() {
    for (Scene scene : PictureWorld.scenes(9, 300, false)) {
      assertThat(SceneWords.parse(scene.caption()).orElseThrow().says(scene)).isTrue();
    }
  }

  @Test
  void readsACaptionInEitherOrder() {
    Scene above = SceneWords.parse("a large red circle above a small blue square").orElseThrow();
    Scene left = SceneWords.parse("a small black star to the left of a big red star").orElseThrow();

    assertThat(SceneWords.parse("A little blue square under a big red circle.").orElseThrow())
        .isEqualTo(above);
    assertThat(SceneWords.parse("the large red star right of the small black star").orElseThrow())
        .isEqualTo(left);
  }

  @Test
  void readsNothingIntoOtherWords() {
    assertThat(SceneWords.parse("")).isEmpty();
    assertThat(SceneWords.parse("a large red")).isEmpty();
    assertThat(SceneWords.parse("a large red circle above")).isEmpty();
    assertThat(SceneWords.parse("a large pink circle")).isEmpty();
    assertThat(SceneWords.parse("a large red circle above a small blue hexagon")).isEmpty();
    assertThat(SceneWords.parse("a large red circle, yes")).isEmpty();
  }

  @Test
  void readsCaptionsUnderATurkishLocale() {
    Locale before = Locale.getDefault();
    Locale.setDefault(Locale.forLanguageTag("tr-TR"));
    try {
      assertThat(SceneWords.parse("A LITTLE WHITE CIRCLE")).isEmpty();
      assertThat(SceneWords.parse("A BIG RED CIRCLE")).isPresent();
      assertThat(PictureWorld.scenes(1, 1, false).get(0).caption()).isEqualTo(
          PictureWorld.scenes(1, 1, false).get(0).caption().toLowerCase(Locale.ROOT));
    } finally {
      Locale.setDefault(before);
    }
  }

  @Test
  void refusesASceneToldInTheOtherOrder() {
    Thing thing = new Thing(new Kind(Size.SMALL, Colour.RED, Shape.STAR), 1, 1);

    assertThatThrownBy(() -> new Scene(List.of(thing, thing), Relation.BELOW))
        .hasMessageContaining("the upper or left thing comes first");
  }

  private static List<String> golden() throws IOException {
    try (InputStream in = PictureWorldTest.class.getResourceAsStream("/golden/world/scenes.tsv")) {
      return new String(in.readAllBytes(), StandardCharsets.UTF_8).lines().toList();
    }
  }

  static Scene scene(String things, String relation) {
    List<Thing> found = new ArrayList<>();
    for (String thing : things.split(";")) {
      String[] n = thing.split(",");
      found.add(
          new Thing(
              new Kind(
                  Size.values()[Integer.parseInt(n[2])],
                  Colour.values()[Integer.parseInt(n[0])],
                  Shape.values()[Integer.parseInt(n[1])]),
              Integer.parseInt(n[3]),
              Integer.parseInt(n[4])));
    }
    return new Scene(
        found,
        relation.equals("none") ? null : Relation.valueOf(relation.toUpperCase(Locale.ROOT)));
  }
}
