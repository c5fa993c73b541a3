package dev.diptych.models.janus;

import dev.diptych.core.DType;
import dev.diptych.core.GenerationOptions;
import dev.diptych.core.Modality;
import dev.diptych.core.Probe;
import dev.diptych.core.engine.Scope;
import dev.diptych.core.engine.TorchDevice;
import dev.diptych.core.engine.TorchScript;
import dev.diptych.core.engine.Value;
import dev.diptych.core.engine.WeightLoader;
import dev.diptych.core.weights.Checkpoint;
import dev.diptych.models.deepseek.LlamaSizes;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The neural part of Janus: vision tower, aligners, language model, both heads. Holds the weights
 * and nothing that changes; what changes is a {@link Cache} or a value of the caller's. Every method
 * is one native call unless it says otherwise.
 */
final class JanusTransformer implements AutoCloseable {
  static final List<String> SHARED =
      List.of(
          "core/nn/linear",
          "core/nn/norm",
          "core/nn/rope",
          "core/nn/mask",
          "core/nn/attention",
          "core/nn/siglip",
          "core/nn/sampling");

  private final JanusConfig config;
  private final DType dtype;
  private final TorchDevice device;
  private final TorchScript script;
  private final Value weights;
  private final Value rope;
  private final Value headDim;
  private final Value eps;

  private JanusTransformer(
      JanusConfig config,
      DType dtype,
      TorchDevice device,
      TorchScript script,
      Value weights,
      Value rope) {
    this.config = config;
    this.dtype = dtype;
    this.device = device;
    this.script = script;
    this.weights = weights;
    this.rope = rope;
    this.headDim = device.of(config.text().headDim());
    this.eps = device.of(config.text().rmsNormEps());
  }

  /** Compiles the script and loads the weights; several native calls. */
  static JanusTransformer load(
      JanusConfig config,
      DType dtype,
      TorchDevice device,
      Checkpoint checkpoint,
      Map<String, WeightLoader.Slice> slices) {
    Scope onFailure = new Scope();
    try {
      TorchScript script =
          onFailure.add(TorchScript.load(device, JanusTransformer.class, SHARED));
      Value weights = onFailure.add(WeightLoader.load(
                  device, checkpoint, slices, dtype, JanusTransformer::quantises));
      LlamaSizes c = config.text();
      try (Scope scope = new Scope()) {
        Value rope =
            script.call(
                "rope_table",
                scope.add(device.of(c.maxPositionEmbeddings())),
                scope.add(device.of(c.headDim())),
                scope.add(device.of(c.ropeTheta())),
                weights);
        return new JanusTransformer(config, dtype, device, script, weights, rope);
      }
    } catch (RuntimeException | Error e) {
      onFailure.close();
      throw e;
    }
  }

  /** {@return whether a tensor of this name is quantised where the dtype says so} */
  static boolean quantises(String name) {
    return name.startsWith("model.language_model.layers.") && name.endsWith("_proj.weight")
        || name.startsWith("model.generation_head.")
        || name.startsWith("model.generation_aligner.")
        || name.equals("lm_head.weight");
  }

  /**
   * Keys and values of every layer.
   *
   * @param capacity positions that fit
   */
  record Cache(Value tensors, int rows, int capacity) implements AutoCloseable {
    @Override
    public void close() {
      tensors.close();
    }
  }

  /** {@return whether the weights and caches are on a GPU} */
  boolean gpu() {
    return device.gpu();
  }

  /** {@return bytes that a cache takes} */
  long cacheBytes(long rows, long capacity) {
    LlamaSizes c = config.text();
    long perPosition = 2L * c.numHiddenLayers() * c.numKeyValueHeads() * c.headDim();
    return Math.multiplyExact(
        Math.multiplyExact(rows, capacity), perPosition * dtype.bytes());
  }

  Cache newCache(int rows, int capacity) {
    LlamaSizes c = config.text();
    try (Scope scope = new Scope()) {
      Value tensors =
          script.call(
              "new_cache",
              scope.add(device.of(c.numHiddenLayers())),
              scope.add(device.of(rows)),
              scope.add(device.of(c.numKeyValueHeads())),
              headDim,
              scope.add(device.of(capacity)),
              scope.add(device.of(device.turnedKeys())),
              weights);
      return new Cache(tensors, rows, capacity);
    }
  }

  /** Copies the first positions; row r of the source goes to as many rows of the target as fit. */
  void copyCache(Cache source, Cache target, int length) {
    try (Scope scope = new Scope()) {
      script
          .call(
              "copy_cache",
              source.tensors(),
              target.tensors(),
              scope.add(device.of(length)),
              scope.add(device.of(target.rows() / source.rows())))
          .close();
    }
  }

  /**
   * Reads pictures.
   *
   * @param pixelValues [N, 3, Y, X] float32, normalised
   * @return [N, P, D] what the language model reads
   */
  Value encodeImages(float[] pixelValues, int images) {
    return vision("encode_images", pixelValues, images);
  }

  /** {@return [N, P, Dv], the vision tower's tokens after its final norm} */
  Value visionModel(float[] pixelValues, int images) {
    return vision("vision_model", pixelValues, images);
  }

  private Value vision(String method, float[] pixelValues, int images) {
    JanusConfig.Vision c = config.vision();
    try (Scope scope = new Scope()) {
      return script.call(
          method,
          scope.add(device.floats(pixelValues, images, 3, c.imageSize(), c.imageSize())),
          scope.add(device.of(c.headDim())),
          scope.add(device.of(c.numHiddenLayers())),
          scope.add(device.of(c.layerNormEps())),
          weights);
    }
  }

  /**
   * Looks tokens up.
   *
   * @param ids [B, T], rows one after the other
   * @return [B, T, D]
   */
  Value embedTokens(int[] ids, int rows) {
    try (Value tokens = device.longs(ids, rows, ids.length / rows)) {
      return script.call("embed_tokens", tokens, weights);
    }
  }

  /**
   * Puts pictures where their placeholders are.
   *
   * @param embeds [1, T, D]
   * @param features [N, P, D]
   * @param positions [N * P] places in the sequence
   * @return [1, T, D]
   */
  Value placeImages(Value embeds, Value features, int[] positions) {
    try (Value at = device.longs(positions, positions.length)) {
      return script.call("place_images", embeds, features, at);
    }
  }

  /** {@return positions first to first + length - 1 of [B, T, D]} */
  Value narrow(Value embeds, int first, int length) {
    try (Value from = device.of(first);
        Value count = device.of(length)) {
      return script.call("narrow", embeds, from, count);
    }
  }

  /**
   * Reads embeddings into the cache.
   *
   * @param embeds [B, T, D] of positions pos to pos + T - 1
   * @return [B, D] the hidden state of the last one, after the final norm
   */
  Value prefill(Value embeds, Cache cache, int pos) {
    try (Value at = device.of(pos)) {
      return script.call("prefill", embeds, cache.tensors(), rope, at, headDim, eps, weights);
    }
  }

  /** How tokens are drawn, as native values; made once a request. */
  final class Sampling implements AutoCloseable {
    private final Scope scope = new Scope();
    private final Value penalty;
    private final Value guidance;
    private final Value greedy;
    private final Value temperature;
    private final Value topK;
    private final Value topP;
    private final boolean penalises;
    private final Optional<Probe> probe;

    Sampling(GenerationOptions options) {
      this(options, Optional.empty());
    }

    /**
     * Prepares the sampling that the options ask for.
     *
     * @param probe chooses in its place
     */
    Sampling(GenerationOptions options, Optional<Probe> probe) {
      this.probe = probe;
      penalises = options.repetitionPenalty().orElse(1) != 1;
      penalty = scope.add(device.of(options.repetitionPenalty().orElse(1)));
      guidance = scope.add(device.of(options.guidanceScale().orElse(1)));
      greedy = scope.add(device.of(options.isGreedy()));
      temperature = scope.add(device.of(options.isGreedy() ? 1 : options.temperature().orElse(1)));
      topK = scope.add(device.of((long) options.topK().orElse(0)));
      topP = scope.add(device.of(options.topP().orElse(1)));
    }

    /**
     * The token after a prompt.
     *
     * @param hidden [1, D]
     * @param seen ids that the repetition penalty counts
     * @param bits 53 random bits
     * @return the id, -1 if the logits are not finite
     */
    int firstToken(Value hidden, List<Integer> seen, long bits) {
      if (probe.isPresent()) {
        try (Value logits = script.call("text_logits", hidden, weights)) {
          return Probe.ask(probe.get(), Modality.TEXT, logits.toFloats());
        }
      }
      try (Scope call = new Scope()) {
        Value id =
            call.add(
                script.call(
                    "first_token",
                    hidden,
                    call.add(seen(seen)),
                    penalty,
                    greedy,
                    temperature,
                    topK,
                    topP,
                    call.add(device.longs(new long[] {bits}, 1)),
                    weights));
        return (int) id.toLongs()[0];
      }
    }

    /** The token after {@code id}, which stands at position pos. */
    int decodeText(int id, Cache cache, int pos, List<Integer> seen, long bits) {
      if (probe.isPresent()) {
        try (Value embeds = embedTokens(new int[] {id}, 1);
            Value hidden = prefill(embeds, cache, pos)) {
          return firstToken(hidden, seen, bits);
        }
      }
      try (Scope call = new Scope()) {
        Value next =
            call.add(
                script.call(
                    "decode_text",
                    call.add(device.longs(new long[] {id}, 1)),
                    cache.tensors(),
                    rope,
                    call.add(device.of(pos)),
                    headDim,
                    eps,
                    call.add(seen(seen)),
                    penalty,
                    greedy,
                    temperature,
                    topK,
                    topP,
                    call.add(device.longs(new long[] {bits}, 1)),
                    weights));
        return (int) next.toLongs()[0];
      }
    }

    /**
     * The first code of every picture, all from one prompt.
     *
     * @param hidden [1, D], or [2, D] with the unconditional row second
     * @param codes [N, P], of which column 0 is filled
     * @param bits [N, P]
     * @return [N], -1 where the logits are not finite
     */
    long[] firstCodes(Value hidden, Value codes, Value bits) {
      if (probe.isPresent()) {
        return askForCode(0, hidden, codes);
      }
      try (Value found =
          script.call(
              "first_codes",
              hidden,
              codes,
              guidance,
              greedy,
              temperature,
              topK,
              topP,
              bits,
              weights)) {
        return found.toLongs();
      }
    }

    /** The codes of column {@code step}; those of the column before stand at position pos. */
    long[] decodeCodes(int step, Value codes, boolean guided, Cache cache, int pos, Value bits) {
      if (probe.isPresent()) {
        try (Scope call = new Scope()) {
          Value hidden =
              call.add(
                  script.call(
                      "read_codes",
                      call.add(device.of(step)),
                      codes,
                      call.add(device.of(guided)),
                      cache.tensors(),
                      rope,
                      call.add(device.of(pos)),
                      headDim,
                      eps,
                      weights));
          return askForCode(step, hidden, codes);
        }
      }
      try (Scope call = new Scope()) {
        Value found =
            call.add(
                script.call(
                    "decode_codes",
                    call.add(device.of(step)),
                    codes,
                    call.add(device.of(guided)),
                    cache.tensors(),
                    rope,
                    call.add(device.of(pos)),
                    headDim,
                    eps,
                    guidance,
                    greedy,
                    temperature,
                    topK,
                    topP,
                    bits,
                    weights));
        return found.toLongs();
      }
    }

    /** Of one picture. */
    private long[] askForCode(int step, Value hidden, Value codes) {
      try (Scope call = new Scope()) {
        Value one = call.add(device.of(1));
        float[] logits =
            call.add(script.call("code_logits", hidden, one, guidance, weights)).toFloats();
        long[] code = {Probe.ask(probe.orElseThrow(), Modality.IMAGE, logits)};
        Value column = call.add(device.of(step));
        call.add(script.call("put_codes", codes, column, call.add(device.longs(code, 1))));
        return code;
      }
    }

    private Value seen(List<Integer> ids) {
      int[] counted =
          penalises ? ids.stream().mapToInt(Integer::intValue).toArray() : new int[0];
      return device.longs(counted, counted.length);
    }

    @Override
    public void close() {
      scope.close();
    }
  }

  /** {@return [N, P] of -1, to be filled by the codes as they come} */
  Value newCodes(int images, int tokens) {
    try (Value n = device.of(images);
        Value p = device.of(tokens)) {
      return script.call("new_codes", n, p, weights);
    }
  }

  /** {@return an int64 tensor} */
  Value longs(long[] values, long... shape) {
    return device.longs(values, shape);
  }

  /** {@return every hidden state: embeddings, layers, final norm; [L + 2, B, T, D] float32} */
  Value hiddenStates(Value embeds, Cache cache) {
    return script.call("hidden_states", embeds, cache.tensors(), rope, headDim, eps, weights);
  }

  /** {@return the logits at every position of a prompt, [B, T, V or E] float32} */
  Value allLogits(Value embeds, Cache cache, boolean images) {
    try (Value head = device.of(images)) {
      return script.call(
          "all_logits", embeds, cache.tensors(), rope, headDim, eps, head, weights);
    }
  }

  /** {@return what codes look like to the language model, [N, 1, D] float32} */
  Value embedImageCodes(int[] codes) {
    try (Value tensor = device.longs(codes, codes.length)) {
      return script.call("embed_image_codes", tensor, weights);
    }
  }

  /** {@return a copy in float32, which may leave native code} */
  Value toFloat(Value tensor) {
    return script.call("to_float", tensor);
  }

  @Override
  public void close() {
    List<AutoCloseable> held = new ArrayList<>(List.of(script, weights, rope, headDim, eps));
    try (Scope scope = new Scope()) {
      held.forEach(scope::add);
    }
  }
}
