package dev.diptych.core.engine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.diptych.testing.ForkedJvm;
import java.util.Map;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The JVM ends while ONNX Runtime is at work: the exit code is the one that was asked for. */
class OnnxExitTest {
  @ParameterizedTest
  @ValueSource(strings = {"making", "running"})
  void leavesWithTheExitCodeThatWasAskedFor(String what) {
    for (int round = 0; round < 3; round++) {
      ForkedJvm.Result result = ForkedJvm.of(Child.class).arguments(what).run();

      assertThat(result.exitCode()).as(result.output()).isEqualTo(7);
      assertThat(result.output())
          .contains("at work")
          .doesNotContain("SIG", "ONNX Runtime says", "fatal");
    }
  }

  /** Two threads at work, another hook that takes its time, and an exit in the middle. */
  static final class Child {
    public static void main(String[] arguments) throws InterruptedException {
      OnnxGraph graph = TestGraphs.blocks(6);
      OnnxProgram program = program(graph);
      for (int i = 0; i < 2; i++) {
        Thread thread =
            new Thread(
                () -> {
                  while (true) {
                    if (arguments[0].equals("making")) {
                      program(graph).close();
                    } else {
                      program.run(Map.of("x", TestGraphs.picture(64, 1)));
                    }
                  }
                });
        thread.setDaemon(true);
        // Refused calls after the exit began are expected; their stack traces are not news.
        thread.setUncaughtExceptionHandler((t, e) -> System.out.println(e.getMessage()));
        thread.start();
      }
      Runtime.getRuntime().addShutdownHook(new Thread(Child::linger));
      Thread.sleep(300);
      System.out.println("at work");
      System.exit(7);
    }

    private static OnnxProgram program(OnnxGraph graph) {
      return OnnxProgram.of(graph, TestGraphs::random, OnnxProgram.Options.DEFAULT);
    }

    private static void linger() {
      try {
        Thread.sleep(500);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }
  }
}
