package dev.diptych.core.weights;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.diptych.core.CheckpointException;
import dev.diptych.testing.Safetensors;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class WeightsTest {
  @TempDir Path folder;

  @Test
  void bindsTensorsInTheOrderOfTheModelNotOfTheFile() {
    try (Checkpoint checkpoint = layers(2)) {
      Weights weights = Weights.of(checkpoint);
      weights.require("norm.weight", 4);
      for (int i = 1; i >= 0; i--) {
        Weights layer = weights.at("layers." + i).at("mlp.");
        assertThat(layer.has("up.weight")).isTrue();
        assertThat(layer.has("down.weight")).isFalse();
        assertThat(layer.require("up.weight", 2, 4).name())
            .isEqualTo("layers." + i + ".mlp.up.weight");
      }

      assertThat(weights.done().keySet())
          .containsExactly("norm.weight", "layers.1.mlp.up.weight", "layers.0.mlp.up.weight");
      assertThat(weights.report().fits()).isTrue();
    }
  }

  @Test
  void tellsWhatIsMissingWhenTheConfigHasMoreLayersThanTheWeights() {
    try (Checkpoint checkpoint = layers(29)) {
      Weights weights = Weights.of(checkpoint);
      weights.require("norm.weight", 4);
      for (int i = 0; i < 30; i++) {
        weights.require("layers." + i + ".mlp.up.weight", 2, 4);
      }

      assertThat(weights.report().missing())
          .containsExactly(Map.entry("layers.29.mlp.up.weight", List.of(2L, 4L)));
      assertThatThrownBy(weights::done)
          .isInstanceOf(CheckpointException.class)
          .hasMessage(
              "Cannot bind the weights of " + checkpoint.location()
                  + "\n  1 missing:\n    layers.29.mlp.up.weight [2, 4]"
                  + "\n  Is config.json from the same checkpoint?");
    }
  }

  @Test
  void tellsWhatIsUnusedWhenTheConfigHasFewerLayersThanTheWeights() {
    try (Checkpoint checkpoint = layers(30)) {
      Weights weights = Weights.of(checkpoint);
      weights.require("norm.weight", 4);
      weights.require("layers.0.mlp.up.weight", 2, 4);

      assertThatThrownBy(weights::done)
          .isInstanceOf(CheckpointException.class)
          .hasMessageContaining("29 not used:\n    layers.1.mlp.up.weight")
          .hasMessageContaining("layers.10.mlp.up.weight\n    and 19 more")
          .satisfies(e -> assertThat(e.getMessage()).doesNotContain("layers.11."));
    }
  }

  @Test
  void tellsExpectedFoundAndFileOfATransposedWeight() {
    try (Checkpoint checkpoint = layers(1)) {
      Weights weights = Weights.of(checkpoint);
      weights.require("layers.0.mlp.up.weight", 4, 2);
      weights.require("norm.weight", 5);

      assertThat(weights.report().mismatched()).hasSize(2);
      assertThatThrownBy(weights::done)
          .isInstanceOf(CheckpointException.class)
          .hasMessageContaining(
              "2 of another shape or type:"
                  + "\n    layers.0.mlp.up.weight expected [4, 2], found [2, 4] I8"
                  + " in model.safetensors"
                  + "\n    norm.weight expected [5], found [4] I8 in model.safetensors");
    }
  }

  @Test
  void tellsEverythingThatIsWrongAtOnce() {
    try (Checkpoint checkpoint = layers(1)) {
      Weights weights = Weights.of(checkpoint);
      weights.require("layers.0.mlp.up.weight");
      weights.require("absent", 7);

      assertThatThrownBy(weights::done)
          .hasMessageContainingAll(
              "1 missing:\n    absent [7]", "expected [], found [2, 4]", "1 not used:\n    norm");
    }
  }

  @Test
  void tellsOfShapesThatNoTensorCanHave() {
    try (Checkpoint checkpoint = layers(1)) {
      Weights weights = Weights.of(checkpoint);
      weights.require("a", 1L << 62, 1L << 62);
      weights.require("b", -1);

      assertThatThrownBy(weights::done)
          .isInstanceOf(CheckpointException.class)
          .hasMessageContaining("b [-1]");
    }
  }

  @Test
  void ignoresByExactNameOrPatternBelowThePrefixWithAReason() {
    try (Checkpoint checkpoint = layers(12)) {
      Weights weights = Weights.of(checkpoint);
      weights.require("norm.weight", 4);
      weights.at("layers").ignore("*.mlp.up.weight", "the test needs none");
      weights.at("layers.3").require("mlp.up.weight", 2, 4);

      assertThat(weights.done()).containsOnlyKeys("norm.weight", "layers.3.mlp.up.weight");
      assertThat(weights.report().ignored())
          .hasSize(11)
          .containsEntry("layers.11.mlp.up.weight", "the test needs none");
    }
  }

  @Test
  void takesOnlyTheStarAsAWildcard() {
    try (Checkpoint checkpoint = layers(1)) {
      Weights weights = Weights.of(checkpoint);
      weights.ignore("norm?weight", "not a pattern");
      weights.ignore("layers.[0-9].mlp.up.weight", "not a pattern");
      weights.ignore("ayers.0.mlp.up.weight", "not the whole name");

      assertThat(weights.report().unused()).hasSize(2);
    }
  }

  @Test
  void demandsAReasonForIgnoring() {
    try (Checkpoint checkpoint = layers(1)) {
      assertThatThrownBy(() -> Weights.of(checkpoint).ignore("norm.weight", " "))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("norm.weight needs a reason");
    }
  }

  /** Layers of one [2, 4] tensor each, then a norm of [4]. */
  private Checkpoint layers(int count) {
    StringBuilder header = new StringBuilder("{");
    for (int i = 0; i < count; i++) {
      String offsets = "[" + 8 * i + "," + 8 * (i + 1) + "]";
      header.append(
          Safetensors.entry("layers." + i + ".mlp.up.weight", "I8", "[2,4]", offsets)).append(',');
    }
    String offsets = "[" + 8 * count + "," + (8 * count + 4) + "]";
    header.append(Safetensors.entry("norm.weight", "I8", "[4]", offsets)).append('}');
    Safetensors.write(folder.resolve("model.safetensors"), header.toString(), 8 * count + 4);
    return Checkpoint.open(folder);
  }
}
