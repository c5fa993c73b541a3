package dev.diptych.core.engine;

import ai.onnxruntime.OrtEnvironment;
import java.util.TreeSet;

/** The native library behind the convolutional coders. */
public final class OnnxRuntime {
  private OnnxRuntime() {}

  /**
   * Loads ONNX Runtime on the first call.
   *
   * @return one line on what was loaded: version, where it can compute
   * @throws dev.diptych.core.EngineException with the remedy if it cannot be loaded
   */
  public static String describe() {
    String version = OnnxEnvironment.get().getVersion();
    TreeSet<String> providers = new TreeSet<>();
    OrtEnvironment.getAvailableProviders().forEach(p -> providers.add(p.getName()));
    return "ONNX Runtime " + version + ", " + String.join(", ", providers);
  }
}
