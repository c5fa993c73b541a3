package dev.diptych.examples.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import dev.diptych.testing.ForkedJvm;
import dev.diptych.tokenizers.ImageFile;
import java.io.ByteArrayOutputStream;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What only a process of its own can show: signals, locales, small heaps. */
class InterruptTest {
  @TempDir Path folder;

  /**
   * Interrupts itself, as Ctrl-C would, when the bar of the drawing appears. A shell that runs
   * programs in the background makes them deaf to SIGINT; they hear SIGTERM.
   */
  static final class InterruptedDrawing {
    private InterruptedDrawing() {}

    public static void main(String[] args) {
      OutputStream watched =
          new OutputStream() {
            private final ByteArrayOutputStream seen = new ByteArrayOutputStream();
            private boolean sent;

            @Override
            public synchronized void write(int b) {
              seen.write(b);
              if (!sent && seen.toString(StandardCharsets.UTF_8).contains("drawing")) {
                sent = true;
                interrupt();
              }
            }
          };
      System.exit(
          Main.run(
              new Console(
                  InputStream.nullInputStream(),
                  new PrintStream(new FileOutputStream(FileDescriptor.out), true),
                  new PrintStream(watched, true, StandardCharsets.UTF_8),
                  StandardCharsets.UTF_8,
                  false,
                  false,
                  true),
              args));
    }

    private static void interrupt() {
      try {
        String signal = deafToInterrupts() ? "-TERM" : "-INT";
        new ProcessBuilder("kill", signal, Long.toString(ProcessHandle.current().pid())).start();
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
  }

  /** The second lowest bit of the ignored signals is SIGINT's; the setting is inherited. */
  static boolean deafToInterrupts() throws IOException {
    Path status = Path.of("/proc/self/status");
    return Files.exists(status)
        && Files.readAllLines(status).stream()
            .filter(line -> line.startsWith("SigIgn:"))
            .anyMatch(line -> (Long.parseUnsignedLong(line.substring(7).strip(), 16) & 2) != 0);
  }

  @Test
  void ctrlCEndsADrawingWith130AndLeavesNoFile() throws IOException {
    int expected = deafToInterrupts() ? 143 : 130;

    ForkedJvm.Result child =
        ForkedJvm.of(InterruptedDrawing.class)
            .arguments("draw", "a star", "-n", 1024, "--preview", "--model", Cli.TINY)
            .arguments("-o", folder.resolve("p.png"))
            .run();

    assertThat(child.exitCode()).as(child.output()).isEqualTo(expected);
    assertThat(folder).isEmptyDirectory();
  }

  /** Interrupts itself at the first words of a story, and lets no more come before it is heard. */
  static final class InterruptedTelling {
    private InterruptedTelling() {}

    public static void main(String[] args) {
      OutputStream watched =
          new OutputStream() {
            private boolean sent;

            @Override
            public void write(int b) {
              if (!sent) {
                sent = true;
                InterruptedDrawing.interrupt();
                while (!Interrupt.ending()) {
                  Thread.onSpinWait();
                }
              }
            }
          };
      System.exit(
          Main.run(
              new Console(
                  InputStream.nullInputStream(),
                  new PrintStream(watched, true, StandardCharsets.UTF_8),
                  new PrintStream(new FileOutputStream(FileDescriptor.err), true),
                  StandardCharsets.UTF_8,
                  false,
                  false,
                  false),
              args));
    }
  }

  @Test
  void ctrlCEndsAStoryWith130AndLeavesNoFile() throws IOException {
    int expected = deafToInterrupts() ? 143 : 130;

    ForkedJvm.Result child =
        ForkedJvm.of(InterruptedTelling.class)
            .arguments("tell", "a large red circle, then a small blue square joins it below")
            .arguments("-o", folder.resolve("story.html"))
            .run();

    assertThat(child.exitCode()).as(child.output()).isEqualTo(expected);
    assertThat(folder).isEmptyDirectory();
  }

  /** Draws in a folder with a name that only UTF-8 can carry. */
  static final class TurkishDrawing {
    private TurkishDrawing() {}

    public static void main(String[] args) throws IOException {
      Path here = Files.createDirectories(Path.of(args[0]).resolve("çizim ıİ 画"));
      Path picture = here.resolve("bir daire.png");
      int drawn =
          Main.run(
              Console.ofProcess(),
              "draw",
              "bir ıİ daire",
              "--model",
              args[1],
              "--seed",
              "5",
              "--json",
              "-o",
              picture.toString());
      boolean told = ImageFile.readPngText(picture).get("prompt").equals("bir ıİ daire");
      int asked =
          Main.run(
              Console.ofProcess(), "ask", picture.toString(), "ı?", "--max-tokens", "3", "--model",
              args[1], "--quiet", "--device", "cpu", "--dtype", "float32");
      System.exit(told ? drawn + asked : 9);
    }
  }

  @Test
  void turkishLocaleSmallHeapAndOddNamesChangeNothing() {
    Path picture = folder.resolve("p.png");
    JsonObject here =
        Cli.tiny("draw", "bir ıİ daire", "--seed", 5, "--json", "-o", picture).json();

    ForkedJvm.Result child =
        ForkedJvm.of(TurkishDrawing.class)
            .options("-Duser.language=tr", "-Duser.country=TR", "-Xmx256m")
            .environment("LC_ALL", "C.UTF-8")
            .arguments(folder, Cli.TINY)
            .run();

    assertThat(child.exitCode()).as(child.output()).isZero();
    String json = child.output().lines().filter(l -> l.startsWith("{")).findFirst().orElseThrow();
    assertThat(JsonParser.parseString(json).getAsJsonObject().get("imageCodes"))
        .isEqualTo(here.get("imageCodes"));
  }
}
