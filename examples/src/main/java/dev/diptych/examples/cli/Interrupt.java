package dev.diptych.examples.cli;

import dev.diptych.core.Cancellation;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * Ctrl-C: the shutdown hook cancels what runs and holds the process back until it has left native
 * code and cleaned up, within a bound.
 */
final class Interrupt implements AutoCloseable {
  // Enough for one step of a large model on a busy processor: a process that ends while native
  // code computes ends in a segmentation fault, because libtorch's globals are destroyed under it.
  private static final long PATIENCE_SECONDS = 60;

  private static volatile boolean ending;

  private final Cancellation cancellation = new Cancellation();
  private final CountDownLatch done = new CountDownLatch(1);
  private final Thread hook = new Thread(this::cancelAndWait, "diptych-interrupt");
  private final List<Path> halfFiles;
  private final long patienceSeconds;

  /** Waits for work that hears of the cancellation between its steps. */
  Interrupt() {
    this(PATIENCE_SECONDS, List.of());
  }

  private Interrupt(long patienceSeconds, List<Path> halfFiles) {
    this.patienceSeconds = patienceSeconds;
    this.halfFiles = halfFiles;
    Runtime.getRuntime().addShutdownHook(hook);
  }

  /** Waits for nothing, but removes the files that work of one piece leaves half written. */
  static Interrupt removing(Path... halfFiles) {
    return new Interrupt(0, List.of(halfFiles));
  }

  /** {@return whether the process is ending: what fails then, fails because of that} */
  static boolean ending() {
    return ending;
  }

  /** {@return the switch that Ctrl-C throws} */
  Cancellation cancellation() {
    return cancellation;
  }

  private void cancelAndWait() {
    ending = true;
    cancellation.cancel();
    try {
      if (done.await(patienceSeconds, TimeUnit.SECONDS)) {
        return;
      }
      for (Path half : halfFiles) {
        Files.deleteIfExists(half);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } catch (IOException e) {
      System.err.println("diptych: a half file stays behind: " + e);
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
