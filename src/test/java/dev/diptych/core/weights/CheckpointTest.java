package dev.diptych.core.weights;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.diptych.core.CheckpointException;
import dev.diptych.core.InvalidRequestException;
import dev.diptych.testing.Safetensors;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CheckpointTest {
  @TempDir Path folder;

  @Test
  void readsAndMapsTheBytesOfATensor() {
    String header = "{" + Safetensors.entry("a", "I8", "[3]", "[0,3]") + ","
        + Safetensors.entry("b.c", "BF16", "[2,2]", "[3,11]") + ","
        + Safetensors.entry("d", "F32", "[]", "[11,15]") + ","
        + Safetensors.entry("e", "F32", "[0,4]", "[15,15]") + "}";
    Safetensors.write(folder.resolve("model.safetensors"), header, 15);

    try (Checkpoint checkpoint = Checkpoint.open(folder)) {
      assertThat(checkpoint.names()).containsExactly("a", "b.c", "d", "e");
      assertThat(checkpoint.totalBytes()).isEqualTo(15);
      assertThat(checkpoint.spec("b.c").shape()).isEqualTo(List.of(2L, 2L));
      for (ByteBuffer buffer : List.of(checkpoint.read("b.c"), checkpoint.map("b.c"))) {
        assertThat(buffer.isDirect()).isTrue();
        assertThat(buffer.order()).isEqualTo(ByteOrder.LITTLE_ENDIAN);
        assertThat(buffer.remaining()).isEqualTo(8);
        assertThat(buffer.getShort(2)).isEqualTo((short) 0x0605);
      }
      assertThat(checkpoint.map("d").isReadOnly()).isTrue();
      assertThat(checkpoint.read("e").remaining()).isZero();
      assertThat(checkpoint.map("e").remaining()).isZero();
    }
  }

  @Test
  void readsRowsOfTheFirstDimension() {
    String header = "{" + Safetensors.entry("w", "I16", "[4,3]", "[0,24]") + "}";
    Path file = Safetensors.write(folder.resolve("x.safetensors"), header, 24);

    try (Checkpoint checkpoint = Checkpoint.openFile(file)) {
      assertThat(checkpoint.readRows("w", 1, 2).remaining()).isEqualTo(12);
      assertThat(checkpoint.readRows("w", 1, 2).get(0)).isEqualTo((byte) 6);
      assertThat(checkpoint.mapRows("w", 3, 1).get(0)).isEqualTo((byte) 18);
      assertThat(checkpoint.mapRows("w", 4, 0).remaining()).isZero();
      assertThatThrownBy(() -> checkpoint.readRows("w", 3, 2))
          .isInstanceOf(InvalidRequestException.class)
          .hasMessageContaining("[4, 3]");
    }
  }

  @Test
  void joinsFilesThatNameTheirTensorsAlike() {
    String header = "{" + Safetensors.entry("w", "I16", "[2,3]", "[0,12]") + "}";
    Path file = Safetensors.write(folder.resolve("x.safetensors"), header, 12);
    Map<String, Checkpoint> parts = new LinkedHashMap<>();
    parts.put("", Checkpoint.openFile(file));
    parts.put("second.", Checkpoint.openFile(file));

    try (Checkpoint joined = Checkpoint.join(folder, parts)) {
      assertThat(joined.names()).containsExactly("w", "second.w");
      assertThat(joined.spec("second.w").name()).isEqualTo("second.w");
      assertThat(joined.totalBytes()).isEqualTo(24);
      assertThat(joined.readRows("second.w", 1, 1).get(0)).isEqualTo((byte) 6);
      assertThat(joined.map("second.w")).isEqualTo(joined.read("w"));
    }
  }

  @Test
  void joinRefusesTwoTensorsOfOneName() {
    String header = "{" + Safetensors.entry("w", "I8", "[1]", "[0,1]") + "}";
    Path file = Safetensors.write(folder.resolve("x.safetensors"), header, 1);
    String longer = "{" + Safetensors.entry("a.w", "I8", "[1]", "[0,1]") + "}";
    Path other = Safetensors.write(folder.resolve("y.safetensors"), longer, 1);

    try (Checkpoint first = Checkpoint.openFile(file);
        Checkpoint second = Checkpoint.openFile(other)) {
      Map<String, Checkpoint> parts = Map.of("a.", first, "", second);
      assertThatThrownBy(() -> Checkpoint.join(folder, parts))
          .isInstanceOf(CheckpointException.class)
          .hasMessageContaining("a.w is in two files");
    }
  }

  @Test
  void namesTheNearestTensorsWhenOneIsAbsent() {
    String header = "{" + Safetensors.entry("model.norm.weight", "I8", "[1]", "[0,1]") + "}";
    Path file = Safetensors.write(folder.resolve("x.safetensors"), header, 1);

    try (Checkpoint checkpoint = Checkpoint.openFile(file)) {
      assertThatThrownBy(() -> checkpoint.spec("norm.weight"))
          .isInstanceOf(CheckpointException.class)
          .hasMessageContaining("nearest: model.norm.weight");
    }
  }
}
