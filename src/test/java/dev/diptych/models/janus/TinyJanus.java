package dev.diptych.models.janus;

import com.google.gson.JsonArray;
import dev.diptych.core.DType;
import dev.diptych.core.DeviceChoice;
import dev.diptych.core.GenerationOptions;
import dev.diptych.core.engine.Scope;
import dev.diptych.core.engine.TorchDevice;
import dev.diptych.core.engine.Value;
import dev.diptych.core.weights.Checkpoint;
import dev.diptych.core.weights.JsonMap;
import dev.diptych.core.weights.Weights;
import dev.diptych.testing.Golden;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;

/** The transformer of a tiny random checkpoint, loaded as the model loads it. */
final class TinyJanus implements AutoCloseable {
  private final Scope scope;
  private final JanusConfig config;
  private final JanusTransformer transformer;

  private TinyJanus(Scope scope, JanusConfig config, JanusTransformer transformer) {
    this.scope = scope;
    this.config = config;
    this.transformer = transformer;
  }

  static Path checkpoint(String layout) {
    return Golden.folder("janus/" + layout + "/checkpoint");
  }

  static TinyJanus open(String layout, DType dtype) {
    Scope scope = new Scope();
    Checkpoint checkpoint = scope.add(Checkpoint.open(checkpoint(layout)));
    JsonMap json = JsonMap.read(checkpoint(layout).resolve("config.json"), 1 << 20);
    JanusConfig config = JanusConfig.read(json, checkpoint);
    Weights weights = Weights.of(checkpoint);
    TorchDevice device = scope.add(TorchDevice.open(DeviceChoice.CPU));
    JanusTransformer transformer =
        scope.add(
            JanusTransformer.load(
                config, dtype, device, checkpoint, JanusWeights.bind(weights, config)));
    return new TinyJanus(scope, config, transformer);
  }

  JanusConfig config() {
    return config;
  }

  JanusTransformer transformer() {
    return transformer;
  }

  /** The caption prompt with its picture in place, [1, T, D]. */
  Value prompt(String layout, Golden golden) {
    JsonArray array =
        Golden.facts("janus/" + layout + "/understand").getAsJsonArray("input_ids");
    int[] ids = IntStream.range(0, array.size()).map(i -> array.get(i).getAsInt()).toArray();
    int placeholder = mostFrequent(ids);
    int[] positions = IntStream.range(0, ids.length).filter(i -> ids[i] == placeholder).toArray();
    try (Value embeds = transformer.embedTokens(ids, 1);
        Value features = transformer.encodeImages(golden.floats("pixel_values"), 1)) {
      return transformer.placeImages(embeds, features, positions);
    }
  }

  List<Integer> drawGreedily(int[] ids, int[] unconditional, double guidance) {
    GenerationOptions options =
        GenerationOptions.builder().greedy(true).guidanceScale(guidance).build();
    return draw(ids, unconditional, options, 1).get(0);
  }

  List<List<Integer>> draw(
      int[] ids, int[] unconditional, GenerationOptions options, int pictures) {
    JanusDrawer.Steps quiet =
        new JanusDrawer.Steps() {
          @Override
          public void before() {}

          @Override
          public void after(int[][] codes, int done) {}
        };
    int[][] codes =
        new JanusDrawer(transformer, config.imageTokens())
            .draw(
                ids,
                unconditional,
                options.toBuilder().pictures(pictures).build(),
                Optional.empty(),
                quiet);
    return Arrays.stream(codes).map(c -> Arrays.stream(c).boxed().toList()).toList();
  }

  private static int mostFrequent(int[] ids) {
    return Arrays.stream(ids)
        .boxed()
        .max(
            java.util.Comparator.comparingLong(
                id -> Arrays.stream(ids).filter(other -> other == id).count()))
        .orElseThrow();
  }

  @Override
  public void close() {
    scope.close();
  }
}
