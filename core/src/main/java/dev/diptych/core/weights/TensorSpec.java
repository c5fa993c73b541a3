package dev.diptych.core.weights;

import java.nio.file.Path;
import java.util.List;
import java.util.Objects;

/**
 * What a checkpoint says of one tensor.
 *
 * @param name the name in the checkpoint
 * @param type how its elements are stored
 * @param shape its dimensions, each ≥ 0; empty for a scalar
 * @param file the file that holds it
 */
public record TensorSpec(String name, StoredType type, List<Long> shape, Path file) {

  /** Checks that the size is a number of bytes that a file can have. */
  public TensorSpec {
    Objects.requireNonNull(name, "name");
    Objects.requireNonNull(type, "type");
    Objects.requireNonNull(file, "file");
    shape = List.copyOf(shape);
    for (long dimension : shape) {
      if (dimension < 0) {
        throw new IllegalArgumentException("shape " + shape + " has a negative dimension");
      }
    }
    bytes(type, shape);
  }

  /** {@return the number of elements: the product of the shape, 1 for a scalar} */
  public long elements() {
    return elements(shape);
  }

  /** {@return the size of the data in bytes} */
  public long bytes() {
    return bytes(type, shape);
  }

  /**
   * @throws ArithmeticException if the product does not fit 63 bits
   */
  static long elements(List<Long> shape) {
    long product = 1;
    for (long dimension : shape) {
      product = Math.multiplyExact(product, dimension);
    }
    return product;
  }

  /**
   * @throws ArithmeticException if the product does not fit 63 bits
   */
  static long bytes(StoredType type, List<Long> shape) {
    return Math.multiplyExact(elements(shape), (long) type.bytes());
  }
}
