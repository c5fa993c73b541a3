package dev.diptych.models.discrete;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.gson.JsonObject;
import dev.diptych.core.DeviceChoice;
import dev.diptych.core.engine.Scope;
import dev.diptych.core.engine.TorchDevice;
import dev.diptych.core.engine.TorchScript;
import dev.diptych.core.engine.Value;
import dev.diptych.testing.Golden;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/**
 * What is drawn from given logits against the probabilities of the processors of Chameleon's authors:
 * allow-list, penalty, guidance, temperature and top-p, in their order. The random bits are a grid, so
 * that every number between 0 and 1 must fall on the token that holds it.
 */
class DiscreteSamplingGoldenTest {
  private static final String GOLDEN = "chameleon/generate";
  private static final int END = 2;
  private static final int BEGIN_OF_IMAGE = 69;
  private static final int FIRST_CODE = 4;
  private static final int CODES = 64;
  private static final int DRAWS = 2000;
  // Rounding of a float32 softmax, added up.
  private static final double ROUNDING = 1e-6;

  @Test
  void wordsFallAsTheProcessorsOfTheAuthorsHaveThem() {
    JsonObject facts = Golden.facts(GOLDEN).getAsJsonObject("processed");
    int[] seen = ints(facts, "seen");
    int[] allowed = ints(facts, "allowed");
    try (Golden golden = Golden.open(GOLDEN);
        Scope scope = new Scope()) {
      Script script = new Script(scope, golden.floats("text.logits"), 1, allowed);
      long[] found =
          script.draw(
              "next_token",
              script.ones(DRAWS, 1),
              script.device.of(true),
              script.device.longs(seen, seen.length),
              script.device.of(1.2));
      check(found, golden.floats("text.probabilities"));
    }
  }

  @Test
  void codesFallAsTheProcessorsOfTheAuthorsHaveThem() {
    try (Golden golden = Golden.open(GOLDEN);
        Scope scope = new Scope()) {
      float[] logits = golden.floats("image.logits");
      Script script = new Script(scope, logits, 3, new int[] {END});
      float[] rows = new float[3 * DRAWS * 3];
      for (int row = 0; row < 3 * DRAWS; row++) {
        rows[3 * row + row / DRAWS] = 1;
      }
      long[] found =
          script.draw(
              "next_codes",
              script.device.floats(rows, 3L * DRAWS, 3),
              script.device.of(DRAWS),
              script.call("scales", script.device.of(3.0), script.device.of(1.2)));
      float[] probabilities = golden.floats("image.probabilities");
      check(found, Arrays.copyOfRange(probabilities, FIRST_CODE, FIRST_CODE + CODES));
    }
  }

  private static void check(long[] found, float[] probabilities) {
    double[] until = new double[probabilities.length + 1];
    for (int id = 0; id < probabilities.length; id++) {
      until[id + 1] = until[id] + probabilities[id];
    }
    for (int i = 0; i < DRAWS; i++) {
      int id = (int) found[i];
      assertThat(id).as("draw %d", i).isBetween(0, probabilities.length - 1);
      assertThat(probabilities[id]).as("probability of %d", id).isPositive();
      assertThat((i + 0.5) / DRAWS)
          .as("draw %d is %d", i, id)
          .isBetween(until[id] - ROUNDING, until[id + 1] + ROUNDING);
    }
  }

  private static int[] ints(JsonObject facts, String name) {
    return IntStream.range(0, facts.getAsJsonArray(name).size())
        .map(i -> facts.getAsJsonArray(name).get(i).getAsInt())
        .toArray();
  }

  /** The transformer's script on a head that gives the logits back: row r of x asks for row r. */
  private static final class Script {
    final TorchDevice device;
    private final Scope scope;
    private final TorchScript script;
    private final Value weights;

    /** {@code logits: [rows, V]}; the allowed are words but for the end and the begin of a picture. */
    Script(Scope scope, float[] logits, int rows, int[] allowed) {
      this.scope = scope;
      device = scope.add(TorchDevice.open(DeviceChoice.CPU));
      script =
          scope.add(
              TorchScript.load(device, DiscreteTransformer.class, DiscreteTransformer.SHARED));
      int vocabulary = logits.length / rows;
      float[] head = new float[logits.length];
      for (int i = 0; i < logits.length; i++) {
        head[i % vocabulary * rows + i / vocabulary] = logits[i];
      }
      Map<String, Value> tensors = new HashMap<>();
      tensors.put("lm_head.weight", scope.add(device.floats(head, vocabulary, rows)));
      weights = device.dictionary(tensors);
      int[] words = Arrays.stream(allowed).filter(id -> id != BEGIN_OF_IMAGE).toArray();
      call(
          "add_vocabulary",
          weights,
          device.longs(IntStream.range(FIRST_CODE, FIRST_CODE + CODES).toArray(), CODES),
          device.longs(words, words.length),
          device.of(BEGIN_OF_IMAGE));
    }

    Value ones(int rows, int width) {
      float[] ones = new float[rows * width];
      Arrays.fill(ones, 1);
      return device.floats(ones, rows, width);
    }

    /** Calls, and holds the arguments too until the scope ends. */
    Value call(String method, Value... arguments) {
      Arrays.stream(arguments).forEach(scope::add);
      return scope.add(script.call(method, arguments));
    }

    /** Draws with temperature 0.7 and top-p 0.9 along the grid. */
    long[] draw(String method, Value... first) {
      long[] bits = new long[DRAWS];
      for (int i = 0; i < DRAWS; i++) {
        bits[i] = (long) ((i + 0.5) / DRAWS * (1L << 53));
      }
      Value[] all = Arrays.copyOf(first, first.length + 3);
      all[first.length] =
          call("how", device.of(false), device.of(0.7), device.of(0L), device.of(0.9));
      all[first.length + 1] = device.longs(bits, DRAWS);
      all[first.length + 2] = weights;
      return call(method, all).toLongs();
    }
  }
}
