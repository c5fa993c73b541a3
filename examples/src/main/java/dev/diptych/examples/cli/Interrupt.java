package dev.diptych.examples.cli;

import dev.diptych.core.Cancellation;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * Ctrl-C: the shutdown hook cancels what runs and holds the process back until it has left native
 * code and cleaned up, within a bound.
 */
final class Interrupt implements AutoCloseable {
  // One step of a large model on a slow processor, and the decoding of one picture.
  private static final long PATIENCE_SECONDS = 20;

  private final Cancellation cancellation = new Cancellation();
  private final CountDownLatch done = new CountDownLatch(1);
  private final Thread hook = new Thread(this::cancelAndWait, "diptych-interrupt");

  Interrupt() {
    Runtime.getRuntime().addShutdownHook(hook);
  }

  /** {@return the switch that Ctrl-C throws} */
  Cancellation cancellation() {
    return cancellation;
  }

  private void cancelAndWait() {
    cancellation.cancel();
    try {
      done.await(PATIENCE_SECONDS, TimeUnit.SECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** Lets the process end. */
  @Override
  public void close() {
    done.countDown();
    try {
      Runtime.getRuntime().removeShutdownHook(hook);
    } catch (IllegalStateException e) {
      // The process is ending; the hook has run or is running.
    }
  }
}
