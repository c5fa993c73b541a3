package dev.diptych.decoders;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import dev.diptych.core.CheckpointException;
import dev.diptych.core.engine.OnnxExport;
import dev.diptych.core.engine.OnnxProgram;
import dev.diptych.core.engine.OnnxWeights;
import dev.diptych.testing.VqGolden;
import dev.diptych.tokenizers.VqImageTokenizer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Exported files, run by ONNX Runtime alone and by the library. */
class VqExportTest {
  @TempDir Path folder;

  @ParameterizedTest
  @ValueSource(strings = {"hf", "original/janus-1.3b", "original/janus-pro-7b"})
  void theDecoderGivesTheSamePixelsWhenOnnxRuntimeAloneLoadsIt(String layout)
      throws OrtException {
    try (VqGolden golden = VqGolden.open(layout)) {
      Path file = folder.resolve("decoder.onnx");
      OnnxExport.write(VqImageDecoder.graph(golden.config()), golden.weights(), file);
      long[][] codes = {Arrays.stream(golden.codes()).asLongStream().toArray()};

      OrtEnvironment environment = OrtEnvironment.getEnvironment();
      try (OrtSession session = environment.createSession(file.toString());
          OnnxTensor input = OnnxTensor.createTensor(environment, codes);
          OrtSession.Result result = session.run(Map.of("generated_tokens", input));
          VqImageDecoder decoder =
              VqImageDecoder.load(
                  golden.config(), golden.weights(), OnnxProgram.Options.DEFAULT)) {
        FloatBuffer pixels = ((OnnxTensor) result.get("decoded_image").get()).getFloatBuffer();

        assertThat(pixels).isEqualTo(decoder.decode(new int[][] {golden.codes()}));
      }
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"hf", "original/janus-1.3b", "original/janus-pro-7b"})
  void theEncoderGivesTheSameCodesWhenOnnxRuntimeAloneLoadsIt(String layout) throws OrtException {
    try (VqGolden golden = VqGolden.open(layout)) {
      Path file = folder.resolve("encoder.onnx");
      OnnxExport.write(VqImageTokenizer.graph(golden.config()), golden.weights(), file);
      FloatBuffer pixels = FloatBuffer.wrap(golden.tensors().floats("encode.pixels"));

      OrtEnvironment environment = OrtEnvironment.getEnvironment();
      try (OrtSession session = environment.createSession(file.toString());
          OnnxTensor input =
              OnnxTensor.createTensor(
                  environment, pixels, golden.tensors().shape("encode.pixels"));
          OrtSession.Result result = session.run(Map.of("pixel_values", input))) {
        long[][] codes = (long[][]) result.get("image_codes").get().getValue();

        assertThat(codes[0]).containsExactly(
            Arrays.stream(golden.codes()).asLongStream().toArray());
      }
    }
  }

  @Test
  void anExportedDecoderStandsInForTheOneOfTheCheckpoint() {
    try (VqGolden golden = VqGolden.open("hf")) {
      Path file = folder.resolve("image_decode.onnx");
      OnnxExport.write(VqImageDecoder.graph(golden.config()), golden.weights(), file);

      try (VqImageDecoder opened = open(file, 5, 2);
          VqImageDecoder loaded =
              VqImageDecoder.load(
                  golden.config(), golden.weights(), OnnxProgram.Options.DEFAULT)) {
        int[][] codes = {golden.codes()};

        assertThat(opened.draw(codes, () -> {})).isEqualTo(loaded.draw(codes, () -> {}));
      }
    }
  }

  @Test
  void refusesADecoderOfAnotherGrid() {
    try (VqGolden golden = VqGolden.open("hf")) {
      Path file = folder.resolve("image_decode.onnx");
      OnnxExport.write(VqImageDecoder.graph(golden.config()), golden.weights(), file);

      assertThatThrownBy(() -> open(file, 24, 16))
          .isInstanceOf(CheckpointException.class)
          .hasMessageContaining("expected int64 [N, 576] to float32 [N, 3, 384, 384]")
          .hasMessageContaining("generated_tokens int64 [-1, 25]")
          .hasMessageContaining("Was it exported from this model?");
      assertThatThrownBy(() -> open(file, 5, 1)).isInstanceOf(CheckpointException.class);
    }
  }

  @Test
  void refusesAnEncoderInPlaceOfADecoder() {
    try (VqGolden golden = VqGolden.open("hf")) {
      Path file = folder.resolve("image_decode.onnx");
      OnnxExport.write(VqImageTokenizer.graph(golden.config()), golden.weights(), file);

      assertThatThrownBy(() -> open(file, 5, 2))
          .isInstanceOf(CheckpointException.class)
          .hasMessageContaining("pixel_values float32");
    }
  }

  @Test
  void leavesNoFileBehindWhenTheWeightsFail() throws IOException {
    try (VqGolden golden = VqGolden.open("hf")) {
      Path file = folder.resolve("decoder.onnx");
      OnnxWeights failing =
          weight -> {
            if (weight.name().startsWith("decoder.norm_out")) {
              throw new UncheckedIOException(new IOException("the disk is gone"));
            }
            return golden.weights().read(weight);
          };

      assertThatThrownBy(
              () -> OnnxExport.write(VqImageDecoder.graph(golden.config()), failing, file))
          .isInstanceOf(UncheckedIOException.class)
          .hasMessageContaining("the disk is gone");
      try (Stream<Path> left = Files.list(folder)) {
        assertThat(left).isEmpty();
      }
    }
  }

  private static VqImageDecoder open(Path file, int gridSize, int patchSize) {
    return VqImageDecoder.open(
        file,
        new VqImageDecoder.Grid(gridSize, patchSize),
        96,
        OnnxProgram.Options.DEFAULT);
  }
}
