package dev.diptych.core.engine;

import dev.diptych.core.EngineException;
import java.util.concurrent.TimeUnit;

/**
 * Who is inside libtorch. When the process ends, libtorch's own statics are freed whatever other
 * threads are doing in it just then, and a call under way reads freed memory: so the end waits until
 * everyone is out, and lets nobody in any more.
 */
final class TorchCalls {
  // One step of a large model on a slow machine; longer calls are chunked.
  private static final long EXIT_PATIENCE_SECONDS = 30;

  private static final Object LOCK = new Object();
  private static int inside;
  private static long calls;
  private static boolean watching;
  private static boolean exiting;

  private TorchCalls() {}

  /**
   * Enters native code; the caller leaves in a finally block.
   *
   * @throws EngineException if the process is ending
   */
  static void enter() {
    synchronized (LOCK) {
      if (!watching) {
        watching = true;
        try {
          Runtime.getRuntime().addShutdownHook(new Thread(TorchCalls::seeOut, "diptych-torch-exit"));
        } catch (IllegalStateException e) {
          exiting = true;
        }
      }
      if (exiting) {
        throw new EngineException(
            "Cannot run libtorch: this process is shutting down", null, true);
      }
      inside++;
      calls++;
    }
  }

  static long calls() {
    synchronized (LOCK) {
      return calls;
    }
  }

  static void leave() {
    synchronized (LOCK) {
      inside--;
      LOCK.notifyAll();
    }
  }

  private static void seeOut() {
    synchronized (LOCK) {
      exiting = true;
      long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(EXIT_PATIENCE_SECONDS);
      while (inside > 0) {
        long millis = TimeUnit.NANOSECONDS.toMillis(end - System.nanoTime());
        if (millis <= 0) {
          return;
        }
        try {
          LOCK.wait(millis);
        } catch (InterruptedException e) {
          return;
        }
      }
    }
  }
}
