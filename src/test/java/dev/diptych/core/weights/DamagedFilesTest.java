package dev.diptych.core.weights;

import static org.assertj.core.api.Assertions.assertThat;

import dev.diptych.core.CheckpointException;
import dev.diptych.core.DiptychException;
import dev.diptych.testing.Safetensors;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Thousands of seeded damages: the outcome is an error of ours or a checkpoint that can be read. */
class DamagedFilesTest {
  @TempDir Path folder;

  @Test
  void survivesDamageToASafetensorsHeader() throws IOException {
    byte[] whole = Files.readAllBytes(GoldenFiles.path("types.safetensors"));
    int header = 8 + (whole[0] & 0xff) + 256 * (whole[1] & 0xff);

    int opened = survive(whole, header, 1500, 1);

    assertThat(opened).isBetween(1, 1499);
  }

  @Test
  void survivesDamageToAPyTorchFile() throws IOException {
    for (String name : new String[] {"views.bin", "wrapped.ckpt", "module.bin"}) {
      byte[] whole = Files.readAllBytes(GoldenFiles.path(name));

      int opened = survive(whole, whole.length, 600, 2);

      assertThat(opened).as(name).isBetween(1, 599);
    }
  }

  @Test
  void survivesDamageToAPickleBehindARightChecksum() throws IOException {
    SplittableRandom random = new SplittableRandom(3);
    for (byte[] pickle : new byte[][] {pickleOf("views.bin"), pickleOf("wrapped.ckpt")}) {
      for (int i = 0; i < 5_000; i++) {
        byte[] damaged = damage(pickle, pickle.length, random);
        try {
          StatePickle.read("x", damaged);
        } catch (CheckpointException expected) {
          assertThat(expected.getMessage()).startsWith("x: data.pkl");
        }
      }
    }
  }

  @Test
  void survivesDamageToJson() {
    SplittableRandom random = new SplittableRandom(4);
    byte[] whole =
        ("{\"metadata\":{\"total_size\":12960},\"weight_map\":{\"a.b\":\"x-00001.safetensors\"},"
            + "\"eps\":1e-06,\"t\":[true,null,-3.5],\"u\":\"\\u00e4\\n\"}")
            .getBytes(StandardCharsets.UTF_8);
    for (int i = 0; i < 10_000; i++) {
      byte[] damaged = damage(whole, whole.length, random);
      try {
        JsonMap json = JsonMap.parse("x.json", damaged);
        json.keys().forEach(key -> json.kind(key).name());
        json.numberOr("eps", 0, 0, 1);
        json.object("metadata").integerOr("total_size", 0L, 0L, Long.MAX_VALUE);
      } catch (CheckpointException expected) {
        assertThat(expected.getMessage()).startsWith("x.json");
      }
    }
  }

  private int survive(byte[] whole, int region, int cases, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    int opened = 0;
    for (int i = 0; i < cases; i++) {
      Path file = Safetensors.write(folder.resolve("x"), damage(whole, region, random));
      try (Checkpoint checkpoint = Checkpoint.openFile(file)) {
        opened++;
        for (String name : checkpoint.names()) {
          assertThat(checkpoint.read(name).remaining())
              .isEqualTo((int) checkpoint.spec(name).bytes());
        }
      } catch (DiptychException expected) {
        assertThat(expected.getMessage()).contains("x");
      }
    }
    return opened;
  }

  /** One to three bits, bytes, removed bytes or repeated bytes in the first {@code region} bytes. */
  private static byte[] damage(byte[] whole, int region, SplittableRandom random) {
    byte[] bytes = whole.clone();
    for (int n = random.nextInt(1, 4); n > 0; n--) {
      int at = random.nextInt(Math.min(region, bytes.length));
      switch (random.nextInt(6)) {
        case 0, 1 -> bytes[at] ^= (byte) (1 << random.nextInt(8));
        case 2 -> bytes[at] = (byte) random.nextInt(256);
        case 3 -> bytes[at] = bytes[random.nextInt(bytes.length)];
        case 4 -> {
          System.arraycopy(bytes, at + 1, bytes, at, bytes.length - at - 1);
          bytes = Arrays.copyOf(bytes, bytes.length - 1);
        }
        default -> {
          byte[] longer = Arrays.copyOf(bytes, bytes.length + 1);
          System.arraycopy(bytes, at, longer, at + 1, bytes.length - at);
          bytes = longer;
        }
      }
    }
    return bytes;
  }

  private static byte[] pickleOf(String name) {
    try (FileBytes file = FileBytes.open(GoldenFiles.path(name))) {
      TorchZip zip = TorchZip.open(file);
      return zip.bytes(zip.entry("data.pkl"), StatePickle.MAX_BYTES);
    }
  }
}
