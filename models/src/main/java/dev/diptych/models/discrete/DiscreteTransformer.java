package dev.diptych.models.discrete;

import dev.diptych.core.DType;
import dev.diptych.core.GenerationOptions;
import dev.diptych.core.Modality;
import dev.diptych.core.Probe;
import dev.diptych.core.engine.Scope;
import dev.diptych.core.engine.TorchDevice;
import dev.diptych.core.engine.TorchScript;
import dev.diptych.core.engine.Value;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.IntStream;

/**
 * A decoder-only transformer over words and image codes. Holds the weights and nothing that changes;
 * what changes is a {@link Cache}. Every method is one native call unless it says otherwise.
 *
 * <p>Several contexts of different length go through it as one batch: the rows of a group share a
 * cache and a position, the weights are read once for all groups.
 */
public final class DiscreteTransformer implements AutoCloseable {
  static final List<String> SHARED =
      List.of(
          "core/nn/linear",
          "core/nn/norm",
          "core/nn/rope",
          "core/nn/mask",
          "core/nn/attention",
          "core/nn/sampling");

  private final TransformerConfig config;
  private final DType dtype;
  private final TorchDevice device;
  private final TorchScript script;
  private final Value weights;
  private final Value rope;
  private final Value headDim;
  private final Value shape;
  private final AtomicLong openCacheBytes = new AtomicLong();

  private DiscreteTransformer(
      TransformerConfig config,
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
    this.headDim = device.of(config.headDim());
    try (Scope scope = new Scope()) {
      this.shape =
          script.call(
              "shape",
              scope.add(device.of(config.rmsNormEps())),
              scope.add(device.of(config.swinNorm())),
              scope.add(device.of(config.interleavedRope())));
    }
  }

  /**
   * Compiles the script and prepares the output head; several native calls.
   *
   * @param weights Dict[str, Tensor] by the names of the HF-native layout; closed with this, and on
   *     failure
   */
  public static DiscreteTransformer load(
      TransformerConfig config,
      DiscreteVocabulary vocabulary,
      DType dtype,
      TorchDevice device,
      Value weights) {
    Scope onFailure = new Scope();
    onFailure.add(weights);
    try {
      TorchScript script =
          onFailure.add(TorchScript.load(device, DiscreteTransformer.class, SHARED));
      int[] image = vocabulary.imageIds();
      int[] text =
          IntStream.concat(
                  Arrays.stream(vocabulary.textIds()), IntStream.of(vocabulary.endOfText()))
              .toArray();
      try (Scope scope = new Scope()) {
        script
            .call(
                "add_vocabulary",
                weights,
                scope.add(device.longs(image, image.length)),
                scope.add(device.longs(text, text.length)),
                scope.add(device.of(vocabulary.beginOfImage())))
            .close();
        Value rope =
            onFailure.add(
                script.call(
                    "rope_table",
                    scope.add(device.of(config.maxPositionEmbeddings())),
                    scope.add(device.of(config.headDim())),
                    scope.add(device.of(config.ropeTheta())),
                    weights));
        return new DiscreteTransformer(config, dtype, device, script, weights, rope);
      }
    } catch (RuntimeException | Error e) {
      onFailure.close();
      throw e;
    }
  }

  /** {@return whether a tensor of this name is quantised where the dtype says so} */
  public static boolean quantises(String name) {
    return name.startsWith("model.layers.") && name.endsWith("_proj.weight");
  }

  /** {@return the sizes} */
  public TransformerConfig config() {
    return config;
  }

  /**
   * Keys and values of every layer.
   *
   * @param alone the same as the one group of a batch, as every step takes it
   * @param capacity positions that fit
   */
  record Cache(Value tensors, Value alone, int rows, int capacity, Runnable onClose)
      implements AutoCloseable {
    @Override
    public void close() {
      alone.close();
      tensors.close();
      onClose.run();
    }
  }

  /** {@return bytes of all caches that are open} */
  public long openCacheBytes() {
    return openCacheBytes.get();
  }

  /** {@return bytes that a cache takes} */
  long cacheBytes(long rows, long capacity) {
    return config.cacheBytes(
        Math.multiplyExact(rows, capacity), dtype.bytes());
  }

  Cache newCache(int rows, int capacity) {
    try (Scope scope = new Scope()) {
      Value tensors =
          script.call(
              "new_cache",
              scope.add(device.of(config.numHiddenLayers())),
              scope.add(device.of(rows)),
              scope.add(device.of(config.numKeyValueHeads())),
              headDim,
              scope.add(device.of(capacity)),
              scope.add(device.of(device.turnedKeys())),
              weights);
      Value alone;
      try {
        alone = script.call("one", tensors);
      } catch (RuntimeException | Error e) {
        tensors.close();
        throw e;
      }
      AtomicLong bytes = new AtomicLong(cacheBytes(rows, capacity));
      openCacheBytes.addAndGet(bytes.get());
      // Closing again gives nothing back.
      return new Cache(
          tensors, alone, rows, capacity, () -> openCacheBytes.addAndGet(-bytes.getAndSet(0)));
    }
  }

  /** Copies the first positions of a cache of one row into every row of another. */
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

  /** Copies some positions of one row of a cache into a cache of one row. */
  void copyRow(Cache source, int row, Cache target, int first, int length) {
    try (Scope scope = new Scope()) {
      script
          .call(
              "copy_row",
              source.tensors(),
              scope.add(device.of(row)),
              target.tensors(),
              scope.add(device.of(first)),
              scope.add(device.of(length)))
          .close();
    }
  }

  /** {@return one to three caches as the groups of a batch; they stay alive in it} */
  Value groups(List<Cache> caches) {
    Value[] tensors = caches.stream().map(Cache::tensors).toArray(Value[]::new);
    return script.call(List.of("one", "two", "three").get(tensors.length - 1), tensors);
  }

  /**
   * Reads tokens into a cache.
   *
   * @param ids tokens of positions pos to pos + T - 1
   * @return [1, D] the hidden state of the last one, after the final norm
   */
  Value prefill(int[] ids, Cache cache, int pos) {
    try (Scope call = new Scope()) {
      return script.call(
          "prefill",
          call.add(device.longs(ids, 1, ids.length)),
          cache.alone(),
          rope,
          call.add(device.ints(pos)),
          headDim,
          shape,
          weights);
    }
  }

  /** How tokens are drawn, as native values; made once a request. */
  final class Sampling implements AutoCloseable {
    private final Scope scope = new Scope();
    private final Value how;
    private final Value scales;
    private final Value penalty;
    private final boolean penalises;
    private final Optional<Probe> probe;

    Sampling(GenerationOptions options, Guidance guidance) {
      this(options, guidance, Optional.empty());
    }

    /**
     * Prepares the sampling that the options ask for.
     *
     * @param probe chooses in its place
     */
    Sampling(GenerationOptions options, Guidance guidance, Optional<Probe> probe) {
      this.probe = probe;
      penalises = options.repetitionPenalty().orElse(1) != 1;
      penalty = scope.add(device.of(options.repetitionPenalty().orElse(1)));
      double temperature = options.isGreedy() ? 1 : options.temperature().orElse(1);
      try (Scope call = new Scope()) {
        how =
            scope.add(
                script.call(
                    "how",
                    call.add(device.of(options.isGreedy())),
                    call.add(device.of(temperature)),
                    call.add(device.of((long) options.topK().orElse(0))),
                    call.add(device.of(options.topP().orElse(1)))));
        scales =
            scope.add(
                script.call(
                    "scales",
                    call.add(device.of(guidance.text())),
                    call.add(device.of(guidance.image().orElse(1)))));
      }
    }

    /** {@return whether tokens that were seen count} */
    boolean penalises() {
      return penalises;
    }

    /**
     * Reads tokens and draws the one behind them.
     *
     * @param ids tokens from position pos on
     * @param mayDraw whether a picture may be opened
     * @param seen ids that the repetition penalty counts
     * @param bits 53 random bits
     * @return the id, -1 if the logits are not finite
     */
    int decodeText(
        int[] ids, Cache cache, int pos, boolean mayDraw, int[] seen, long bits) {
      if (probe.isPresent()) {
        try (Scope call = new Scope()) {
          Value hidden = call.add(prefill(ids, cache, pos));
          return ask(
              Modality.TEXT,
              call.add(script.call("word_logits", hidden, call.add(device.of(mayDraw)), weights)));
        }
      }
      try (Scope call = new Scope()) {
        Value found =
            call.add(
                script.call(
                    "decode_text",
                    call.add(device.longs(ids, 1, ids.length)),
                    cache.alone(),
                    rope,
                    call.add(device.ints(pos)),
                    headDim,
                    shape,
                    call.add(device.of(mayDraw)),
                    call.add(device.longs(seen, seen.length)),
                    penalty,
                    how,
                    call.add(device.longs(new long[] {bits}, 1)),
                    weights));
        return (int) found.toLongs()[0];
      }
    }

    /**
     * Reads tokens and chooses the one behind them among a few.
     *
     * @param ids tokens from position pos on
     * @param choices [M] ids, ascending
     * @param bits 53 random bits
     * @return the id, -1 if its logits are not finite
     */
    int decodeChoice(int[] ids, Cache cache, int pos, int[] choices, long bits) {
      if (probe.isPresent()) {
        try (Scope call = new Scope()) {
          Value hidden = call.add(prefill(ids, cache, pos));
          Value few = call.add(device.longs(choices, choices.length));
          return ask(Modality.TEXT, call.add(script.call("choice_logits", hidden, few, weights)));
        }
      }
      try (Scope call = new Scope()) {
        Value found =
            call.add(
                script.call(
                    "decode_choice",
                    call.add(device.longs(ids, 1, ids.length)),
                    cache.alone(),
                    rope,
                    call.add(device.ints(pos)),
                    headDim,
                    shape,
                    call.add(device.longs(choices, choices.length)),
                    how,
                    call.add(device.longs(new long[] {bits}, 1)),
                    weights));
        return (int) found.toLongs()[0];
      }
    }

    /**
     * The first code of every picture, all from one prompt.
     *
     * @param hidden [1, D] of every group
     * @param codes [N, P], of which column 0 is filled
     * @param bits [N, P]
     * @return [N], -1 where the logits are not finite
     */
    long[] firstCodes(List<Value> hidden, Value codes, Value bits) {
      if (probe.isPresent()) {
        try (Value groups = device.list(hidden);
            Value logits = script.call("first_code_logits", groups, scales, weights)) {
          return put(codes, 0, ask(Modality.IMAGE, logits));
        }
      }
      try (Value groups = device.list(hidden);
          Value found =
              script.call("first_codes", groups, codes, scales, how, bits, weights)) {
        return found.toLongs();
      }
    }

    /**
     * The codes of column {@code step}; those of the column before stand at the positions, then the
     * tokens behind them.
     */
    long[] decodeCodes(
        int step, Value codes, int[] behind, Value groups, long[] positions, Value bits) {
      if (probe.isPresent()) {
        try (Scope call = new Scope()) {
          Value hidden =
              call.add(
                  script.call(
                      "read_codes",
                      call.add(device.of(step)),
                      codes,
                      call.add(device.longs(behind, behind.length)),
                      groups,
                      rope,
                      call.add(device.ints(positions)),
                      headDim,
                      shape,
                      weights));
          Value one = call.add(device.of(1));
          Value logits = call.add(script.call("code_logits", hidden, one, scales, weights));
          return put(codes, step, ask(Modality.IMAGE, logits));
        }
      }
      try (Scope call = new Scope()) {
        Value found =
            call.add(
                script.call(
                    "decode_codes",
                    call.add(device.of(step)),
                    codes,
                    call.add(device.longs(behind, behind.length)),
                    groups,
                    rope,
                    call.add(device.ints(positions)),
                    headDim,
                    shape,
                    scales,
                    how,
                    bits,
                    weights));
        return found.toLongs();
      }
    }

    private int ask(Modality what, Value logits) {
      return Probe.ask(probe.orElseThrow(), what, logits.toFloats());
    }

    /** Of one picture. */
    private long[] put(Value codes, int step, int chosen) {
      long[] code = {chosen};
      try (Value column = device.of(step);
          Value found = device.longs(code, 1)) {
        script.call("put_codes", codes, column, found).close();
      }
      return code;
    }

    @Override
    public void close() {
      scope.close();
    }
  }

  /** {@return [G, D] what reading the same tokens into every group gives} */
  Value prefillGroups(int[] ids, Value groups, long[] positions) {
    int[] rows = new int[ids.length * positions.length];
    for (int i = 0; i < rows.length; i++) {
      rows[i] = ids[i % ids.length];
    }
    try (Scope call = new Scope()) {
      return script.call(
          "prefill",
          call.add(device.longs(rows, positions.length, ids.length)),
          groups,
          rope,
          call.add(device.ints(positions)),
          headDim,
          shape,
          weights);
    }
  }

  /** {@return [N, P] of -1, to be filled by the codes as they come} */
  Value newCodes(int images, int codes) {
    try (Value n = device.of(images);
        Value p = device.of(codes)) {
      return script.call("new_codes", n, p, weights);
    }
  }

  /** {@return an int64 tensor} */
  Value longs(long[] values, long... shape) {
    return device.longs(values, shape);
  }

  /** {@return every hidden state: embeddings, layers, final norm; [L + 2, 1, T, D] float32} */
  float[] hiddenStates(int[] ids) {
    return whole("hidden_states", ids);
  }

  /** {@return the logits at every position of a prompt, nothing masked, [1, T, V] float32} */
  float[] allLogits(int[] ids) {
    return whole("all_logits", ids);
  }

  private float[] whole(String method, int[] ids) {
    try (Scope scope = new Scope()) {
      Cache cache = scope.add(newCache(1, ids.length));
      return scope
          .add(
              script.call(
                  method,
                  scope.add(device.longs(ids, 1, ids.length)),
                  cache.alone(),
                  rope,
                  headDim,
                  shape,
                  weights))
          .toFloats();
    }
  }

  @Override
  public void close() {
    List<AutoCloseable> held = new ArrayList<>(List.of(script, weights, rope, headDim, shape));
    try (Scope scope = new Scope()) {
      held.forEach(scope::add);
    }
  }
}
