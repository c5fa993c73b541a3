package dev.diptych.core.engine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.diptych.testing.ForkedJvm;
import org.junit.jupiter.api.Test;

/** A class path as an IDE writes it is no end of the process. */
class OnnxCommandLineTest {
  /** Loads ONNX Runtime and says so. */
  static final class Load {
    private Load() {}

    public static void main(String[] args) {
      System.out.println("loaded " + (OnnxEnvironment.get() != null));
    }
  }

  /** 4,000 characters were enough to end a process; Linux takes up to 131,071 in one argument. */
  @Test
  void aLongCommandLineIsRead() {
    ForkedJvm.Result child =
        ForkedJvm.of(Load.class).options("-Dpad=" + "a".repeat(120_000)).run();

    assertThat(child.exitCode()).as(child.output()).isZero();
    assertThat(child.output()).contains("loaded true");
  }
}
