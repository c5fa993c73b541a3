package dev.diptych.models.chameleon;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import dev.diptych.core.CheckpointException;
import dev.diptych.core.DType;
import dev.diptych.core.DeviceChoice;
import dev.diptych.core.InvalidRequestException;
import dev.diptych.core.LoadOptions;
import dev.diptych.core.engine.Scope;
import dev.diptych.core.engine.TorchDevice;
import dev.diptych.core.engine.WeightLoader;
import dev.diptych.core.weights.Checkpoint;
import dev.diptych.core.weights.Weights;
import dev.diptych.models.Diptych;
import dev.diptych.models.discrete.DiscreteStates;
import dev.diptych.models.discrete.DiscreteTransformer;
import dev.diptych.testing.Golden;
import dev.diptych.testing.Tolerance;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Files that are right and rarely seen. */
class ChameleonVariantsTest {
  @TempDir private Path folder;

  /** The authors' loader takes wq, wk, wv as one tensor too, and w1, w3. */
  @ParameterizedTest
  @CsvSource({"meta, models/7b", "meta-sharded, models/30b"})
  void fusedTensorsComputeTheSame(String layout, String weights) throws IOException {
    TinyChameleon.copy(layout, folder);
    for (String shard : List.of("consolidated.pth", "consolidated.00.pth", "consolidated.01.pth")) {
      Path file = folder.resolve(weights).resolve(shard);
      if (Files.exists(file)) {
        fuse(file);
      }
    }

    try (Scope scope = new Scope()) {
      Checkpoint golden = scope.add(TinyChameleon.goldens(layout));
      float[] found = states(scope, TinyChameleon.ints(golden, "input_ids"));
      Tolerance.FP32_DEEP.check(
          "hidden states", found, TinyChameleon.floats(golden, "hidden_states"));
    }
  }

  private float[] states(Scope scope, int[] ids) {
    ChameleonFiles files = scope.add(ChameleonFiles.open(folder, TinyChameleon.WITH_CODER));
    Weights weights = Weights.of(files.checkpoint());
    Map<String, WeightLoader.Slice> slices = ChameleonWeights.bind(weights, files);
    weights.done();
    TorchDevice device = scope.add(TorchDevice.open(DeviceChoice.CPU));
    DiscreteTransformer transformer =
        scope.add(
            DiscreteTransformer.load(
                files.config().transformer(),
                files.vocabulary().discrete(files.config().family()),
                DType.FLOAT32,
                device,
                WeightLoader.load(device, files.checkpoint(), slices, DType.FLOAT32)));
    return DiscreteStates.hiddenStates(transformer, ids);
  }

  /** Rewrites a shard as safetensors, whose content and not whose name decides. */
  private static void fuse(Path file) throws IOException {
    Map<String, ByteBuffer[]> tensors = new LinkedHashMap<>();
    Map<String, long[]> shapes = new LinkedHashMap<>();
    try (Checkpoint checkpoint = Checkpoint.openFile(file)) {
      for (String name : checkpoint.names()) {
        long[] shape =
            checkpoint.spec(name).shape().stream().mapToLong(Long::longValue).toArray();
        if (name.matches(".*\\.(wk|wv|w3)\\.weight")) {
          continue;
        }
        List<String> parts = List.of(name);
        String fused = name;
        if (name.endsWith(".wq.weight")) {
          fused = name.replace(".wq.", ".wqkv.");
          parts = List.of(name, name.replace(".wq.", ".wk."), name.replace(".wq.", ".wv."));
        } else if (name.endsWith(".w1.weight")) {
          fused = name.replace(".w1.", ".w13.");
          parts = List.of(name, name.replace(".w1.", ".w3."));
        }
        if (parts.size() > 1) {
          shape[0] = parts.stream().mapToLong(p -> checkpoint.spec(p).shape().get(0)).sum();
        }
        tensors.put(fused, parts.stream().map(checkpoint::read).toArray(ByteBuffer[]::new));
        shapes.put(fused, shape);
      }
    }
    JsonObject header = new JsonObject();
    ByteArrayOutputStream data = new ByteArrayOutputStream();
    tensors.forEach(
        (name, parts) -> {
          JsonObject entry = new JsonObject();
          entry.addProperty("dtype", "F32");
          entry.add("shape", array(shapes.get(name)));
          long begin = data.size();
          for (ByteBuffer part : parts) {
            byte[] bytes = new byte[part.remaining()];
            part.get(bytes);
            data.writeBytes(bytes);
          }
          entry.add("data_offsets", array(begin, data.size()));
          header.add(name, entry);
        });
    byte[] json = header.toString().getBytes(StandardCharsets.UTF_8);
    ByteBuffer all =
        ByteBuffer.allocate(8 + json.length + data.size()).order(ByteOrder.LITTLE_ENDIAN);
    Files.write(file, all.putLong(json.length).put(json).put(data.toByteArray()).array());
  }

  private static JsonArray array(long... values) {
    JsonArray array = new JsonArray();
    for (long value : values) {
      array.add(value);
    }
    return array;
  }

  @Test
  void aTiedHeadIsNotAskedFor() throws IOException {
    TinyChameleon.copy("hf", folder);
    TinyChameleon.edit(
        folder.resolve("config.json"), c -> c.addProperty("tie_word_embeddings", true));

    try (ChameleonFiles files = ChameleonFiles.open(folder, LoadOptions.DEFAULT)) {
      Weights weights = Weights.of(files.checkpoint());
      assertThat(ChameleonWeights.bind(weights, files)).doesNotContainKey("lm_head.weight");
      assertThat(weights.report().fits()).isTrue();
    }
  }

  @ParameterizedTest
  @CsvSource({
    "Lumina-mGPT-7B-768, 768",
    "Lumina-mGPT-7B-768-Omni, 768",
    "lumina-mgpt-34b-512, 512",
    "models--Alpha-VLLM--Lumina-mGPT-7B-1024/snapshots/0123768, 1024",
    "1024/lumina, 8",
    "model, 8"
  })
  void luminasSizeIsToldByTheNameOfItsFolderOrTheResolutionOfItsCoder(String name, int size) throws IOException {
    Path named = Files.createDirectories(folder.resolve(name));
    TinyChameleon.copy("lumina-7b-512", named);
    // the vocabulary of the tests has size tokens up to 16 patches
    TinyChameleon.edit(
        named.resolve("config.json"),
        c -> {
          JsonObject map = c.getAsJsonObject("vocabulary_map");
          c.addProperty("vocab_size", 400);
          for (int i = 17; i <= 32; i++) {
            map.addProperty("<reserved0" + (8800 + i) + ">", 350 + i - 17);
          }
        });

    try (ChameleonFiles files = ChameleonFiles.open(named, LoadOptions.DEFAULT)) {
      assertThat(files.config().targetSize()).hasValue(size);
      assertThat(files.config().family()).isEqualTo(ChameleonConfig.Family.LUMINA);
    }
  }

  @Test
  void withoutFiguresOfTheFilesTheCountOfShardsHolds() throws IOException {
    TinyChameleon.copy("meta-sharded", folder);
    Files.delete(folder.resolve("models/30b/consolidate_params.json"));

    try (ChameleonFiles files = ChameleonFiles.open(folder, LoadOptions.DEFAULT)) {
      assertThat(files.config().shards()).isEqualTo(2);
    }
  }

  @Test
  void aLargerBaseOfTheAnglesMeansALongerContext() throws IOException {
    TinyChameleon.copy("meta", folder);
    TinyChameleon.edit(
        folder.resolve("models/7b/params.json"),
        p -> p.getAsJsonObject("model").addProperty("rope_theta", 500000));

    try (ChameleonFiles files = ChameleonFiles.open(folder, LoadOptions.DEFAULT)) {
      assertThat(files.config().transformer().ropeTheta()).isEqualTo(500000);
      assertThat(files.config().transformer().maxPositionEmbeddings()).isEqualTo(16384);
    }
  }

  /** The parameters of Llama 7B, 65B and 2-70B, whose widths everyone knows. */
  @ParameterizedTest
  @CsvSource({"4096, , 256, 11008", "8192, , 256, 22016", "8192, 1.3, 4096, 28672"})
  void theFeedForwardIsAsWideAsTheAuthorsCompute(
      int dim, Double multiplier, int multipleOf, int width)
      throws IOException {
    TinyChameleon.copy("meta", folder);
    TinyChameleon.edit(
        folder.resolve("models/7b/params.json"),
        p -> {
          JsonObject model = p.getAsJsonObject("model");
          model.addProperty("dim", dim);
          model.addProperty("multiple_of", multipleOf);
          model.remove("ffn_dim_multiplier");
          if (multiplier != null) {
            model.addProperty("ffn_dim_multiplier", multiplier);
          }
        });
    MetaFolder meta = MetaFolder.of(folder);

    assertThat(meta.config().transformer().intermediateSize()).isEqualTo(width);
  }

  @Test
  void aPictureCoderIsRefusedWhereItWouldBeIgnored() {
    assertThatThrownBy(
            () ->
                Diptych.load(Golden.folder("janus/hf/checkpoint"), TinyChameleon.WITH_CODER))
        .isInstanceOf(InvalidRequestException.class)
        .hasMessageContaining("imageCoder")
        .hasMessageContaining("expected none for a Janus");
  }

  @Test
  void aResolutionThatNoPictureHasIsRefused() throws IOException {
    TinyChameleon.copy("meta", folder);
    Path yaml = folder.resolve("tokenizer/vqgan.yaml");
    Files.writeString(yaml, Files.readString(yaml).replace("resolution: 8", "resolution: 90001"));

    try (ChameleonFiles files = ChameleonFiles.open(folder, LoadOptions.DEFAULT)) {
      assertThatThrownBy(files::vq)
          .isInstanceOf(CheckpointException.class)
          .hasMessageContaining("vqgan.yaml: resolution is 90001");
    }
  }
}
