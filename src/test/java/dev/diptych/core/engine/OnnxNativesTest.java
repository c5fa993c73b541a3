package dev.diptych.core.engine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.diptych.testing.ForkedJvm;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What the native library must not do, which one version did. */
class OnnxNativesTest {
  /** Loads ONNX Runtime and says so. */
  static final class Load {
    private Load() {}

    public static void main(String[] args) {
      System.out.println("loaded " + (OnnxEnvironment.get() != null));
    }
  }

  /** 1.29.0 knows a host to send telemetry to; a library without one cannot. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "linux-x64/libonnxruntime.so",
        "linux-aarch64/libonnxruntime.so",
        "osx-aarch64/libonnxruntime.dylib",
        "win-x64/onnxruntime.dll"
      })
  void nothingIsSentToAnybody(String library) throws IOException {
    String name = "/ai/onnxruntime/native/" + library;
    try (InputStream in = OnnxEnvironment.class.getResourceAsStream(name)) {
      assertThat(in).as(name).isNotNull();
      String bytes = new String(in.readAllBytes(), StandardCharsets.ISO_8859_1);

      assertThat(bytes.contains("onnxruntime")).isTrue();
      assertThat(bytes.contains("events.data.microsoft.com")).isFalse();
    }
  }

  /** A class path as an IDE writes it: of 4,000 characters 1.29.0 ended the process. */
  @Test
  void aLongCommandLineIsRead() {
    ForkedJvm.Result child =
        ForkedJvm.of(Load.class).options("-Dpad=" + "a".repeat(120_000)).run();

    assertThat(child.exitCode()).as(child.output()).isZero();
    assertThat(child.output()).contains("loaded true");
  }
}
