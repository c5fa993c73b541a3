package dev.diptych.core;

import java.util.EnumSet;
import java.util.Objects;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.locks.ReentrantLock;

/**
 * One conversation with a model: it owns the key-value cache, so that a later turn reads only what
 * is new. Not for several threads at once; a second call while one is running is refused. After a
 * cancelled or failed request the session stands where it stood before that request.
 *
 * <p>Families implement {@link #run} and {@link #release}; everything that all sessions promise is
 * kept here.
 */
public abstract class Session implements AutoCloseable {
  private final UnifiedModel model;
  private final Lifetime modelLifetime;
  private final ReentrantLock busy = new ReentrantLock();
  // What was said, shown and drawn in the turns that were answered.
  private final Set<Modality> conversation = EnumSet.noneOf(Modality.class);
  private boolean closed;

  /**
   * Begins a conversation.
   *
   * @param model whose session this is
   * @param modelLifetime the life of the model's native memory
   */
  protected Session(UnifiedModel model, Lifetime modelLifetime) {
    this.model = model;
    this.modelLifetime = modelLifetime;
  }

  /**
   * Answers one request, after those before it.
   *
   * @throws UnsupportedRequestException if the model cannot do it, or has no such option
   * @throws InvalidRequestException if a value is out of range or the context is full
   * @throws ResourceLimitException if it needs more memory than is allowed
   * @throws GenerationCancelledException if it was cancelled, or the model closed meanwhile
   * @throws DeadlineExceededException if its deadline passed
   * @throws IllegalStateException after {@code close()}, or while another request is running
   */
  public final GenerationResult generate(GenerationRequest request) {
    Objects.requireNonNull(request, "request");
    return generate(request, request.cancellation());
  }

  private GenerationResult generate(GenerationRequest request, Cancellation cancellation) {
    if (busy.isHeldByCurrentThread() || !busy.tryLock()) {
      throw new IllegalStateException(
          "The session is busy with another request; a session answers one at a time");
    }
    try {
      if (closed) {
        throw new IllegalStateException("The session is closed");
      }
      try (Lifetime.Lease lease = modelLifetime.enter()) {
        model.capabilities().require(request.reads(), request.output());
        Set<Modality> heard = EnumSet.copyOf(request.reads());
        heard.addAll(conversation);
        GenerationOptions defaults = model.defaults(heard, request.output());
        request.options().requireHeeded(defaults, request.output());
        GenerationOptions options = request.options().orElse(defaults);
        requireOnePicture(request, options);
        if (options.seed().isEmpty()) {
          options = options.toBuilder().seed(new SplittableRandom().nextLong()).build();
        }
        GenerationRun run = new GenerationRun(request, options, modelLifetime, cancellation);
        run.step();
        GenerationResult result = run(run);
        conversation.addAll(heard);
        result.parts().forEach(part -> conversation.add(part.modality()));
        return result;
      }
    } finally {
      busy.unlock();
    }
  }

  /** A probe is told of one picture; whose turn it is among several it could not know. */
  private static void requireOnePicture(GenerationRequest request, GenerationOptions options) {
    int pictures = options.pictures().orElse(1);
    if (request.probe().isPresent() && request.output() == Output.IMAGE && pictures != 1) {
      throw new InvalidRequestException(
          "A drawing that is probed is of one picture\n  expected pictures 1\n  found    "
              + pictures);
    }
  }

  /**
   * Answers one request on a thread of its own.
   *
   * @return a handle that exists before the first token and cancels
   */
  public final Generation start(GenerationRequest request) {
    Objects.requireNonNull(request, "request");
    CompletableFuture<GenerationResult> future = new CompletableFuture<>();
    // Of this run alone: the same request may be running elsewhere.
    Cancellation own = new Cancellation(request.cancellation());
    Thread thread =
        new Thread(
            () -> {
              try {
                future.complete(generate(request, own));
              } catch (Throwable e) {
                future.completeExceptionally(e);
              }
            },
            "diptych-generation");
    thread.setDaemon(true);
    thread.start();
    return new Generation(own, future);
  }

  /** Frees the cache, after the running request if there is one. Closing again does nothing. */
  @Override
  public final void close() {
    if (busy.isHeldByCurrentThread()) {
      throw new IllegalStateException("A listener cannot close the session that it listens to");
    }
    busy.lock();
    try {
      if (!closed) {
        closed = true;
        release();
      }
    } finally {
      busy.unlock();
    }
  }

  /**
   * Answers a request whose modalities the model supports. On any exception the session must be
   * left as it was before.
   */
  protected abstract GenerationResult run(GenerationRun run);

  /** Frees what the session holds; the model may be closed already. */
  protected abstract void release();
}
