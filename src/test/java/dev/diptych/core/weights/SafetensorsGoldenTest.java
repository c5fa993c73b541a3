package dev.diptych.core.weights;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonParser;
import dev.diptych.core.CheckpointException;
import dev.diptych.testing.Safetensors;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Accepts what the safetensors library accepts, and refuses what it refuses. */
class SafetensorsGoldenTest {
  @TempDir Path folder;

  @Test
  void agreesWithTheReferenceOnRightWrongAndDamagedFiles() throws Exception {
    JsonArray rows =
        JsonParser.parseString(Files.readString(GoldenFiles.path("verdicts.json")))
            .getAsJsonArray();
    List<String> refusedByUsAlone = new ArrayList<>();
    List<String> acceptedByUsAlone = new ArrayList<>();

    for (JsonElement row : rows) {
      String name = row.getAsJsonArray().get(0).getAsString();
      byte[] bytes = Base64.getDecoder().decode(row.getAsJsonArray().get(1).getAsString());
      boolean expected = row.getAsJsonArray().get(2).getAsBoolean();
      boolean accepted = accepts(bytes);
      if (accepted && !expected) {
        acceptedByUsAlone.add(name);
      } else if (expected && !accepted) {
        refusedByUsAlone.add(name);
      }
    }

    assertThat(rows).hasSizeGreaterThan(400);
    assertThat(acceptedByUsAlone).isEmpty();
    // the format forbids duplicate keys; its library takes the last one
    assertThat(refusedByUsAlone).containsExactly("duplicate tensor", "metadata key twice");
  }

  private boolean accepts(byte[] bytes) {
    Path file = Safetensors.write(folder.resolve("x.safetensors"), bytes);
    try (Checkpoint checkpoint = Checkpoint.openFile(file)) {
      for (String name : checkpoint.names()) {
        assertThat(checkpoint.read(name).remaining())
            .isEqualTo((int) checkpoint.spec(name).bytes());
      }
      return true;
    } catch (CheckpointException e) {
      return false;
    }
  }
}
