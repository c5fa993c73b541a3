package dev.diptych.models.bagel;

import static org.assertj.core.api.Assertions.assertThat;

import dev.diptych.core.vae.VaeConfig;
import dev.diptych.core.weights.Checkpoint;
import dev.diptych.core.weights.JsonMap;
import dev.diptych.core.weights.Weights;
import dev.diptych.testing.Golden;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

/** Names and shapes of BAGEL-7B-MoT, against the authors' class. */
class BagelPublishedTest {
  private static final BagelConfig PUBLISHED =
      new BagelConfig(
          new BagelConfig.Text(152064, 3584, 18944, 28, 28, 4, 32768, 1e-6, 1e6),
          new BagelConfig.Vision(1152, 4304, 26, 16, 14, 1e-6),
          2,
          64,
          70,
          new VaeConfig(
              3,
              3,
              List.of(128, 256, 512, 512),
              2,
              16,
              32,
              256,
              VaeConfig.FLUX_SCALING,
              VaeConfig.FLUX_SHIFT,
              false,
              false,
              true));

  @Test
  void asksForTheTensorsOfTheAuthorsClass() {
    Map<String, List<Long>> asked;
    try (Checkpoint coder =
        Checkpoint.join(
            TinyBagel.folder(),
            Map.of(
                BagelFiles.VAE,
                Checkpoint.openFile(TinyBagel.folder().resolve(BagelFiles.VAE_FILE))))) {
      // Of a checkpoint without any of them, every tensor is missing, and its shape is told.
      Weights weights = Weights.of(coder);
      BagelWeights.bind(weights, PUBLISHED);
      asked = new TreeMap<>(weights.report().missing());
    }
    asked.keySet().removeIf(name -> name.startsWith(BagelFiles.VAE));

    assertThat(asked).isEqualTo(published());
  }

  @Test
  void picturesAreAsLargeAsInTheAuthorsProgram() {
    assertThat(PUBLISHED.maxImageSide()).isEqualTo(1024);
    assertThat(PUBLISHED.cell()).isEqualTo(16);
    assertThat(PUBLISHED.latentWidth()).isEqualTo(64);
  }

  private static Map<String, List<Long>> published() {
    JsonMap tensors =
        JsonMap.read(Golden.folder("bagel").resolve("published.json"), 1 << 20);
    Map<String, List<Long>> shapes = new TreeMap<>();
    for (String name : tensors.keys()) {
      JsonMap tensor = tensors.object(name);
      for (int i = 0; i < tensor.integer("layers", 1, 100); i++) {
        shapes.put(name.replace("*", Integer.toString(i)), tensor.integers("shape", 1, 1 << 20));
      }
    }
    return shapes;
  }
}
