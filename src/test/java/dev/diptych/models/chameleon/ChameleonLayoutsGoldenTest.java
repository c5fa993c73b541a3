package dev.diptych.models.chameleon;

import static org.assertj.core.api.Assertions.assertThat;

import dev.diptych.core.DType;
import dev.diptych.core.DeviceChoice;
import dev.diptych.core.LoadOptions;
import dev.diptych.core.engine.Scope;
import dev.diptych.core.engine.TorchDevice;
import dev.diptych.core.engine.WeightLoader;
import dev.diptych.core.vq.VqConfig;
import dev.diptych.core.weights.Checkpoint;
import dev.diptych.core.weights.CheckpointSummary;
import dev.diptych.core.weights.Weights;
import dev.diptych.models.Diptych;
import dev.diptych.models.discrete.DiscreteStates;
import dev.diptych.models.discrete.DiscreteTransformer;
import dev.diptych.models.discrete.TransformerConfig;
import dev.diptych.testing.Golden;
import dev.diptych.testing.Tolerance;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The same numbers come out of every layout in which the same weights were published. */
class ChameleonLayoutsGoldenTest {
  @TempDir private Path folder;

  @ParameterizedTest
  @ValueSource(strings = {"hf", "meta", "lumina-7b-512", "hf-swin", "meta-sharded"})
  void everyLayoutComputesWhatTransformersComputes(String layout) {
    try (Scope scope = new Scope()) {
      ChameleonFiles files =
          scope.add(
              ChameleonFiles.open(TinyChameleon.checkpoint(layout), TinyChameleon.WITH_CODER));
      Checkpoint golden = scope.add(TinyChameleon.goldens(layout));
      DiscreteTransformer transformer = load(scope, files);
      int[] ids = TinyChameleon.ints(golden, "input_ids");

      Tolerance.FP32_DEEP.check(
          "hidden states",
          DiscreteStates.hiddenStates(transformer, ids),
          TinyChameleon.floats(golden, "hidden_states"));
      Tolerance.FP32_DEEP.check(
          "logits",
          DiscreteStates.allLogits(transformer, ids),
          TinyChameleon.floats(golden, "logits"));
    }
  }

  private static DiscreteTransformer load(Scope scope, ChameleonFiles files) {
    Weights weights = Weights.of(files.checkpoint());
    Map<String, WeightLoader.Slice> slices = ChameleonWeights.bind(weights, files);
    weights.done();
    TorchDevice device = scope.add(TorchDevice.open(DeviceChoice.CPU));
    return scope.add(
        DiscreteTransformer.load(
            files.config().transformer(),
            files.vocabulary().discrete(files.config().family()),
            DType.FLOAT32,
            device,
            WeightLoader.load(device, files.checkpoint(), slices, DType.FLOAT32)));
  }

  @Test
  void theSizesOfMetasFilesAreThoseOfTransformers() {
    TransformerConfig hf = config("hf-swin").transformer();
    TransformerConfig meta = config("meta-sharded").transformer();

    assertThat(meta)
        .isEqualTo(
            new TransformerConfig(
                hf.vocabSize(),
                hf.hiddenSize(),
                hf.intermediateSize(),
                hf.numHiddenLayers(),
                hf.numAttentionHeads(),
                hf.numKeyValueHeads(),
                hf.headDim(),
                hf.rmsNormEps(),
                hf.ropeTheta(),
                hf.maxPositionEmbeddings(),
                true,
                true,
                true));
    assertThat(hf.interleavedRope()).isFalse();
    assertThat(config("meta-sharded").shards()).isEqualTo(2);
  }

  private static ChameleonConfig config(String layout) {
    try (ChameleonFiles files =
        ChameleonFiles.open(TinyChameleon.checkpoint(layout), TinyChameleon.WITH_CODER)) {
      return files.config();
    }
  }

  @Test
  void metasDownloadIsFoundFromAnyOfItsFolders() throws IOException {
    assertOpens(TinyChameleon.checkpoint("meta"), "checkpoint");
    assertOpens(TinyChameleon.checkpoint("meta").resolve("models/7b"), "checkpoint");
    // Anole's repository has a config.json of another kind beside params.json
    TinyChameleon.copy("meta", folder);
    Files.writeString(folder.resolve("models/7b/config.json"), "{\"model\": \"anole\"}");
    assertOpens(folder.resolve("models/7b"), folder.getFileName().toString());

    Path flat = Files.createDirectory(folder.resolve("flat"));
    for (String file : new String[] {"consolidated.pth", "params.json"}) {
      Files.copy(folder.resolve("models/7b").resolve(file), flat.resolve(file));
    }
    for (String file : new String[] {"text_tokenizer.json", "vqgan.ckpt", "vqgan.yaml"}) {
      Files.copy(folder.resolve("tokenizer").resolve(file), flat.resolve(file));
    }
    assertOpens(flat, "flat");
  }

  private static void assertOpens(Path path, String name) {
    try (ChameleonFiles files = ChameleonFiles.open(path, LoadOptions.DEFAULT)) {
      assertThat(files.name()).isEqualTo(name);
      assertThat(files.hasDecoder()).isTrue();
      assertThat(files.vq().numCodes()).isEqualTo(16);
      Weights weights = Weights.of(files.checkpoint());
      ChameleonWeights.bind(weights, files);
      assertThat(weights.report().fits()).isTrue();
    }
    assertThat(Diptych.inspect(path).layout()).hasValue("original (Meta)");
  }

  @Test
  void aPictureCoderFromElsewhereStandsInForTheOneThatOnlyReads() {
    try (ChameleonFiles own =
            ChameleonFiles.open(TinyChameleon.checkpoint("hf"), LoadOptions.DEFAULT);
        ChameleonFiles given =
            ChameleonFiles.open(TinyChameleon.checkpoint("hf"), TinyChameleon.WITH_CODER)) {
      assertThat(own.coderPrefix()).hasValue("model.vqmodel.");
      assertThat(own.vq().hasDecoder()).isFalse();
      VqConfig vq = given.vq();
      assertThat(given.coderPrefix()).hasValue("image_coder.");
      assertThat(vq.hasDecoder()).isTrue();
      assertThat(vq.imageSize()).isEqualTo(8);
      Weights weights = Weights.of(given.checkpoint());
      ChameleonWeights.bind(weights, given);
      assertThat(weights.report().fits()).isTrue();
      assertThat(weights.report().ignored())
          .containsEntry(
              "model.vqmodel.quantize.embedding.weight", "another picture coder stands in for it");
    }
  }

  @Test
  void thePictureCoderMayBeAFileAFolderOfMetasOrAWholeModel() {
    Path meta = TinyChameleon.checkpoint("meta");
    for (Path coder :
        new Path[] {
          meta, meta.resolve("tokenizer"), meta.resolve("tokenizer/vqgan.ckpt"),
          Golden.folder("chameleon/image-coder/model.safetensors"), TinyChameleon.checkpoint("hf")
        }) {
      try (ChameleonFiles files =
          ChameleonFiles.open(
              TinyChameleon.checkpoint("lumina-7b-512"),
              LoadOptions.DEFAULT.withImageCoder(coder))) {
        Weights weights = Weights.of(files.checkpoint());
        ChameleonWeights.bind(weights, files);
        assertThat(weights.report().fits()).as("%s: %s", coder, weights.report()).isTrue();
        assertThat(files.vq().gridSize()).isEqualTo(4);
      }
    }
  }

  @Test
  void aSummaryTellsWhatTheCheckpointCanDo() {
    CheckpointSummary hf = Diptych.inspect(TinyChameleon.checkpoint("hf"));
    assertThat(hf.family()).isEqualTo("chameleon");
    assertThat(hf.layout()).hasValue("HF-native, no picture decoder: reads pictures, writes text only");
    assertThat(hf.fit()).hasValueSatisfying(fit -> assertThat(fit.fits()).isTrue());
    assertThat(hf.sizes()).containsEntry("text.vocab_size", "350").containsEntry("image.tokens", "16");
    CheckpointSummary lumina = Diptych.inspect(TinyChameleon.checkpoint("lumina-7b-512"));
    assertThat(lumina.layout())
        .hasValue("HF-native (Lumina-mGPT), no picture coder: reads and writes text only");
    assertThat(lumina.sizes()).containsEntry("image.target_size", "512");
    assertThat(Diptych.inspect(TinyChameleon.checkpoint("meta-sharded")).fit())
        .hasValueSatisfying(fit -> assertThat(fit.fits()).isTrue());
  }

  @Test
  void onlyAWholeCoderIsExportedToDraw() {
    Path file = folder.resolve("decoder.onnx");

    assertThat(Diptych.exportVqDecoder(TinyChameleon.checkpoint("meta"), file)).isNotEmpty();
    assertThat(Diptych.exportVqEncoder(TinyChameleon.checkpoint("hf"), file)).isNotEmpty();
    org.assertj.core.api.Assertions.assertThatThrownBy(
            () -> Diptych.exportVqDecoder(TinyChameleon.checkpoint("hf"), file))
        .isInstanceOf(dev.diptych.core.UnsupportedModelException.class)
        .hasMessageContaining("an encoder alone");
  }
}
