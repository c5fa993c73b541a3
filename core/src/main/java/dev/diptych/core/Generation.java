package dev.diptych.core;

import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;

/** A generation that is under way on another thread. */
public final class Generation {
  private final Cancellation cancellation;
  private final CompletableFuture<GenerationResult> future;

  Generation(Cancellation cancellation, CompletableFuture<GenerationResult> future) {
    this.cancellation = cancellation;
    this.future = future;
  }

  /** Asks the generation to end within one step; {@link #result()} then throws. */
  public void cancel() {
    cancellation.cancel();
  }

  /** {@return whether the generation has ended, well or not} */
  public boolean done() {
    return future.isDone();
  }

  /**
   * Waits for the answer.
   *
   * @throws GenerationCancelledException after {@link #cancel()}
   * @throws DiptychException as {@link Session#generate} would
   */
  public GenerationResult result() {
    try {
      return future.join();
    } catch (CompletionException e) {
      if (e.getCause() instanceof RuntimeException cause) {
        throw cause;
      }
      if (e.getCause() instanceof Error cause) {
        throw cause;
      }
      throw e;
    } catch (CancellationException e) {
      throw new GenerationCancelledException("The generation was cancelled", e);
    }
  }

  /** {@return a future of the answer; cancelling it does not stop the generation} */
  public CompletableFuture<GenerationResult> future() {
    return future.copy();
  }
}
