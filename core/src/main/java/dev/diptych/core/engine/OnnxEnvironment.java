package dev.diptych.core.engine;

import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtLoggingLevel;
import dev.diptych.core.EngineException;
import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.util.HashSet;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * ONNX Runtime in this process, and the order in which it ends. ONNX Runtime frees itself in a
 * shutdown hook of its own, whatever other threads are doing in it just then (microsoft/onnxruntime
 * issue 31352); this class keeps it alive and sees everyone out first.
 */
final class OnnxEnvironment {
  /** Long enough for a session that is being made, which nothing can interrupt. */
  private static final long EXIT_PATIENCE_SECONDS = 10;

  private static final Logger LOG = LoggerFactory.getLogger(OnnxEnvironment.class);

  private static final Object LOCK = new Object();
  private static final Set<Call> CALLS = new HashSet<>();
  private static OrtEnvironment environment;
  private static boolean exiting;

  /** One native call under way. */
  static final class Call implements AutoCloseable {
    private final Runnable stop;

    private Call(Runnable stop) {
      this.stop = stop;
    }

    @Override
    public void close() {
      synchronized (LOCK) {
        CALLS.remove(this);
        LOCK.notifyAll();
      }
    }
  }

  private OnnxEnvironment() {}

  /**
   * {@return ONNX Runtime, loaded at the first call}
   *
   * @throws EngineException if its native library cannot be loaded
   */
  static OrtEnvironment get() {
    synchronized (LOCK) {
      if (environment == null) {
        environment = load();
        Thread hook = new Thread(OnnxEnvironment::seeOut, "diptych-onnx-exit");
        try {
          Runtime.getRuntime().addShutdownHook(hook);
        } catch (IllegalStateException e) {
          exiting = true;
        }
      }
      return environment;
    }
  }

  /**
   * Enters native code.
   *
   * @param stop makes the call return soon, if it can be made to; may be run by another thread
   */
  static Call enter(Runnable stop) {
    get();
    synchronized (LOCK) {
      if (exiting) {
        throw exiting();
      }
      Call call = new Call(stop);
      CALLS.add(call);
      return call;
    }
  }

  /** {@return what calls get that come when the process ends, or are ended by it} */
  static EngineException exiting() {
    return new EngineException(
        "Cannot run ONNX Runtime: this process is shutting down", null, true);
  }

  private static OrtEnvironment load() {
    OrtEnvironment loaded;
    try {
      // What goes wrong is told by exceptions; native log lines would land on the caller's stderr.
      loaded = OrtEnvironment.getEnvironment(OrtLoggingLevel.ORT_LOGGING_LEVEL_FATAL, "diptych");
      loaded.setTelemetry(false);
    } catch (OrtException | RuntimeException | LinkageError e) {
      throw new EngineException(
          "Cannot load ONNX Runtime's native library on "
              + System.getProperty("os.name")
              + " "
              + System.getProperty("os.arch")
              + "\n  expected in the artifact com.microsoft.onnxruntime:onnxruntime (Linux x64 and"
              + " aarch64, macOS aarch64, Windows x64), which unpacks it into "
              + System.getProperty("java.io.tmpdir")
              + "\n  found    "
              + e
              + "\n  Is that folder writable, and the artifact complete on the class path?",
          e,
          true);
    }
    holdForLife(loaded);
    return loaded;
  }

  /**
   * Takes a second reference to the native environment. It is counted, so ONNX Runtime's hook then
   * gives back the first and frees nothing: memory that the process gives back anyway by ending.
   * There is no public way to take one, nor to order shutdown hooks.
   */
  private static void holdForLife(OrtEnvironment loaded) {
    try {
      Field api = Class.forName("ai.onnxruntime.OnnxRuntime").getDeclaredField("ortApiHandle");
      api.setAccessible(true);
      Method create =
          OrtEnvironment.class.getDeclaredMethod(
              "createHandle", long.class, int.class, String.class);
      create.setAccessible(true);
      create.invoke(
          null, api.getLong(null), OrtLoggingLevel.ORT_LOGGING_LEVEL_FATAL.getValue(), "diptych");
    } catch (ReflectiveOperationException | RuntimeException e) {
      LOG.debug("ONNX Runtime cannot be kept alive until the last call has left", e);
    }
  }

  private static void seeOut() {
    synchronized (LOCK) {
      exiting = true;
      CALLS.forEach(call -> call.stop.run());
      long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(EXIT_PATIENCE_SECONDS);
      try {
        while (!CALLS.isEmpty() && end - System.nanoTime() > 0) {
          TimeUnit.NANOSECONDS.timedWait(LOCK, end - System.nanoTime());
        }
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }
  }
}
