package dev.diptych.models.janus;

import static org.assertj.core.api.Assertions.assertThat;

import dev.diptych.testing.ForkedJvm;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What concerns the whole process, in a process of its own. */
class JanusProcessTest {
  @Test
  void theSameTokensInAnyLocaleEncodingAndFolderWithASmallHeap() {
    ForkedJvm.Result plain = ForkedJvm.of(JanusProcess.class).arguments("draw", "plain").run();
    assertThat(plain.exitCode()).as(plain.output()).isZero();
    assertThat(plain.output()).contains("codes [").contains("text ");
    for (List<String> locale :
        List.of(
            List.of("-Duser.language=tr", "-Duser.country=TR", "-Dfile.encoding=ISO-8859-9"),
            List.of("-Duser.language=ar", "-Duser.country=EG", "-Dfile.encoding=UTF-16"))) {
      ForkedJvm.Result result =
          ForkedJvm.of(JanusProcess.class)
              .environment("LC_ALL", "C.UTF-8")
              .options(locale.toArray(String[]::new))
              .options("-Xmx256m")
              .arguments("draw", "with spaces \u00fcn\u00efc\u00f6de \u2605")
              .run();

      assertThat(result.exitCode()).as(result.output()).isZero();
      assertThat(lines(result)).isEqualTo(lines(plain));
    }
  }

  @Test
  void closingWhileEightGenerateEndsWithoutACrash() {
    ForkedJvm.Result result = ForkedJvm.of(JanusProcess.class).arguments("close", "plain").run();

    assertThat(result.output()).contains("8 cancelled").contains("refused after close");
    assertThat(result.exitCode()).isZero();
  }

  @Test
  void leavingTheProcessWhileGeneratingKeepsTheExitCode() {
    for (int i = 0; i < 3; i++) {
      ForkedJvm.Result result = ForkedJvm.of(JanusProcess.class).arguments("exit", "plain").run();

      assertThat(result.exitCode()).as(result.output()).isEqualTo(42);
    }
  }

  private static List<String> lines(ForkedJvm.Result result) {
    return result
        .output()
        .replace("\0", "")
        .lines()
        .filter(l -> l.contains("codes [") || l.contains("text "))
        .toList();
  }
}
