package dev.diptych.models.denoising;

import static org.assertj.core.api.Assertions.assertThat;

import dev.diptych.core.DType;
import dev.diptych.core.DeviceChoice;
import dev.diptych.core.engine.Scope;
import dev.diptych.core.engine.TorchDevice;
import dev.diptych.core.engine.TorchScript;
import dev.diptych.core.engine.Value;
import dev.diptych.core.engine.WeightLoader;
import dev.diptych.core.weights.Checkpoint;
import dev.diptych.core.weights.Weights;
import dev.diptych.models.discrete.DiscreteStates;
import dev.diptych.models.discrete.DiscreteTransformer;
import dev.diptych.models.discrete.DiscreteVocabulary;
import dev.diptych.models.discrete.TransformerConfig;
import dev.diptych.testing.Golden;
import dev.diptych.testing.Tolerance;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Random;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The decoder by itself: masks, spans, two sets of weights, and plain words. */
class DecoderTest {
  private static final WordVocabulary WORDS =
      new WordVocabulary(new int[] {7, 8, 9}, 2, OptionalInt.empty());

  private final Scope scope = new Scope();
  private TorchDevice device;
  private TorchScript script;

  @BeforeEach
  void open() {
    device = scope.add(TorchDevice.open(DeviceChoice.CPU));
    script = scope.add(DenoisingTransformer.compile(device, MixedSequence.class));
  }

  @AfterEach
  void close() {
    scope.close();
  }

  /** The reference's mask, and hidden states under it, read at once and cut around the pictures. */
  @ParameterizedTest
  @ValueSource(strings = {"linear", "unet"})
  void aSequenceOfWordsAndPicturesIsTheReferences(String name) {
    try (Golden golden = Golden.open("transfusion/" + name);
        DenoisingTransformer transformer = transformer(name)) {
      int rows = (int) golden.shape("mixed.hidden")[0];
      long[] blocks = blocks(name);
      long[] mask = mask(rows, blocks);
      byte[] expected = golden.bytes("mixed.mask");
      assertThat(mask).hasSameSizeAs(expected);
      for (int i = 0; i < mask.length; i++) {
        assertThat(mask[i]).as("row %d, column %d", i / rows, i % rows).isEqualTo(expected[i]);
      }
      Value h = scope.add(device.floats(golden.floats("mixed.embeddings"), 1, rows, 32));
      long[] around = {blocks[0], blocks[1], blocks[2], blocks[3]};
      for (long[] cuts : new long[][] {{rows}, around, {blocks[1], rows}, {2, blocks[2], rows}}) {
        Value read = scope.add(read(h, cuts, blocks, transformer));
        float[] found =
            scope
                .add(script.call("finish", read, transformer.shape(), transformer.weights()))
                .toFloats();

        Tolerance.FP32_DEEP.check(Arrays.toString(cuts), found, golden.floats("mixed.hidden"));
      }
    }
  }

  /** Words alone are computed as by the transformer of the discrete models, to the last bit. */
  @ParameterizedTest
  @ValueSource(strings = {"linear", "unet"})
  void wordsAreTheBareLlamasToTheLastBit(String name) {
    int[] ids = {1, 50, 51, 99, 200, 7, 8, 131, 5, 77};
    try (DenoisingTransformer transformer = transformer(name);
        DiscreteTransformer bare = bare(name);
        DenoisingTransformer.Cache cache = transformer.newCache(1, ids.length);
        Value last = transformer.readWords(ids, cache, 0, 0)) {
      float[] states = DiscreteStates.hiddenStates(bare, ids);

      assertThat(last.toFloats())
          .isEqualTo(Arrays.copyOfRange(states, states.length - 32, states.length));
    }
  }

  /** Read in one go or in two, words behind a gap stand where the gap put them. */
  @Test
  void wordsBehindAGapHaveItsPositions() {
    int[] words = {1, 50, 51};
    int[] more = {200, 7, 8};
    try (DenoisingTransformer transformer = transformer("linear");
        Context twice = new Context(transformer, 32, bytes -> {});
        Context once = new Context(transformer, 32, bytes -> {})) {
      twice.add(words);
      twice.read(() -> {});
      twice.skip(4);
      twice.add(more);
      twice.read(() -> {});
      once.add(words);
      once.skip(4);
      once.add(more);
      once.read(() -> {});

      assertThat(once.position()).isEqualTo(10).isEqualTo(twice.position());
      assertThat(behind(transformer, once)).isEqualTo(behind(transformer, twice));
    }
  }

  private static float[] behind(DenoisingTransformer transformer, Context context) {
    context.reserve(context.length() + 1);
    try (Value last =
        transformer.readWords(new int[] {9}, context.cache(), 6, context.position())) {
      return last.toFloats();
    }
  }

  /** Every row by its own weights, against both sets on all rows and a choice between the two. */
  @ParameterizedTest
  @CsvSource({"4, 4, false", "4, 2, true", "6, 2, false"})
  void rowsAreComputedByTheirOwnWeights(int heads, int keyHeads, boolean bias) {
    int rows = 17;
    int batch = 2;
    int width = 24;
    DecoderConfig config =
        new DecoderConfig(
            12, width, 40, 2, heads, keyHeads, 8, 1e-5, 100, rows, false, bias, true, true);
    Random random = new Random(11);
    try (DenoisingTransformer transformer =
        DenoisingTransformer.load(
            config, WORDS, DType.FLOAT32, device, weights(config, random))) {
      long[] blocks = {3, 7, 9, 15};
      Value h = scope.add(device.floats(normal(random, batch * rows * width), batch, rows, width));
      long[] inside = new long[rows];
      for (int i = 0; i < rows; i++) {
        inside[i] = i >= 3 && i < 7 || i >= 9 && i < 15 ? 1 : 0;
      }
      float[] expected =
          scope
              .add(
                  script.call(
                      "plainly",
                      h,
                      scope.add(device.longs(inside, rows)),
                      scope.add(device.longs(mask(rows, blocks), rows, rows)),
                      scope.add(device.of(2L)),
                      transformer.shape(),
                      transformer.weights()))
              .toFloats();
      for (long[] cuts : new long[][] {{rows}, {3, 7, 9, 15, rows}, {8, rows}}) {
        float[] found = scope.add(read(h, cuts, blocks, transformer)).toFloats();
        Tolerance.FP32_DEEP.check(Arrays.toString(cuts), found, expected);
      }
    }
  }

  /** A picture between two words is one span: its own rows go by its weights, and all see all. */
  @Test
  void aFramedPictureSharesOnePosition() {
    SpanLayout layout = SpanLayout.framed(4);
    assertThat(layout.rows()).isEqualTo(6);
    assertThat(layout.positions()).isEqualTo(1);
    assertThat(layout.blocks()).containsExactly(0, 6);
    assertThat(layout.pictures()).containsExactly(1, 5);

    DecoderConfig config =
        new DecoderConfig(12, 16, 24, 1, 2, 2, 8, 1e-5, 100, 32, false, false, true, true);
    try (DenoisingTransformer transformer =
            DenoisingTransformer.load(
                config, WORDS, DType.FLOAT32, device, weights(config, new Random(3)));
        Context context = new Context(transformer, 32, bytes -> {})) {
      context.add(1, 2, 3);
      context.add(new Still(layout));
      assertThat(context.position()).isEqualTo(4);
      context.add(4);
      assertThat(context.length()).isEqualTo(10);
      assertThat(context.ids()).containsExactly(1, 2, 3, -1, -1, -1, -1, -1, -1, 4);
      context.truncate(9);
      assertThat(context.position()).isEqualTo(4);
      context.truncate(3);
      assertThat(context.position()).isEqualTo(3);
      assertThat(context.hasPieces()).isFalse();
      context.skip(5);
      context.add(7);
      assertThat(context.position()).isEqualTo(9);
    }
  }

  private record Still(SpanLayout layout) implements Piece {
    @Override
    public void read(Batch batch) {
      throw new IllegalStateException("never read");
    }
  }

  private Value read(Value h, long[] cuts, long[] blocks, DenoisingTransformer transformer) {
    DecoderConfig c = transformer.config();
    return script.call(
        "read",
        h,
        scope.add(device.ints(cuts)),
        scope.add(device.ints(blocks)),
        scope.add(device.of((long) c.numHiddenLayers())),
        scope.add(device.of((long) c.numKeyValueHeads())),
        transformer.shape(),
        transformer.weights());
  }

  private long[] mask(int rows, long[] blocks) {
    Value size = scope.add(device.of((long) rows));
    Value like = scope.add(device.floats(new float[1], 1));
    return scope
        .add(
            script.call(
                "mask",
                size,
                size,
                scope.add(device.of(0L)),
                scope.add(device.ints(blocks)),
                like))
        .toLongs();
  }

  private static long[] blocks(String name) {
    return Golden.facts("transfusion/" + name)
        .getAsJsonObject("mixed")
        .getAsJsonArray("blocks")
        .asList()
        .stream()
        .mapToLong(e -> e.getAsLong())
        .toArray();
  }

  private DenoisingTransformer transformer(String name) {
    boolean unet = name.equals("unet");
    DecoderConfig config =
        new DecoderConfig(
            263, 32, 48, 2, 4, unet ? 2 : 4, 8, 1e-5, 5000, 512, unet, false, false, false);
    try (Checkpoint checkpoint = Checkpoint.open(Golden.folder("transfusion/" + name))) {
      Map<String, WeightLoader.Slice> slices =
          DecoderWeights.bind(Weights.of(checkpoint), config, UnaryOperator.identity());
      return DenoisingTransformer.load(
          config,
          WORDS,
          DType.FLOAT32,
          device,
          WeightLoader.load(device, checkpoint, slices, DType.FLOAT32));
    }
  }

  private DiscreteTransformer bare(String name) {
    boolean unet = name.equals("unet");
    TransformerConfig config =
        new TransformerConfig(
            263, 32, 48, 2, 4, unet ? 2 : 4, 8, 1e-5, 5000, 512, false, false, false);
    DiscreteVocabulary vocabulary =
        new DiscreteVocabulary(new int[] {10, 11}, new int[] {12}, 2, 3, 4);
    DecoderConfig names =
        new DecoderConfig(
            263, 32, 48, 2, 4, unet ? 2 : 4, 8, 1e-5, 5000, 512, unet, false, false, false);
    try (Checkpoint checkpoint = Checkpoint.open(Golden.folder("transfusion/" + name))) {
      return DiscreteTransformer.load(
          config,
          vocabulary,
          DType.FLOAT32,
          device,
          WeightLoader.load(
              device,
              checkpoint,
              DecoderWeights.bind(Weights.of(checkpoint), names, UnaryOperator.identity()),
              DType.FLOAT32));
    }
  }

  /** Random weights, both sets different. */
  private Value weights(DecoderConfig c, Random random) {
    Map<String, Value> tensors = new LinkedHashMap<>();
    int d = c.hiddenSize();
    int q = c.numAttentionHeads() * c.headDim();
    int kv = c.numKeyValueHeads() * c.headDim();
    put(tensors, random, "model.embed_tokens.weight", c.vocabSize(), d);
    put(tensors, random, "lm_head.weight", c.vocabSize(), d);
    for (String branch : List.of("", "_image")) {
      for (int i = 0; i < c.numHiddenLayers(); i++) {
        String p = "model.layers." + i + ".";
        put(tensors, random, p + "input_layernorm" + branch + ".weight", d);
        put(tensors, random, p + "post_attention_layernorm" + branch + ".weight", d);
        put(tensors, random, p + "self_attn.q_proj" + branch + ".weight", q, d);
        put(tensors, random, p + "self_attn.k_proj" + branch + ".weight", kv, d);
        put(tensors, random, p + "self_attn.v_proj" + branch + ".weight", kv, d);
        if (c.qkvBias()) {
          put(tensors, random, p + "self_attn.q_proj" + branch + ".bias", q);
          put(tensors, random, p + "self_attn.k_proj" + branch + ".bias", kv);
          put(tensors, random, p + "self_attn.v_proj" + branch + ".bias", kv);
        }
        put(tensors, random, p + "self_attn.q_norm" + branch + ".weight", c.headDim());
        put(tensors, random, p + "self_attn.k_norm" + branch + ".weight", c.headDim());
        put(tensors, random, p + "self_attn.o_proj" + branch + ".weight", d, q);
        put(tensors, random, p + "mlp" + branch + ".gate_proj.weight", c.intermediateSize(), d);
        put(tensors, random, p + "mlp" + branch + ".up_proj.weight", c.intermediateSize(), d);
        put(tensors, random, p + "mlp" + branch + ".down_proj.weight", d, c.intermediateSize());
      }
      put(tensors, random, "model.norm" + branch + ".weight", d);
    }
    try (Scope made = new Scope()) {
      tensors.values().forEach(made::add);
      return device.dictionary(tensors);
    }
  }

  private void put(Map<String, Value> tensors, Random random, String name, int... shape) {
    int size = Arrays.stream(shape).reduce(1, (a, b) -> a * b);
    float[] values = normal(random, size);
    double scale = shape.length == 1 ? 1 : 1 / Math.sqrt(shape[1]);
    for (int i = 0; i < size; i++) {
      values[i] *= (float) scale;
    }
    tensors.put(name, device.floats(values, Arrays.stream(shape).asLongStream().toArray()));
  }

  private static float[] normal(Random random, int size) {
    float[] values = new float[size];
    for (int i = 0; i < size; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return values;
  }
}
