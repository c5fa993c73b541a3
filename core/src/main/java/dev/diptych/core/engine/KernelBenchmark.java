package dev.diptych.core.engine;

import dev.diptych.core.DType;
import dev.diptych.core.DeviceChoice;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.stream.IntStream;

/**
 * How long a product with one weight of a layer takes on the CPU, by number format and rows: what a
 * step (few rows) and a prompt (many) are made of. Several weights take turns, so that each comes
 * from memory as in a model and not from a cache.
 */
public final class KernelBenchmark {
  // In bfloat16, together.
  private static final long WEIGHT_BYTES = 512L << 20;

  private KernelBenchmark() {}

  /**
   * One measured product.
   *
   * @param rows rows of what is multiplied
   * @param millis the fastest round's mean over the weights
   * @param weightBytes bytes of one weight with its scales
   */
  public record Figure(DType dtype, int rows, double millis, long weightBytes) {}

  /**
   * Measures.
   *
   * @param outputs rows N of the weight, a multiple of 16
   * @param inputs columns K of the weight, a multiple of 32
   * @param rows how many rows are multiplied
   * @param rounds how often, after one to warm up; at least 1
   * @return for every number of rows: bfloat16, int8, int4
   * @throws IllegalArgumentException if a number is not as said; the kernels check nothing
   */
  public static List<Figure> measure(int outputs, int inputs, List<Integer> rows, int rounds) {
    boolean sizes = outputs > 0 && outputs % 16 == 0 && inputs > 0 && inputs % 32 == 0;
    if (!sizes || rounds < 1 || rows.stream().anyMatch(r -> r < 1)) {
      throw new IllegalArgumentException(
          "Cannot multiply " + rows + " rows by a weight of " + outputs + "x" + inputs + " in "
              + rounds + " rounds\n  expected rows and rounds of at least 1, a multiple of 16 and a"
              + " multiple of 32");
    }
    List<Figure> figures = new ArrayList<>();
    try (Scope scope = new Scope()) {
      TorchDevice device = scope.add(TorchDevice.open(DeviceChoice.CPU));
      TorchScript script =
          scope.add(
              TorchScript.load(device, KernelBenchmark.class, List.of("core/nn/linear")));
      Value n = scope.add(device.of((long) outputs));
      Value k = scope.add(device.of((long) inputs));
      long numbers = (long) outputs * inputs;
      int copies = (int) Math.min(64, 1 + WEIGHT_BYTES / (2 * numbers));
      boolean packs;
      try (TorchScript loader = TorchScript.load(device, WeightLoader.class, List.of())) {
        packs = KernelForm.packs8(loader, scope.add(device.floats(new float[1], 1)));
      }
      for (DType dtype : List.of(DType.BFLOAT16, DType.INT8, DType.INT4)) {
        String maker =
            dtype == DType.INT8 && packs ? "packed8" : dtype.name().toLowerCase(Locale.ROOT);
        try (Scope weights = new Scope()) {
          List<Value> all =
              IntStream.range(0, copies)
                  .mapToObj(i -> weights.add(script.call(maker, n, k)))
                  .toList();
          for (int m : rows) {
            try (Value count = device.of((long) m);
                Value x = script.call("rows", count, k)) {
              figures.add(
                  new Figure(dtype, m, best(script, x, all, rounds), bytes(dtype, outputs, inputs)));
            }
          }
        }
      }
    }
    figures.sort(Comparator.comparingInt(f -> rows.indexOf(f.rows())));
    return figures;
  }

  private static double best(TorchScript script, Value x, List<Value> weights, int rounds) {
    double best = Double.POSITIVE_INFINITY;
    for (int i = 0; i <= rounds; i++) {
      long begin = System.nanoTime();
      for (Value weight : weights) {
        script.call("multiply", x, weight).close();
      }
      double millis = (System.nanoTime() - begin) / 1e6 / weights.size();
      best = i == 0 ? best : Math.min(best, millis);
    }
    return best;
  }

  private static long bytes(DType dtype, long n, long k) {
    return switch (dtype) {
      case INT8 -> n * k + 2 * n;
      case INT4 -> n * k / 2 + 4 * n * (k / 32);
      default -> 2 * n * k;
    };
  }
}
