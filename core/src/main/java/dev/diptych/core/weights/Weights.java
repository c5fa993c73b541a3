package dev.diptych.core.weights;

import dev.diptych.core.CheckpointException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.regex.Pattern;

/**
 * Binds a model to a checkpoint: asks for every tensor with its shape, and says at the end what was
 * missing, what was of another shape, and what nobody asked for. A view at a prefix shares the
 * record with the whole. For one thread.
 */
public final class Weights {
  private final Checkpoint checkpoint;
  private final String prefix;
  private final Binding binding;

  /** What the views of one checkpoint write down together. */
  private static final class Binding {
    final Map<String, TensorSpec> bound = new LinkedHashMap<>();
    final Map<String, List<Long>> missing = new LinkedHashMap<>();
    final Map<String, Mismatch> mismatched = new LinkedHashMap<>();
    final Map<String, String> ignoredPatterns = new LinkedHashMap<>();
  }

  /**
   * A tensor that is not what the model needs.
   *
   * @param expected the shape that the model computed from its config
   * @param found what the checkpoint holds
   */
  public record Mismatch(List<Long> expected, TensorSpec found) {
    @Override
    public String toString() {
      String type = found.type().isBindable() ? "" : " of a type that can be computed with";
      return Shown.name(found.name()) + " expected " + expected + type + ", found " + found.shape()
          + " " + found.type() + " in " + Shown.file(found.file());
    }
  }

  /**
   * How a model and a checkpoint fit.
   *
   * @param missing tensors that the model needs and the checkpoint lacks, with their shapes
   * @param mismatched tensors of another shape, or of a type that cannot be computed with
   * @param unused tensors that the model did not ask for
   * @param ignored tensors that the model leaves out, with its reason
   */
  public record Report(
      Map<String, List<Long>> missing,
      List<Mismatch> mismatched,
      List<String> unused,
      Map<String, String> ignored) {

    /** Makes the collections unmodifiable; their order stays. */
    public Report {
      missing = Collections.unmodifiableMap(new LinkedHashMap<>(missing));
      mismatched = List.copyOf(mismatched);
      unused = List.copyOf(unused);
      ignored = Collections.unmodifiableMap(new LinkedHashMap<>(ignored));
    }

    /** {@return whether nothing is missing, mismatched or unused} */
    public boolean fits() {
      return missing.isEmpty() && mismatched.isEmpty() && unused.isEmpty();
    }
  }

  private Weights(Checkpoint checkpoint, String prefix, Binding binding) {
    this.checkpoint = checkpoint;
    this.prefix = prefix;
    this.binding = binding;
  }

  /** {@return a binding of which nothing is bound yet} */
  public static Weights of(Checkpoint checkpoint) {
    return new Weights(checkpoint, "", new Binding());
  }

  /** {@return the checkpoint that is bound} */
  public Checkpoint checkpoint() {
    return checkpoint;
  }

  /**
   * {@return the view below a prefix}
   *
   * @param prefix a path such as {@code model.layers.3}; the dot after it is added where it lacks
   */
  public Weights at(String prefix) {
    String below = prefix.isEmpty() || prefix.endsWith(".") ? prefix : prefix + ".";
    return new Weights(checkpoint, this.prefix + below, binding);
  }

  /** {@return whether the checkpoint has a tensor of that name below this prefix} */
  public boolean has(String name) {
    return checkpoint.names().contains(prefix + name);
  }

  /**
   * Asks for a tensor. What is wrong with it is written down and told by {@link #done()}, so that
   * one run shows everything.
   *
   * @param name the name below this prefix
   * @param shape the shape that it must have; none for a scalar
   * @return what the checkpoint has, or a float32 stand-in of the asked shape if it has nothing
   */
  public TensorSpec require(String name, long... shape) {
    String path = prefix + name;
    List<Long> expected = Arrays.stream(shape).boxed().toList();
    if (!checkpoint.names().contains(path)) {
      binding.missing.put(path, expected);
      return standIn(path, expected);
    }
    TensorSpec found = checkpoint.spec(path);
    if (!found.shape().equals(expected) || !found.type().isBindable()) {
      binding.mismatched.put(path, new Mismatch(expected, found));
    }
    binding.bound.put(path, found);
    return found;
  }

  /** An absurd config asks for shapes that no tensor can have; that is told with the rest. */
  private TensorSpec standIn(String path, List<Long> shape) {
    try {
      return new TensorSpec(path, StoredType.F32, shape, checkpoint.location());
    } catch (ArithmeticException | IllegalArgumentException e) {
      return new TensorSpec(path, StoredType.F32, List.of(0L), checkpoint.location());
    }
  }

  /**
   * Leaves tensors out on purpose. One that is asked for all the same is bound.
   *
   * @param nameOrPattern a name below this prefix; {@code *} stands for any characters
   * @param reason why the model does not need them, for example {@code "recomputed from
   *     rope_theta"}
   */
  public void ignore(String nameOrPattern, String reason) {
    if (reason.isBlank()) {
      throw new IllegalArgumentException("ignoring " + nameOrPattern + " needs a reason");
    }
    binding.ignoredPatterns.put(prefix + nameOrPattern, reason);
  }

  /** {@return how the model and the checkpoint fit, over all prefixes} */
  public Report report() {
    Map<Pattern, String> patterns = new LinkedHashMap<>();
    binding.ignoredPatterns.forEach((text, reason) -> patterns.put(pattern(text), reason));
    List<String> unused = new ArrayList<>();
    Map<String, String> ignored = new LinkedHashMap<>();
    for (String name : checkpoint.names()) {
      if (!binding.bound.containsKey(name)) {
        patterns.entrySet().stream()
            .filter(p -> p.getKey().matcher(name).matches())
            .findFirst()
            .ifPresentOrElse(p -> ignored.put(name, p.getValue()), () -> unused.add(name));
      }
    }
    return new Report(
        binding.missing, List.copyOf(binding.mismatched.values()), unused, ignored);
  }

  /**
   * Ends the binding.
   *
   * @return the tensors that were bound, in the order in which they were asked for
   * @throws CheckpointException if tensors are missing, mismatched or unused
   */
  public Map<String, TensorSpec> done() {
    Report report = report();
    if (!report.fits()) {
      throw new CheckpointException(message(report));
    }
    return Collections.unmodifiableMap(new LinkedHashMap<>(binding.bound));
  }

  private String message(Report report) {
    Map<String, String> missing = new LinkedHashMap<>();
    report.missing().forEach((name, shape) -> missing.put(name, Shown.name(name) + " " + shape));
    StringBuilder out = new StringBuilder("Cannot bind the weights of " + checkpoint.location());
    list(out, "missing", missing.values(), Function.identity());
    list(out, "of another shape or type", report.mismatched(), Mismatch::toString);
    list(out, "not used", report.unused(), Shown::name);
    return out.append("\n  Is config.json from the same checkpoint?").toString();
  }

  private static <T> void list(
      StringBuilder out, String what, Collection<T> items, Function<T, String> shown) {
    if (items.isEmpty()) {
      return;
    }
    out.append("\n  ").append(items.size()).append(' ').append(what).append(':');
    items.stream().limit(10).forEach(item -> out.append("\n    ").append(shown.apply(item)));
    if (items.size() > 10) {
      out.append("\n    and ").append(items.size() - 10).append(" more");
    }
  }

  private static Pattern pattern(String text) {
    StringBuilder regex = new StringBuilder();
    for (String piece : text.split("\\*", -1)) {
      regex.append(regex.length() == 0 ? "" : ".*").append(Pattern.quote(piece));
    }
    return Pattern.compile(regex.toString(), Pattern.DOTALL);
  }
}
