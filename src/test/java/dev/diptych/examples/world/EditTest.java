package dev.diptych.examples.world;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.diptych.examples.world.Edit.Change;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Locale;
import java.util.zip.CRC32;
import org.junit.jupiter.api.Test;

class EditTest {
  @Test
  void asksForTheTrainingScriptsEdits() throws IOException {
    int edits = 0;
    for (String line : golden()) {
      String[] columns = line.split("\t");
      if (columns.length == 9) {
        Edit edit =
            new Edit(
                Change.valueOf(columns[0].toUpperCase(Locale.ROOT)),
                PictureWorldTest.scene(columns[3], columns[4]),
                PictureWorldTest.scene(columns[5], columns[6]),
                Integer.parseInt(columns[1]));

        assertThat(edit.instruction()).isEqualTo(columns[8]);
        assertThat(edit.isHeldOut()).isEqualTo(columns[2].equals("1"));
        assertThat(crc(edit.before()) + "," + crc(edit.after())).isEqualTo(columns[7]);
        edits++;
      }
    }

    assertThat(edits).isEqualTo(64);
  }

  @Test
  void givesTheSameEditsForTheSameSeed() {
    List<Edit> edits = PictureWorld.edits(7, 100, true);

    assertThat(PictureWorld.edits(7, 100, true)).isEqualTo(edits);
    assertThat(PictureWorld.edits(8, 100, true)).isNotEqualTo(edits);
    assertThat(edits).allMatch(Edit::isHeldOut);
    assertThat(PictureWorld.edits(7, 100, false)).noneMatch(Edit::isHeldOut);
    assertThat(edits.stream().map(Edit::change).distinct())
        .containsExactlyInAnyOrder(Change.values());
    assertThat(edits).noneMatch(edit -> edit.after().says(edit.before()));
  }

  @Test
  void refusesThingsThatNoWordsTellApart() {
    Scene pair = PictureWorld.stories(7, 1, false).get(0).pair();
    Scene alone = new Scene(List.of(pair.things().get(0)), null);
    Scene twins =
        new Scene(List.of(pair.things().get(0), pair.things().get(0)), pair.relation());

    assertThatThrownBy(() -> new Edit(Change.REMOVE, twins, alone, 0))
        .hasMessageContaining("no words tell its things apart");
    assertThatThrownBy(() -> new Edit(Change.REMOVE, pair, alone, 2))
        .hasMessageContaining("there are 2 things");
  }

  private static String crc(Scene scene) {
    CRC32 crc = new CRC32();
    crc.update(SceneRenderer.render(scene).rgb());
    return String.format(Locale.ROOT, "%08x", crc.getValue());
  }

  private static List<String> golden() throws IOException {
    try (InputStream in = EditTest.class.getResourceAsStream("/golden/world/edits.tsv")) {
      return new String(in.readAllBytes(), StandardCharsets.UTF_8).lines().toList();
    }
  }
}
