package dev.diptych.core.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.diptych.core.DeviceChoice;
import dev.diptych.core.EngineException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class ScriptsCompileTest {
  private static final String SUFFIX = ".torchscript.py";

  @Test
  void everyScriptBesideAClassCompiles() throws Exception {
    List<String> shared = scripts().stream().filter(ScriptsCompileTest::isShared).toList();
    List<String> twins = scripts().stream().filter(s -> !isShared(s)).toList();
    assertThat(twins).contains("models/janus/JanusTransformer", "core/engine/WeightLoader");

    try (TorchDevice device = TorchDevice.open(DeviceChoice.CPU)) {
      for (String twin : twins) {
        Class<?> type = Class.forName("dev.diptych." + twin.replace('/', '.'));
        TorchScript.load(device, type, shared).close();
      }
    }
  }

  @Test
  void anErrorNamesTheScriptAndItsLine() {
    try (TorchDevice device = TorchDevice.open(DeviceChoice.CPU);
        TorchScript script = TorchScript.load(device, FailingScript.class, List.of());
        Value three = device.of(3)) {
      assertThatThrownBy(() -> script.call("fail", three))
          .isInstanceOf(EngineException.class)
          .hasMessageContaining("FailingScript.fail failed")
          .hasMessageContaining("core/engine/FailingScript.py\", line 4");
    }
  }

  /** Free functions are in files that no class has the name of. */
  private static boolean isShared(String script) {
    return Character.isLowerCase(script.charAt(script.lastIndexOf('/') + 1));
  }

  private static List<String> scripts() throws IOException {
    Path root = Path.of(System.getProperty("diptych.root"));
    try (Stream<Path> files = Files.walk(root)) {
      return files
          .map(p -> p.toString().replace('\\', '/'))
          .filter(p -> p.endsWith(SUFFIX) && p.contains("/src/main/java/"))
          .map(p -> p.substring(p.indexOf("/dev/diptych/") + "/dev/diptych/".length()))
          .map(p -> p.substring(0, p.length() - SUFFIX.length()))
          .sorted()
          .toList();
    }
  }
}
