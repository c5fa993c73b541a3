package dev.diptych.core.weights;

import dev.diptych.core.DType;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.IntToLongFunction;
import java.util.function.ToLongFunction;

/**
 * What a checkpoint is, told by its headers alone: no tensor is read and no native library loaded.
 *
 * @param location the folder or file
 * @param family model_type of config.json, or "unknown" without one
 * @param layout which of the family's published layouts, empty when the family is not run
 * @param sizes the config's figures, by their names there
 * @param parts the tensors, by the part of the model that they belong to
 * @param files the weight files with their sizes in bytes
 * @param fit how the model and the tensors fit; empty when the family is not run
 * @param memory what the model needs to run; empty when the family is not run
 * @param step what one step of the model reads; empty when the family is not run
 */
public record CheckpointSummary(
    Path location,
    String family,
    Optional<String> layout,
    Map<String, String> sizes,
    List<Part> parts,
    Map<Path, Long> files,
    Optional<Weights.Report> fit,
    Optional<Memory> memory,
    Optional<Step> step) {

  /**
   * Tensors that belong together.
   *
   * @param name the first segment of their names below {@code model.}
   * @param tensors how many
   * @param parameters numbers in them
   * @param bytes of their data in the files
   * @param types how many tensors are stored in each type
   */
  public record Part(
      String name, int tensors, long parameters, long bytes, Map<StoredType, Integer> types) {
    /** Makes the map unmodifiable; its order stays. */
    public Part {
      types = Collections.unmodifiableMap(new LinkedHashMap<>(types));
    }
  }

  /**
   * Bytes that the model needs in one dtype.
   *
   * @param weightsFloat32 all weights, with a float32 transformer
   * @param weightsBfloat16 all weights, with a bfloat16 transformer
   * @param weightsInt8 all weights, with 8-bit integers in the transformer's layers; caches are those
   *     of bfloat16
   * @param weightsInt4 the same with 4-bit integers
   * @param drawingCacheFloat32 the cache of one guided drawing
   * @param drawingCacheBfloat16 the same in bfloat16
   * @param contextCacheFloat32 the cache of a conversation as long as the context
   * @param contextCacheBfloat16 the same in bfloat16
   */
  public record Memory(
      long weightsFloat32,
      long weightsBfloat16,
      long weightsInt8,
      long weightsInt4,
      long drawingCacheFloat32,
      long drawingCacheBfloat16,
      long contextCacheFloat32,
      long contextCacheBfloat16) {

    /**
     * Asks for each size.
     *
     * @param weights bytes of all weights in a dtype
     * @param drawingCache bytes of the cache of one guided drawing, by bytes of a number
     * @param contextCache bytes of the cache of a conversation as long as the context, likewise
     */
    public static Memory of(
        ToLongFunction<DType> weights,
        IntToLongFunction drawingCache,
        IntToLongFunction contextCache) {
      int wide = DType.FLOAT32.bytes();
      int narrow = DType.BFLOAT16.bytes();
      return new Memory(
          weights.applyAsLong(DType.FLOAT32),
          weights.applyAsLong(DType.BFLOAT16),
          weights.applyAsLong(DType.INT8),
          weights.applyAsLong(DType.INT4),
          drawingCache.applyAsLong(wide),
          drawingCache.applyAsLong(narrow),
          contextCache.applyAsLong(wide),
          contextCache.applyAsLong(narrow));
    }
  }

  /**
   * Numbers that one decode step reads from memory.
   *
   * @param drawing weights, for a code of a picture
   * @param text weights, for a token of text
   * @param cache keys and values, for every position and row
   * @param contexts how many rows a drawing has, and how long they are
   */
  public record Step(long drawing, long text, long cache, Contexts contexts) {}

  /** The sequences that guidance compares while a picture is drawn; each is a row of the batch. */
  public enum Contexts {
    /** The prompt, and one as long without its words. */
    EQUAL,
    /** The prompt, and nothing. */
    FULL_AND_EMPTY,
    /** The prompt, its pictures alone, and nothing; the first and the last if it has no pictures. */
    FULL_PICTURES_AND_EMPTY
  }

  /** Makes the collections unmodifiable; their order stays. */
  public CheckpointSummary {
    sizes = Collections.unmodifiableMap(new LinkedHashMap<>(sizes));
    parts = List.copyOf(parts);
    files = Collections.unmodifiableMap(new LinkedHashMap<>(files));
  }

  /** {@return what is known without the family: the tensors and the files} */
  public static CheckpointSummary of(Checkpoint checkpoint, String family) {
    Map<String, List<TensorSpec>> byPart = new LinkedHashMap<>();
    Map<Path, Long> files = new TreeMap<>();
    for (String name : checkpoint.names()) {
      TensorSpec spec = checkpoint.spec(name);
      byPart.computeIfAbsent(part(name), n -> new ArrayList<>()).add(spec);
      files.computeIfAbsent(spec.file(), f -> f.toFile().length());
    }
    List<Part> parts = new ArrayList<>();
    byPart.forEach((name, specs) -> parts.add(part(name, specs)));
    return new CheckpointSummary(
        checkpoint.location(),
        family,
        Optional.empty(),
        Map.of(),
        parts,
        files,
        Optional.empty(),
        Optional.empty(),
        Optional.empty());
  }

  /** {@return the same with what the family knows of it} */
  public CheckpointSummary with(
      String layout, Map<String, String> sizes, Weights.Report fit, Memory memory, Step step) {
    return new CheckpointSummary(
        location,
        family,
        Optional.of(layout),
        sizes,
        parts,
        files,
        Optional.of(fit),
        Optional.of(memory),
        Optional.of(step));
  }

  /** {@return the numbers in all tensors} */
  public long parameters() {
    return parts.stream().mapToLong(Part::parameters).sum();
  }

  /** {@return how many tensors there are} */
  public int tensors() {
    return parts.stream().mapToInt(Part::tensors).sum();
  }

  private static String part(String tensor) {
    String name = tensor.startsWith("model.") ? tensor.substring(6) : tensor;
    int dot = name.indexOf('.');
    return dot < 0 ? name : name.substring(0, dot);
  }

  private static Part part(String name, List<TensorSpec> specs) {
    Map<StoredType, Integer> types = new TreeMap<>();
    specs.forEach(s -> types.merge(s.type(), 1, Integer::sum));
    return new Part(
        name,
        specs.size(),
        specs.stream().mapToLong(TensorSpec::elements).sum(),
        specs.stream().mapToLong(TensorSpec::bytes).sum(),
        types);
  }
}
