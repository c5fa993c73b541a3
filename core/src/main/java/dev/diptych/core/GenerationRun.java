package dev.diptych.core;

import java.time.Duration;
import java.util.Optional;

/**
 * What one running request may still do: asked between native calls, it ends the request when it
 * was cancelled, when its deadline passed, or when its model is being closed. Also the request's
 * clock.
 */
public final class GenerationRun {
  private final GenerationRequest request;
  private final GenerationOptions options;
  private final Lifetime lifetime;
  private final Cancellation cancellation;
  private final long begin = System.nanoTime();
  private long firstToken;
  private long lastToken;
  private long imageEncoding;
  private long imageDecoding;
  private long lastPreview = begin;

  GenerationRun(
      GenerationRequest request,
      GenerationOptions options,
      Lifetime lifetime,
      Cancellation cancellation) {
    this.request = request;
    this.options = options;
    this.lifetime = lifetime;
    this.cancellation = cancellation;
  }

  /** {@return the request} */
  public GenerationRequest request() {
    return request;
  }

  /** {@return the request's options with the model's defaults and a seed filled in} */
  public GenerationOptions options() {
    return options;
  }

  /** {@return who hears of the answer} */
  public GenerationListener listener() {
    return request.listener();
  }

  /**
   * Goes on or ends; called before every native call.
   *
   * @throws GenerationCancelledException if the request was cancelled or the model is closing
   * @throws DeadlineExceededException if the deadline passed
   */
  public void step() {
    if (cancellation.cancelled()) {
      throw new GenerationCancelledException("The generation was cancelled by the caller");
    }
    if (lifetime.closed()) {
      throw new GenerationCancelledException(
          "The generation was cancelled: its model is being closed");
    }
    Optional<Duration> deadline = request.deadline();
    if (deadline.isPresent() && elapsed().compareTo(deadline.get()) >= 0) {
      throw new DeadlineExceededException(
          "The generation passed its deadline of "
              + deadline.get().toMillis()
              + " ms after "
              + elapsed().toMillis()
              + " ms");
    }
  }

  /** Marks a token: the first one and the last one are kept. */
  public void token() {
    lastToken = System.nanoTime();
    if (firstToken == 0) {
      firstToken = lastToken;
    }
  }

  /** {@return whether a preview is wanted now; the answer yes starts the wait for the next} */
  public boolean previewDue() {
    if (request.previewEvery().isEmpty()) {
      return false;
    }
    long now = System.nanoTime();
    if (now - lastPreview < request.previewEvery().get().toNanos()) {
      return false;
    }
    lastPreview = now;
    return true;
  }

  /** Adds time spent on turning pixels into what the model reads. */
  public void imageEncoding(Duration spent) {
    imageEncoding += spent.toNanos();
  }

  /** Adds time spent on turning codes into pixels. */
  public void imageDecoding(Duration spent) {
    imageDecoding += spent.toNanos();
  }

  /** {@return time since the request began} */
  public Duration elapsed() {
    return Duration.ofNanos(System.nanoTime() - begin);
  }

  /** {@return where the time went up to now} */
  public GenerationResult.Timings timings() {
    long first = firstToken == 0 ? System.nanoTime() : firstToken;
    long last = firstToken == 0 ? first : lastToken;
    return new GenerationResult.Timings(
        Duration.ofNanos(first - begin),
        Duration.ofNanos(last - first),
        Duration.ofNanos(imageEncoding),
        Duration.ofNanos(imageDecoding),
        elapsed());
  }
}
