package dev.diptych.core.vae;

import static org.assertj.core.api.Assertions.assertThat;

import dev.diptych.core.engine.OnnxGraph;
import dev.diptych.core.weights.JsonMap;
import dev.diptych.decoders.VaeImageDecoder;
import dev.diptych.testing.Golden;
import dev.diptych.tokenizers.VaeImageEncoder;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** Names and shapes of coders of the published sizes, against diffusers' classes. */
class VaePublishedTest {
  private static final List<Integer> WIDTHS = List.of(128, 256, 512, 512);

  @Test
  void asksForTheTensorsOfSdxl() {
    VaeConfig config =
        new VaeConfig(3, 3, WIDTHS, 2, 4, 32, 1024, VaeConfig.SDXL_SCALING, 0, true, true, true);
    VaeLayout layout = new VaeLayout(VaeLayout.Naming.DIFFUSERS, true);

    assertThat(asked(config, layout)).isEqualTo(published("sdxl"));
  }

  @Test
  void asksForTheTensorsOfFlux() {
    VaeConfig config =
        new VaeConfig(
            3,
            3,
            WIDTHS,
            2,
            16,
            32,
            1024,
            VaeConfig.FLUX_SCALING,
            VaeConfig.FLUX_SHIFT,
            false,
            false,
            true);
    VaeLayout layout = new VaeLayout(VaeLayout.Naming.ORIGINAL, false);

    assertThat(asked(config, layout)).isEqualTo(published("flux"));
  }

  private static Map<String, List<Long>> asked(VaeConfig config, VaeLayout layout) {
    Map<String, List<Long>> shapes = new TreeMap<>();
    Stream.of(VaeImageEncoder.graph(config, layout), VaeImageDecoder.graph(config, layout))
        .map(OnnxGraph::weights)
        .forEach(weights -> weights.forEach(w -> shapes.put(w.name(), w.shape())));
    return shapes;
  }

  private static Map<String, List<Long>> published(String coder) {
    JsonMap tensors =
        JsonMap.read(Golden.folder("vae").resolve("published.json"), 1 << 16).object(coder);
    Map<String, List<Long>> shapes = new TreeMap<>();
    for (String name : tensors.keys()) {
      shapes.put(name, tensors.integers(name, 1, 1 << 16));
    }
    return shapes;
  }
}
