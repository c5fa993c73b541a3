package dev.diptych.core.engine;

import ai.djl.engine.Engine;
import ai.djl.pytorch.jni.JniUtils;
import dev.diptych.core.EngineException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;

/**
 * The native library behind the scripts: loads it once, without ever going to the network, and says
 * what is missing when it cannot.
 */
public final class LibTorch {
  /** The libtorch that DJL's JNI library was built for. */
  public static final String VERSION = "2.7.1";

  private static Engine engine;
  private static volatile String fatal;

  private LibTorch() {}

  /**
   * Loads libtorch on the first call.
   *
   * @throws EngineException with the remedy if it cannot be loaded
   */
  static synchronized Engine engine() {
    requireUsable();
    if (engine == null) {
      setDefault("ai.djl.offline", "true");
      setDefault("ai.djl.pytorch.graph_optimizer", "false");
      setDefault("OPT_OUT_TRACKING", "true");
      requireCache();
      try {
        engine = Engine.getEngine("PyTorch");
        keepWithinQuota();
      } catch (RuntimeException | LinkageError e) {
        throw new EngineException(missing(e), e);
      }
    }
    return engine;
  }

  /** {@return one line on what was loaded: version, threads, GPUs} */
  public static String describe() {
    Engine loaded = engine();
    return "libtorch "
        + loaded.getVersion()
        + ", "
        + JniUtils.getNumThreads()
        + " threads, "
        + loaded.getGpuCount()
        + " GPU(s)";
  }

  /** {@return where DJL unpacks native libraries; ENGINE_CACHE_DIR moves it} */
  public static Path cacheFolder() {
    return ai.djl.util.Utils.getEngineCacheDir();
  }

  /** {@return how many threads one native call uses} */
  public static int threads() {
    engine();
    return JniUtils.getNumThreads();
  }

  /** {@return how many native calls of scripts this process has made} */
  public static long calls() {
    return TorchCalls.calls();
  }

  /** {@return how many GPUs libtorch sees} */
  public static int gpus() {
    return engine().getGpuCount();
  }

  /** {@return whether this machine multiplies bfloat16 in hardware} */
  public static boolean bfloat16InHardware() {
    return engine().getGpuCount() > 0 || CpuFeatures.bfloat16();
  }

  /** {@return DJL's Maven classifier of this platform, such as {@code linux-x86_64}} */
  public static String classifier() {
    String os = System.getProperty("os.name").toLowerCase(Locale.ROOT);
    String arch = System.getProperty("os.arch").toLowerCase(Locale.ROOT);
    String family = os.startsWith("win") ? "win" : os.startsWith("mac") ? "osx" : "linux";
    return family + "-" + (arch.equals("amd64") ? "x86_64" : arch.equals("arm64") ? "aarch64" : arch);
  }

  static void markFatal(String reason) {
    fatal = reason;
  }

  static void requireUsable() {
    if (fatal != null) {
      throw new EngineException(
          "libtorch is unusable since an earlier failure: " + fatal + "\n  restart the process",
          null,
          true);
    }
  }

  static String noGpu() {
    return "No GPU is visible to libtorch\n"
        + "  loaded   "
        + describe()
        + "\n  remedy   point DJL at a libtorch "
        + VERSION
        + " for CUDA 12.8: set PYTORCH_LIBRARY_PATH to the folder with libtorch.so,"
        + " PYTORCH_VERSION="
        + VERSION
        + " and PYTORCH_FLAVOR=cu128; or use --device cpu";
  }

  private static String missing(Throwable cause) {
    Throwable root = cause;
    while (root.getCause() != null) {
      root = root.getCause();
    }
    return "Cannot load libtorch "
        + VERSION
        + " for "
        + classifier()
        + "\n  found    "
        + root.getMessage()
        + "\n  remedy   add the runtime dependency ai.djl.pytorch:pytorch-native-cpu:"
        + VERSION
        + ":"
        + classifier()
        + ", or set PYTORCH_LIBRARY_PATH, PYTORCH_VERSION="
        + VERSION
        + " and PYTORCH_FLAVOR to a libtorch of yours";
  }

  /** DJL unpacks its natives into a cache; say so plainly when that folder cannot be written. */
  private static void requireCache() {
    if (System.getenv("PYTORCH_LIBRARY_PATH") != null) {
      return;
    }
    Path cache = cacheFolder();
    try {
      Files.createDirectories(cache);
      Path probe = Files.createTempFile(cache, "diptych", ".probe");
      Files.delete(probe);
    } catch (IOException | RuntimeException e) {
      throw new EngineException(
          "Cannot unpack libtorch: its cache folder cannot be written\n  folder   "
              + cache
              + "\n  found    "
              + e
              + "\n  remedy   set the environment variable ENGINE_CACHE_DIR to a folder that this"
              + " user can write, with 1 GB free",
          e);
    }
  }

  /** A number of threads that somebody chose stays. */
  private static void keepWithinQuota() {
    int processors = CpuQuota.processors();
    boolean chosen =
        System.getProperty("ai.djl.pytorch.num_threads") != null
            || System.getenv("OMP_NUM_THREADS") != null
            || System.getenv("MKL_NUM_THREADS") != null;
    if (!chosen && processors > 0 && processors < JniUtils.getNumThreads()) {
      JniUtils.setNumThreads(processors);
    }
  }

  private static void setDefault(String property, String value) {
    if (System.getProperty(property) == null && System.getenv(property) == null) {
      System.setProperty(property, value);
    }
  }
}
