package dev.diptych.core.engine;

import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

/** Asks while a graph runs whether it shall go on, and ends it when not. */
final class OnnxWatch implements AutoCloseable {
  private static final long PERIOD_MILLIS = 20;

  private static final ScheduledThreadPoolExecutor WATCHER = watcher();

  private final OrtSession.RunOptions settings;
  private final Runnable step;
  private final ScheduledFuture<?> watching;
  private RuntimeException thrown;
  private boolean over;

  OnnxWatch(OrtSession.RunOptions settings, Runnable step) {
    this.settings = settings;
    this.step = step;
    this.watching =
        WATCHER.scheduleWithFixedDelay(
            this::ask, PERIOD_MILLIS, PERIOD_MILLIS, TimeUnit.MILLISECONDS);
  }

  /** Ends the run after the node at hand because the process ends. */
  void leave() {
    stop(OnnxEnvironment.exiting());
  }

  /** Throws why the run was ended, if it was. */
  synchronized void rethrow() {
    if (thrown != null) {
      throw thrown;
    }
  }

  @Override
  public synchronized void close() {
    over = true;
    watching.cancel(false);
  }

  private void ask() {
    try {
      step.run();
    } catch (RuntimeException e) {
      stop(e);
      watching.cancel(false);
    }
  }

  private synchronized void stop(RuntimeException why) {
    if (thrown == null) {
      thrown = why;
    }
    // The native settings may be freed already when the run is over.
    if (!over) {
      try {
        settings.setTerminate(true);
      } catch (OrtException e) {
        throw new IllegalStateException(e);
      }
    }
  }

  private static ScheduledThreadPoolExecutor watcher() {
    ScheduledThreadPoolExecutor watcher =
        new ScheduledThreadPoolExecutor(
            1,
            task -> {
              Thread thread = new Thread(task, "diptych-onnx-watch");
              thread.setDaemon(true);
              return thread;
            });
    watcher.setRemoveOnCancelPolicy(true);
    return watcher;
  }
}
