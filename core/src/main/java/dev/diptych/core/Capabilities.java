package dev.diptych.core;

import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * What a model can do.
 *
 * @param routes what may go in for each kind of output that the model has
 * @param maxSequenceLength positions that one session can hold, text and picture tokens together
 * @param lacking what has to be added to this checkpoint before it can do what others of its family
 *     do; told where such an output is refused
 */
public record Capabilities(
    Set<Route> routes, int maxSequenceLength, Map<Output, String> lacking) {
  /**
   * One thing that a model does.
   *
   * @param reads the modalities that a prompt may hold
   * @param output what comes back
   */
  public record Route(Set<Modality> reads, Output output) {
    /** Copies the set. */
    public Route {
      reads = Set.copyOf(reads);
      Objects.requireNonNull(output, "output");
    }

    @Override
    public String toString() {
      return reads.stream().map(Modality::name).sorted().collect(Collectors.joining(" and "))
          + " -> "
          + output;
    }
  }

  /** Copies the set and the map. */
  public Capabilities {
    routes = Set.copyOf(routes);
    lacking = Map.copyOf(lacking);
  }

  /** A model that lacks nothing. */
  public Capabilities(Set<Route> routes, int maxSequenceLength) {
    this(routes, maxSequenceLength, Map.of());
  }

  /** {@return whether a prompt of these modalities can be answered with this output} */
  public boolean supports(Set<Modality> reads, Output output) {
    return routes.stream().anyMatch(r -> r.output() == output && r.reads().containsAll(reads));
  }

  /**
   * Refuses what the model cannot do.
   *
   * @throws UnsupportedRequestException with the list of what is supported
   */
  public void require(Set<Modality> reads, Output output) {
    if (!supports(reads, output)) {
      throw new UnsupportedRequestException(
          "This model cannot do "
              + new Route(reads, output)
              + "\n  supported: "
              + routes.stream().map(Route::toString).sorted().collect(Collectors.joining("; "))
              + (lacking.containsKey(output) ? "\n  lacking:   " + lacking.get(output) : ""));
    }
  }
}
