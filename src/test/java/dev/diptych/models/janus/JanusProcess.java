package dev.diptych.models.janus;

import dev.diptych.core.Generation;
import dev.diptych.core.GenerationCancelledException;
import dev.diptych.core.GenerationListener;
import dev.diptych.core.GenerationOptions;
import dev.diptych.core.GenerationRequest;
import dev.diptych.core.GenerationResult;
import dev.diptych.core.Output;
import dev.diptych.core.Session;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.stream.Stream;

/** Main of {@link JanusProcessTest}'s children. */
final class JanusProcess {
  private static final PrintStream OUT =
      new PrintStream(System.out, true, StandardCharsets.US_ASCII);

  private JanusProcess() {}

  public static void main(String[] args) throws Exception {
    Path parent = Files.createTempDirectory("janus");
    Path folder = Files.createDirectory(parent.resolve(args[1]));
    try (Stream<Path> files = Files.list(TinyJanus.checkpoint("hf"))) {
      for (Path file : files.toList()) {
        Files.copy(file, folder.resolve(file.getFileName()));
      }
    }
    try (JanusModel model = JanusModel.load(folder, JanusGoldenTest.FLOAT32)) {
      switch (args[0]) {
        case "draw" -> draw(model);
        case "close" -> close(model);
        default -> exit(model);
      }
    } finally {
      delete(parent);
    }
  }

  private static void draw(JanusModel model) {
    GenerationOptions options = GenerationOptions.builder().seed(7).maxTokens(8).build();
    GenerationResult drawn =
        model.generate(
            GenerationRequest.builder()
                .text("a title in ISTANBUL: ı İ i I")
                .output(Output.IMAGE)
                .options(options)
                .build());
    GenerationResult said =
        model.generate(GenerationRequest.builder().text("title").options(options).build());
    OUT.println("codes " + drawn.imageCodes().get(0));
    OUT.println("text " + said.promptTokenIds() + said.tokenIds());
  }

  private static List<Generation> start(JanusModel model, CountDownLatch started) {
    List<Generation> running = new ArrayList<>();
    long sessions = started.getCount();
    for (int i = 0; i < sessions; i++) {
      Session session = model.newSession();
      running.add(
          session.start(
              GenerationRequest.builder()
                  .text("a circle")
                  .output(Output.IMAGE)
                  .options(GenerationOptions.builder().pictures(200).build())
                  .listener(
                      new GenerationListener() {
                        @Override
                        public void onImageProgress(int done, int total) {
                          started.countDown();
                        }
                      })
                  .build()));
    }
    return running;
  }

  private static void close(JanusModel model) throws InterruptedException {
    CountDownLatch started = new CountDownLatch(8);
    List<Generation> running = new ArrayList<>();
    for (int i = 0; i < 8; i++) {
      running.addAll(start(model, new CountDownLatch(1)));
    }
    Thread.sleep(200);
    model.close();
    model.close();
    int cancelled = 0;
    for (Generation generation : running) {
      try {
        generation.result();
      } catch (GenerationCancelledException | IllegalStateException e) {
        cancelled++;
      }
    }
    OUT.println(cancelled + " cancelled");
    try {
      model.newSession();
    } catch (IllegalStateException e) {
      OUT.println("refused after close");
    }
    started.countDown();
  }

  private static void exit(JanusModel model) throws InterruptedException {
    CountDownLatch started = new CountDownLatch(4);
    start(model, started);
    started.await();
    System.exit(42);
  }

  private static void delete(Path folder) throws IOException {
    try (Stream<Path> paths = Files.walk(folder)) {
      for (Path path : paths.sorted(Comparator.reverseOrder()).toList()) {
        Files.deleteIfExists(path);
      }
    }
  }
}
