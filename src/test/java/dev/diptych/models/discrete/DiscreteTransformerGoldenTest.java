package dev.diptych.models.discrete;

import static org.assertj.core.api.Assertions.assertThat;

import dev.diptych.core.DType;
import dev.diptych.core.DeviceChoice;
import dev.diptych.core.GenerationOptions;
import dev.diptych.core.engine.Scope;
import dev.diptych.core.engine.TorchDevice;
import dev.diptych.core.engine.Value;
import dev.diptych.core.engine.WeightLoader;
import dev.diptych.core.weights.Checkpoint;
import dev.diptych.core.weights.JsonMap;
import dev.diptych.testing.Golden;
import dev.diptych.testing.Tolerance;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The shared transformer against transformers' Chameleon, element by element. */
class DiscreteTransformerGoldenTest {
  private static final int LAYERS = 2;
  private static final Guidance NO_GUIDANCE =
      new Guidance(1, OptionalDouble.of(1), new int[] {0, 68});

  @ParameterizedTest
  @ValueSource(strings = {"hf", "hf-swin"})
  void everyHiddenStateAndLogitAgrees(String layout) {
    try (Scope scope = new Scope()) {
      Checkpoint golden = golden(scope, layout);
      DiscreteTransformer transformer = transformer(scope, layout);
      int[] ids = ints(golden, "input_ids");

      float[] states = transformer.hiddenStates(ids);
      float[] expected = floats(golden, "hidden_states");
      int size = expected.length / (LAYERS + 2);
      assertThat(states).hasSameSizeAs(expected);
      for (int i = 0; i < LAYERS + 2; i++) {
        Tolerance.FP32_DEEP.check(
            "state " + i,
            Arrays.copyOfRange(states, i * size, (i + 1) * size),
            Arrays.copyOfRange(expected, i * size, (i + 1) * size));
      }
      Tolerance.FP32_DEEP.check(
          "logits", transformer.allLogits(ids), floats(golden, "logits"));
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"hf", "hf-swin"})
  void greedyTextIdsAreEqual(String layout) {
    try (Scope scope = new Scope()) {
      Checkpoint golden = golden(scope, layout);
      DiscreteTransformer transformer = transformer(scope, layout);
      DiscreteTransformer.Sampling sampling =
          scope.add(
              transformer
              .new Sampling(GenerationOptions.builder().greedy(true).build(), NO_GUIDANCE));
      int[] ids = ints(golden, "input_ids");
      int[] expected = ints(golden, "greedy_text_ids");
      DiscreteTransformer.Cache cache =
          scope.add(transformer.newCache(1, ids.length + expected.length));

      int[] found = new int[expected.length];
      int pos = 0;
      int[] feed = ids;
      for (int i = 0; i < found.length; i++) {
        found[i] = sampling.decodeText(feed, cache, pos, false, new int[0], 0);
        pos += feed.length;
        feed = new int[] {found[i]};
      }
      assertThat(found).containsExactly(expected);
    }
  }

  /** Rows of three contexts of different lengths in one pass are what each is by itself. */
  @Test
  void raggedContextsOfABatchDoNotTouchEachOther() {
    try (Scope scope = new Scope()) {
      Checkpoint golden = golden(scope, "hf-swin");
      DiscreteTransformer transformer = transformer(scope, "hf-swin");
      int[] ids = ints(golden, "input_ids");
      int[] lengths = {ids.length, 20, 3};
      DiscreteTransformer.Cache[] together = new DiscreteTransformer.Cache[3];
      long[] positions = new long[3];
      float[][] alone = new float[3][];
      for (int g = 0; g < 3; g++) {
        int[] part = Arrays.copyOf(ids, lengths[g]);
        together[g] = scope.add(transformer.newCache(1, lengths[g] + 2));
        scope.add(transformer.prefill(part, together[g], 0));
        positions[g] = lengths[g];
        int[] longer = IntStream.concat(Arrays.stream(part), IntStream.of(9, 11)).toArray();
        DiscreteTransformer.Cache own = scope.add(transformer.newCache(1, longer.length));
        alone[g] = scope.add(transformer.prefill(longer, own, 0)).toFloats();
      }
      Value groups = scope.add(transformer.groups(Arrays.asList(together)));
      float[] found =
          scope
              .add(transformer.prefillGroups(new int[] {9, 11}, groups, positions))
              .toFloats();

      int width = alone[0].length;
      for (int g = 0; g < 3; g++) {
        Tolerance.FP32.check(
            "context " + g, Arrays.copyOfRange(found, g * width, (g + 1) * width), alone[g]);
      }
    }
  }

  /** Codes whose tokens do not follow each other have a head of their own. */
  @Test
  void codesWithGapsBetweenTheirTokensAreChosenByTheirOwnRows() {
    int[] imageIds = {5, 6, 9, 30, 31, 200, 349};
    try (Scope scope = new Scope()) {
      Checkpoint golden = golden(scope, "hf");
      DiscreteTransformer transformer =
          transformer(
              scope, "hf", new DiscreteVocabulary(imageIds, new int[] {93, 94}, 2, 69, 68));
      int[] ids = ints(golden, "input_ids");
      float[] logits = floats(golden, "logits");
      int last = logits.length - transformer.config().vocabSize();
      int best = 0;
      for (int code = 0; code < imageIds.length; code++) {
        best = logits[last + imageIds[code]] > logits[last + imageIds[best]] ? code : best;
      }
      DiscreteTransformer.Cache cache = scope.add(transformer.newCache(1, ids.length + 2));
      Value hidden = scope.add(transformer.prefill(ids, cache, 0));
      DiscreteTransformer.Sampling sampling =
          scope.add(
              transformer
              .new Sampling(GenerationOptions.builder().greedy(true).build(), NO_GUIDANCE));
      Value codes = scope.add(transformer.newCodes(1, 2));
      Value bits = scope.add(transformer.longs(new long[2], 1, 2));

      assertThat(sampling.firstCodes(List.of(hidden), codes, bits)).containsExactly(best);
      Value groups = scope.add(transformer.groups(List.of(cache)));
      long[] next =
          sampling.decodeCodes(1, codes, new int[0], groups, new long[] {ids.length}, bits);

      int[] longer = IntStream.concat(Arrays.stream(ids), IntStream.of(imageIds[best])).toArray();
      float[] after = transformer.allLogits(longer);
      int end = after.length - transformer.config().vocabSize();
      int expected = 0;
      for (int code = 0; code < imageIds.length; code++) {
        expected = after[end + imageIds[code]] > after[end + imageIds[expected]] ? code : expected;
      }
      assertThat(next).containsExactly(expected);
    }
  }

  private static DiscreteTransformer transformer(Scope scope, String layout) {
    Checkpoint golden = golden(scope, layout);
    return transformer(
        scope,
        layout,
        new DiscreteVocabulary(
            IntStream.range(4, 68).toArray(), ints(golden, "text_ids"), 2, 69, 68));
  }

  private static DiscreteTransformer transformer(
      Scope scope, String layout, DiscreteVocabulary vocabulary) {
    Path folder = Golden.folder("chameleon/" + layout + "/checkpoint");
    JsonMap json = JsonMap.read(folder.resolve("config.json"), 1 << 20);
    int hidden = json.integer("hidden_size", 1, 1 << 16);
    int heads = json.integer("num_attention_heads", 1, 64);
    TransformerConfig config =
        new TransformerConfig(
            json.integer("vocab_size", 1, 1 << 16),
            hidden,
            json.integer("intermediate_size", 1, 1 << 16),
            json.integer("num_hidden_layers", 1, 64),
            heads,
            json.integer("num_key_value_heads", 1, 64),
            hidden / heads,
            1e-5,
            10000,
            json.integer("max_position_embeddings", 1, 1 << 16),
            true,
            json.boolOr("swin_norm", false),
            false);
    Checkpoint checkpoint = scope.add(Checkpoint.open(folder));
    Map<String, WeightLoader.Slice> slices = new LinkedHashMap<>();
    checkpoint.names().stream()
        .filter(n -> !n.startsWith("model.vqmodel."))
        .forEach(n -> slices.put(n, WeightLoader.Slice.of(checkpoint.spec(n))));
    TorchDevice device = scope.add(TorchDevice.open(DeviceChoice.CPU));
    return scope.add(
        DiscreteTransformer.load(
            config,
            vocabulary,
            DType.FLOAT32,
            device,
            WeightLoader.load(device, checkpoint, slices, DType.FLOAT32)));
  }

  private static Checkpoint golden(Scope scope, String layout) {
    return scope.add(
        Checkpoint.openFile(
            Golden.folder("chameleon/" + layout).resolve("goldens.safetensors")));
  }

  private static int[] ints(Checkpoint golden, String name) {
    ByteBuffer bytes = golden.read(name);
    int[] values = new int[bytes.remaining() / 8];
    for (int i = 0; i < values.length; i++) {
      values[i] = Math.toIntExact(bytes.getLong(8 * i));
    }
    return values;
  }

  private static float[] floats(Checkpoint golden, String name) {
    ByteBuffer bytes = golden.read(name);
    float[] values = new float[bytes.remaining() / 4];
    bytes.asFloatBuffer().get(values);
    return values;
  }
}
