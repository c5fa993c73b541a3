package dev.diptych.examples.cli;

import dev.diptych.core.DiptychException;
import dev.diptych.core.GenerationOptions;
import dev.diptych.core.GenerationRequest;
import dev.diptych.core.GenerationResult;
import dev.diptych.core.LibraryVersion;
import dev.diptych.core.Output;
import dev.diptych.core.UnifiedModel;
import dev.diptych.core.engine.CpuFeatures;
import dev.diptych.core.engine.LibTorch;
import dev.diptych.core.engine.Memory;
import dev.diptych.core.engine.OnnxRuntime;
import dev.diptych.examples.DemoModel;
import dev.diptych.models.Diptych;
import dev.diptych.tokenizers.TextTokenizer;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Properties;
import java.util.TreeSet;
import java.util.concurrent.Callable;

/** What {@code doctor} finds. Every look is guarded: a broken part is a finding, not a failure. */
final class Diagnosis {
  private static final long LEAST_DISK = 1_000_000_000L;

  private final List<Finding> findings = new ArrayList<>();

  /** How grave a finding is. */
  enum State {
    FINE,
    NOTE,
    MISSING
  }

  /**
   * One look.
   *
   * @param found what is there, or what went wrong
   * @param remedy what to do about it; empty when there is nothing to do
   */
  record Finding(String name, State state, String found, String remedy) {}

  /** Looks at everything. */
  List<Finding> findings() {
    fine("diptych", () -> LibraryVersion.VERSION);
    look("java", Diagnosis::java);
    fine("platform", Diagnosis::platform);
    fine("memory", Diagnosis::memory);
    fine(
        "bfloat16",
        () ->
            CpuFeatures.bfloat16()
                ? "multiplied by the processor"
                : "not multiplied by the processor: float32 is the default here");
    fine("djl api", () -> version("ai/djl/engine/api.properties", "djl_version"));
    fine("djl pytorch engine", () -> version("pytorch-engine.properties", "djl_version"));
    fine("djl pytorch jni", () -> version("jnilib/pytorch.properties", "jni_version"));
    look("engine cache", Diagnosis::engineCache);
    fine("libtorch", LibTorch::describe);
    fine("onnx runtime", OnnxRuntime::describe);
    look("demo model", Diagnosis::demo);
    look("tokenizers", Diagnosis::tokenizers);
    look("gpu", Diagnosis::gpu);
    look("drawing", Diagnosis::drawing);
    fine("native libraries", Diagnosis::nativeLibraries);
    return findings;
  }

  private void fine(String name, Callable<String> found) {
    look(name, () -> new Finding(name, State.FINE, found.call(), ""));
  }

  /** A failure's message carries its remedy: what failed knows it best. */
  private void look(String name, Callable<Finding> look) {
    Finding finding;
    try {
      finding = look.call();
    } catch (Throwable e) {
      finding = new Finding(name, State.MISSING, Failures.message(e), "");
    }
    findings.add(finding);
  }

  private static Finding java() {
    int version = Runtime.version().feature();
    String found =
        System.getProperty("java.vm.name")
            + " "
            + Runtime.version()
            + ", heap at most "
            + Memory.megabytes(Runtime.getRuntime().maxMemory());
    boolean bits = "64".equals(System.getProperty("sun.arch.data.model", "64"));
    return version >= 17 && bits
        ? new Finding("java", State.FINE, found, "")
        : new Finding("java", State.MISSING, found, "install a 64-bit Java 17 or newer");
  }

  private static String platform() {
    return System.getProperty("os.name")
        + " "
        + System.getProperty("os.version")
        + ", "
        + LibTorch.classifier()
        + ", "
        + Runtime.getRuntime().availableProcessors()
        + " processors";
  }

  private static String memory() {
    return Memory.megabytes(Memory.available()) + " free";
  }

  private static Finding engineCache() throws IOException {
    Path cache = LibTorch.cacheFolder();
    Path existing = cache.toAbsolutePath();
    while (existing != null && !Files.exists(existing)) {
      existing = existing.getParent();
    }
    long free = existing == null ? 0 : Files.getFileStore(existing).getUsableSpace();
    String found = cache + ", " + Memory.megabytes(free) + " free";
    boolean writable = existing != null && Files.isWritable(existing);
    boolean unpacked = Files.isDirectory(cache.resolve("pytorch"));
    return writable && (unpacked || free >= LEAST_DISK)
        ? new Finding("engine cache", State.FINE, found, "")
        : new Finding(
            "engine cache",
            State.MISSING,
            found + (writable ? "" : ", not writable"),
            "set the environment variable ENGINE_CACHE_DIR to a folder that this user can write,"
                + " with 1 GB free");
  }

  private static Finding demo() {
    Path folder = DemoModel.folder();
    String kept = DemoModel.cache() + " keeps what is unpacked";
    return new Finding("demo model", State.FINE, folder + "\n" + kept, "");
  }

  private static Finding tokenizers() {
    String version = version("native/lib/tokenizers.properties", "version");
    try (TextTokenizer tokenizer = TextTokenizer.load(DemoModel.folder())) {
      int tokens = tokenizer.encodeText("a red circle").length;
      return new Finding(
          "tokenizers", State.FINE, version + ", read a phrase as " + tokens + " tokens", "");
    }
  }

  private static Finding gpu() {
    int gpus;
    try {
      gpus = LibTorch.gpus();
    } catch (DiptychException e) {
      return new Finding("gpu", State.NOTE, "not known without libtorch", "");
    }
    if (gpus > 0) {
      return new Finding("gpu", State.FINE, gpus + " visible to libtorch", "");
    }
    boolean driver =
        Files.exists(Path.of("/proc/driver/nvidia/version"))
            || Files.exists(Path.of("/dev/nvidiactl"));
    return driver
        ? new Finding(
            "gpu",
            State.NOTE,
            "an NVIDIA driver is installed, but this libtorch is for the processor",
            "point DJL at a libtorch "
                + LibTorch.VERSION
                + " for CUDA 12.8: set PYTORCH_LIBRARY_PATH to the folder with libtorch.so,"
                + " PYTORCH_VERSION="
                + LibTorch.VERSION
                + " and PYTORCH_FLAVOR=cu128")
        : new Finding("gpu", State.FINE, "none; the processor is used", "");
  }

  private static Finding drawing() {
    try (UnifiedModel model = Diptych.load(DemoModel.folder())) {
      GenerationOptions options = GenerationOptions.builder().seed(1).build();
      GenerationResult result =
          model.generate(
              GenerationRequest.builder()
                  .text("a large red circle")
                  .output(Output.IMAGE)
                  .options(options.orElse(model.defaults(Output.IMAGE)))
                  .build());
      return new Finding(
          "drawing",
          State.FINE,
          String.format(
              Locale.ROOT,
              "a picture of the demo in %d ms, %s",
              result.timings().total().toMillis(),
              model.dtype().name().toLowerCase(Locale.ROOT)),
          "");
    }
  }

  private static String version(String resource, String key) {
    try (InputStream in = Diagnosis.class.getClassLoader().getResourceAsStream(resource)) {
      if (in == null) {
        return "no " + resource + " on the class path";
      }
      Properties properties = new Properties();
      properties.load(in);
      return properties.getProperty(key, properties.toString());
    } catch (IOException e) {
      return e.toString();
    }
  }

  /** The system's own list of what this process has mapped. */
  private static String nativeLibraries() throws IOException {
    Path maps = Path.of("/proc/self/maps");
    if (!Files.isReadable(maps)) {
      return "not listed on this system";
    }
    TreeSet<String> found = new TreeSet<>();
    for (String line : Files.readAllLines(maps, StandardCharsets.UTF_8)) {
      int slash = line.indexOf('/');
      if (slash >= 0 && line.substring(slash).matches(".*(torch|onnxruntime|tokenizers|c10).*\\.so.*")) {
        found.add(line.substring(slash));
      }
    }
    return found.isEmpty() ? "none" : String.join("\n", found);
  }
}
