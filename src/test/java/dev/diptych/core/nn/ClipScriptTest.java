package dev.diptych.core.nn;

import com.google.gson.JsonObject;
import dev.diptych.core.DType;
import dev.diptych.core.DeviceChoice;
import dev.diptych.core.engine.Scope;
import dev.diptych.core.engine.TorchDevice;
import dev.diptych.core.engine.TorchScript;
import dev.diptych.core.engine.Value;
import dev.diptych.core.engine.WeightLoader;
import dev.diptych.core.weights.Checkpoint;
import dev.diptych.testing.Golden;
import dev.diptych.testing.Tolerance;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ClipScriptTest {
  @ParameterizedTest
  @ValueSource(strings = {"quick_gelu", "gelu"})
  void everyHiddenStateIsTheReferences(String activation) {
    JsonObject sizes = Golden.facts("clip");
    int width = sizes.get("hidden_size").getAsInt();
    int headDim = width / sizes.get("num_attention_heads").getAsInt();
    int layers = sizes.get("num_hidden_layers").getAsInt();
    try (Golden golden = Golden.open("clip");
        Checkpoint checkpoint =
            Checkpoint.openFile(Golden.folder("clip").resolve("model.safetensors"));
        TorchDevice device = TorchDevice.open(DeviceChoice.CPU);
        Scope scope = new Scope()) {
      TorchScript script =
          scope.add(
              TorchScript.load(
                  device,
                  ClipTower.class,
                  List.of("core/nn/norm", "core/nn/mask", "core/nn/attention", "core/nn/clip")));
      Map<String, WeightLoader.Slice> slices = new LinkedHashMap<>();
      checkpoint
          .names()
          .forEach(name -> slices.put(name, WeightLoader.Slice.of(checkpoint.spec(name))));
      Value weights =
          scope.add(WeightLoader.load(device, checkpoint, slices, DType.FLOAT32, name -> false));
      Value pixels =
          scope.add(device.floats(golden.floats("pixel_values"), golden.shape("pixel_values")));
      float[] expected = golden.floats(activation + ".hidden_states");
      int each = expected.length / (layers + 1);

      for (int i = 0; i <= layers; i++) {
        float[] found =
            scope
                .add(
                    script.call(
                        "tower",
                        pixels,
                        scope.add(device.of((long) i)),
                        scope.add(device.of((long) headDim)),
                        scope.add(device.of(sizes.get("layer_norm_eps").getAsDouble())),
                        scope.add(device.of(activation.equals("quick_gelu"))),
                        weights))
                .toFloats();

        // No difference was seen on the machine that wrote them; the two activations differ by 0.25.
        Tolerance.FP32.check(
            activation + " after layer " + i,
            found,
            Arrays.copyOfRange(expected, i * each, (i + 1) * each));
      }
    }
  }
}
