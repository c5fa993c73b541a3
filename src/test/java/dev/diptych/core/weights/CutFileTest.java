package dev.diptych.core.weights;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.diptych.core.CheckpointException;
import dev.diptych.testing.ForkedJvm;
import dev.diptych.testing.Safetensors;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Files that are cut or replaced while they are open, in a process that a signal would end. */
class CutFileTest {
  private static final int BYTES = 8 << 20;

  @TempDir Path folder;

  @Test
  void survivesAFileThatIsCutBetweenOpenAndRead() {
    ForkedJvm.Result result =
        ForkedJvm.of(CutBeforeRead.class).arguments(file()).run();

    assertThat(result.output()).contains("read: refused", "map: refused", "rows: still there");
    assertThat(result.exitCode()).isZero();
  }

  @Test
  void survivesAFileThatIsCutAgainAndAgainDuringReads() {
    ForkedJvm.Result result = ForkedJvm.of(CutDuringRead.class).arguments(file()).run();

    assertThat(result.output()).contains("whole: yes", "refused: yes");
    assertThat(result.exitCode()).isZero();
  }

  @Test
  void keepsReadingTheFileThatItOpenedWhenAnotherTakesItsName() throws IOException {
    Path file = file();
    try (Checkpoint checkpoint = Checkpoint.openFile(file)) {
      Path other = Safetensors.write(folder.resolve("other"), "{}", 0);
      Files.move(other, file, StandardCopyOption.REPLACE_EXISTING);

      assertThat(checkpoint.read("w").get(255)).isEqualTo((byte) 255);
      assertThat(checkpoint.map("w").get(255)).isEqualTo((byte) 255);
    }
  }

  @Test
  void readsOnWhenItsThreadIsInterrupted() {
    try (Checkpoint checkpoint = Checkpoint.openFile(file())) {
      Thread.currentThread().interrupt();
      ByteBuffer read = checkpoint.read("w");
      boolean kept = Thread.currentThread().isInterrupted();
      ByteBuffer mapped = checkpoint.map("w");

      assertThat(Thread.interrupted()).isTrue();
      assertThat(kept).isTrue();
      assertThat(read).isEqualTo(mapped);
      assertThat(checkpoint.read("w")).isEqualTo(mapped);
    }
  }

  @Test
  void refusesAnotherFileWhenItMustOpenAgain() throws IOException {
    Path file = file();
    try (Checkpoint checkpoint = Checkpoint.openFile(file)) {
      Path other = Files.copy(file, folder.resolve("other"));
      Files.move(other, file, StandardCopyOption.REPLACE_EXISTING);
      Thread.currentThread().interrupt();

      assertThatThrownBy(() -> checkpoint.read("w"))
          .isInstanceOf(CheckpointException.class)
          .hasMessageContaining("was replaced while in use");
      assertThat(Thread.interrupted()).isTrue();
    }
  }

  @Test
  void refusesReadsAfterCloseAndKeepsBuffersAlive() {
    Checkpoint checkpoint = Checkpoint.openFile(file());
    ByteBuffer mapped = checkpoint.map("w");
    checkpoint.close();
    checkpoint.close();

    assertThat(mapped.get(BYTES - 1)).isEqualTo((byte) 255);
    assertThatThrownBy(() -> checkpoint.read("w"))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("closed");
    assertThatThrownBy(() -> checkpoint.map("w")).isInstanceOf(IllegalStateException.class);
  }

  private Path file() {
    return Safetensors.write(
        folder.resolve("model.safetensors"),
        "{" + Safetensors.entry("w", "I8", "[8," + (1 << 20) + "]", "[0," + BYTES + "]") + "}",
        BYTES);
  }

  static final class CutBeforeRead {
    public static void main(String[] args) throws IOException {
      Path file = Path.of(args[0]);
      try (Checkpoint checkpoint = Checkpoint.openFile(file)) {
        cut(file, Files.size(file) / 2);
        System.out.println("read: " + attempt(() -> checkpoint.read("w")));
        System.out.println("map: " + attempt(() -> checkpoint.map("w")));
        System.out.println("rows: " + attempt(() -> checkpoint.mapRows("w", 0, 3)));
      }
    }
  }

  static final class CutDuringRead {
    public static void main(String[] args) throws Exception {
      Path file = Path.of(args[0]);
      byte[] whole = Files.readAllBytes(file);
      AtomicBoolean ended = new AtomicBoolean();
      Thread cutter =
          new Thread(
              () -> {
                while (!ended.get()) {
                  cut(file, whole.length / 2);
                  rewrite(file, whole);
                }
              });
      boolean refused = false;
      boolean read = false;
      try (Checkpoint checkpoint = Checkpoint.openFile(file)) {
        cutter.start();
        long deadline = System.nanoTime() + 30_000_000_000L;
        while (!(refused && read) && System.nanoTime() < deadline) {
          boolean there = attempt(() -> checkpoint.read("w")).equals("still there");
          read |= there;
          refused |= !there;
        }
      } finally {
        ended.set(true);
        cutter.join();
      }
      System.out.println("whole: " + (read ? "yes" : "no"));
      System.out.println("refused: " + (refused ? "yes" : "no"));
    }
  }

  private interface Reading {
    ByteBuffer buffer();
  }

  private static String attempt(Reading reading) {
    try {
      ByteBuffer buffer = reading.buffer();
      long sum = 0;
      for (int i = 0; i < buffer.limit(); i += 512) {
        sum += buffer.get(i);
      }
      return sum == Long.MIN_VALUE ? "" : "still there";
    } catch (CheckpointException e) {
      return e.getMessage().contains("cut while in use") ? "refused" : e.getMessage();
    }
  }

  private static void cut(Path file, long size) {
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
      channel.truncate(size);
    } catch (IOException e) {
      throw new IllegalStateException(e);
    }
  }

  private static void rewrite(Path file, byte[] whole) {
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
      ByteBuffer rest = ByteBuffer.wrap(whole).position(whole.length / 2);
      for (long at = whole.length / 2; rest.hasRemaining(); ) {
        at += channel.write(rest, at);
      }
    } catch (IOException e) {
      throw new IllegalStateException(e);
    }
  }
}
