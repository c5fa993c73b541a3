package dev.diptych.models.denoising;

import dev.diptych.core.DType;
import dev.diptych.core.GenerationOptions;
import dev.diptych.core.Modality;
import dev.diptych.core.Probe;
import dev.diptych.core.engine.Scope;
import dev.diptych.core.engine.TorchDevice;
import dev.diptych.core.engine.TorchScript;
import dev.diptych.core.engine.Value;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.IntStream;

/**
 * A decoder of words and pictures. Holds the weights and nothing that changes; what changes is a
 * {@link Cache}. Reads and writes words itself; pictures go in and come out by a script of the
 * family's. Every method is one native call unless it says otherwise.
 *
 * @see <a href="https://arxiv.org/abs/2408.11039">Transfusion, §3</a>
 * @see <a href="https://arxiv.org/abs/2412.15188">LMFusion, §3, on two sets of weights</a>
 */
public final class DenoisingTransformer implements AutoCloseable {
  private static final List<String> SHARED =
      List.of(
          "core/nn/linear",
          "core/nn/norm",
          "core/nn/rope",
          "core/nn/mask",
          "core/nn/attention",
          "core/nn/siglip",
          "core/nn/sampling",
          "core/nn/diffusion",
          "core/nn/clip",
          "models/denoising/decoder");

  private final DecoderConfig config;
  private final DType dtype;
  private final TorchDevice device;
  private final TorchScript script;
  private final Value weights;
  private final Value shape;
  private final AtomicLong openCacheBytes = new AtomicLong();

  private DenoisingTransformer(
      DecoderConfig config,
      DType dtype,
      TorchDevice device,
      TorchScript script,
      Value weights,
      Value shape) {
    this.config = config;
    this.dtype = dtype;
    this.device = device;
    this.script = script;
    this.weights = weights;
    this.shape = shape;
  }

  /**
   * Compiles the script and prepares what depends on no request; several native calls.
   *
   * @param weights Dict[str, Tensor], what {@link DecoderWeights} bound and the family's own; closed
   *     with this, and on failure
   */
  public static DenoisingTransformer load(
      DecoderConfig config,
      WordVocabulary vocabulary,
      DType dtype,
      TorchDevice device,
      Value weights) {
    Scope onFailure = new Scope();
    onFailure.add(weights);
    try (Scope call = new Scope()) {
      TorchScript script = onFailure.add(compile(device, DenoisingTransformer.class));
      Value shape =
          onFailure.add(
              script.call(
                  "shape",
                  call.add(device.of((long) config.headDim())),
                  call.add(device.of(config.rmsNormEps()))));
      int[] said =
          IntStream.concat(
                  Arrays.stream(vocabulary.textIds()), IntStream.of(vocabulary.endOfText()))
              .toArray();
      call.add(
          script.call(
              "prepare",
              weights,
              call.add(device.of((long) config.maxPositionEmbeddings())),
              shape,
              call.add(device.of(config.ropeTheta())),
              call.add(device.longs(said, said.length)),
              call.add(device.of((long) vocabulary.beginOfImage().orElse(-1)))));
      return new DenoisingTransformer(config, dtype, device, script, weights, shape);
    } catch (RuntimeException | Error e) {
      onFailure.close();
      throw e;
    }
  }

  /**
   * Compiles a family's script, which may call the decoder's functions and those of {@code core.nn}
   * that this package uses.
   *
   * @param twin the class beside the script
   */
  public static TorchScript compile(TorchDevice device, Class<?> twin) {
    return TorchScript.load(device, twin, SHARED);
  }

  /** {@return the sizes} */
  public DecoderConfig config() {
    return config;
  }

  /** {@return where it computes} */
  public TorchDevice device() {
    return device;
  }

  /** {@return Dict[str, Tensor], for scripts of the family} */
  public Value weights() {
    return weights;
  }

  /** {@return (head_dim, eps), for scripts of the family} */
  public Value shape() {
    return shape;
  }

  /**
   * Keys and values of every layer.
   *
   * @param capacity positions that fit
   */
  public record Cache(Value tensors, int rows, int capacity, Runnable onClose)
      implements AutoCloseable {
    @Override
    public void close() {
      tensors.close();
      onClose.run();
    }
  }

  /** {@return bytes of all caches that are open} */
  public long openCacheBytes() {
    return openCacheBytes.get();
  }

  /** {@return bytes that a cache takes} */
  public long cacheBytes(long rows, long capacity) {
    return config.cacheBytes(Math.multiplyExact(rows, capacity), dtype.bytes());
  }

  /** {@return an empty cache} */
  public Cache newCache(int rows, int capacity) {
    try (Scope call = new Scope()) {
      Value tensors =
          script.call(
              "new_cache",
              call.add(device.of((long) config.numHiddenLayers())),
              call.add(device.of((long) rows)),
              call.add(device.of((long) config.numKeyValueHeads())),
              call.add(device.of((long) config.headDim())),
              call.add(device.of((long) capacity)),
              call.add(device.of(device.turnedKeys())),
              weights);
      AtomicLong bytes = new AtomicLong(cacheBytes(rows, capacity));
      openCacheBytes.addAndGet(bytes.get());
      // Closing again gives nothing back.
      return new Cache(
          tensors, rows, capacity, () -> openCacheBytes.addAndGet(-bytes.getAndSet(0)));
    }
  }

  /** Copies the first positions of a cache of one row into every row of another. */
  public void copyCache(Cache source, Cache target, int length) {
    try (Scope call = new Scope()) {
      call.add(
          script.call(
              "copy_cache",
              source.tensors(),
              target.tensors(),
              call.add(device.of((long) length)),
              call.add(device.of((long) target.rows() / source.rows()))));
    }
  }

  /**
   * Says where rows of one layout stand in one to three contexts; two native calls.
   *
   * @param caches of the contexts, all with as many rows
   * @param lengths what each holds before them
   * @param positions where the first of them stands in each
   */
  public Batch batch(List<Cache> caches, int[] lengths, int[] positions, SpanLayout layout) {
    int contexts = caches.size();
    long[] held = Arrays.stream(lengths).asLongStream().toArray();
    long[] at = new long[contexts * layout.rows()];
    for (int i = 0; i < at.length; i++) {
      int row = layout.onePosition() ? 0 : i % layout.rows();
      at[i] = positions[i / layout.rows()] + row;
    }
    Scope scope = new Scope();
    try (Scope call = new Scope()) {
      Value[] tensors = caches.stream().map(Cache::tensors).toArray(Value[]::new);
      String count = List.of("one", "two", "three").get(contexts - 1);
      Value groups = scope.add(script.call(count, tensors));
      Value span =
          scope.add(
              script.call(
                  "span",
                  call.add(device.ints(held)),
                  call.add(device.longs(at, contexts, layout.rows())),
                  call.add(device.ints(layout.blocks())),
                  call.add(device.ints(layout.pictures()))));
      return new Batch(groups, span, contexts, caches.get(0).rows(), scope);
    } catch (RuntimeException | Error e) {
      scope.close();
      throw e;
    }
  }

  /**
   * Reads words.
   *
   * @param ids words behind what the cache holds
   * @param length what it holds
   * @param position where the first of them stands
   * @return [1, D] the hidden state of the last one, after the final norm
   */
  public Value readWords(int[] ids, Cache cache, int length, int position) {
    try (Scope call = new Scope()) {
      return script.call(
          "read_words",
          call.add(device.longs(ids, 1, ids.length)),
          cache.tensors(),
          call.add(device.of((long) length)),
          call.add(device.of((long) position)),
          shape,
          weights);
    }
  }

  /** How words are drawn, as native values; made once a request. */
  public final class Sampling implements AutoCloseable {
    private final Scope scope = new Scope();
    private final Value how;
    private final Value penalty;
    private final boolean penalises;
    private final Optional<Probe> probe;

    /** Prepares the sampling that the options ask for. */
    public Sampling(GenerationOptions options) {
      this(options, Optional.empty());
    }

    /**
     * Prepares the sampling that the options ask for.
     *
     * @param probe chooses in its place
     */
    public Sampling(GenerationOptions options, Optional<Probe> probe) {
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
      }
    }

    /** {@return whether tokens that were seen count} */
    public boolean penalises() {
      return penalises;
    }

    /**
     * Reads words and draws the one behind them.
     *
     * @param ids words behind what the cache holds
     * @param length what it holds
     * @param position where the first of them stands
     * @param mayDraw whether a picture may be opened
     * @param seen ids that the repetition penalty counts
     * @param bits 53 random bits
     * @return the id, -1 if the logits are not finite
     */
    public int next(
        int[] ids, Cache cache, int length, int position, boolean mayDraw, int[] seen, long bits) {
      if (probe.isPresent()) {
        try (Scope call = new Scope()) {
          Value hidden = call.add(readWords(ids, cache, length, position));
          Value logits =
              call.add(script.call("word_logits", hidden, call.add(device.of(mayDraw)), weights));
          return Probe.ask(probe.get(), Modality.TEXT, logits.toFloats());
        }
      }
      try (Scope call = new Scope()) {
        Value found =
            call.add(
                script.call(
                    "next_token",
                    call.add(device.longs(ids, 1, ids.length)),
                    cache.tensors(),
                    call.add(device.of((long) length)),
                    call.add(device.of((long) position)),
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

    @Override
    public void close() {
      scope.close();
    }
  }

  /** {@return a float32 tensor that a script may keep, unlike one over a buffer of Java's} */
  public Value kept(float[] values, long... sides) {
    try (Value over = device.floats(values, sides)) {
      return kept(over);
    }
  }

  /** {@return a copy that a script may keep} */
  Value kept(Value over) {
    return script.call("kept", over);
  }

  @Override
  public void close() {
    try (Scope scope = new Scope()) {
      List.of(script, weights, shape).forEach(scope::add);
    }
  }
}
