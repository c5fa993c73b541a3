package dev.diptych.core;

import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;

/**
 * One turn of a conversation: parts in, and what is wanted out.
 *
 * @param parts text and pictures in any order; at least one
 * @param output what comes back
 * @param options how it is sampled
 * @param listener hears of the answer while it forms
 * @param previewEvery least time between two previews of the forming picture; empty means none
 * @param deadline most time that the whole request may take; empty means any
 * @param cancellation ends the request from another thread
 * @param probe chooses in the model's place; empty means the model's own choice
 */
public record GenerationRequest(
    List<Part> parts,
    Output output,
    GenerationOptions options,
    GenerationListener listener,
    Optional<Duration> previewEvery,
    Optional<Duration> deadline,
    Cancellation cancellation,
    Optional<Probe> probe) {

  /** Copies the parts and checks the values. */
  public GenerationRequest {
    parts = List.copyOf(parts);
    Objects.requireNonNull(output, "output");
    Objects.requireNonNull(options, "options");
    Objects.requireNonNull(listener, "listener");
    Objects.requireNonNull(cancellation, "cancellation");
    Objects.requireNonNull(probe, "probe");
    if (parts.isEmpty()) {
      throw new InvalidRequestException("The request is empty; expected at least one part");
    }
    previewEvery.ifPresent(d -> notNegative("previewEvery", d));
    deadline.ifPresent(d -> notNegative("deadline", d));
  }

  /** {@return a builder that asks for text, with everything else left to the model} */
  public static Builder builder() {
    return new Builder();
  }

  /** {@return the modalities among the parts} */
  public Set<Modality> reads() {
    EnumSet<Modality> reads = EnumSet.noneOf(Modality.class);
    parts.forEach(part -> reads.add(part.modality()));
    return reads;
  }

  private static void notNegative(String name, Duration duration) {
    if (duration.isNegative()) {
      throw new InvalidRequestException(name + " is " + duration + "; expected 0 or more");
    }
  }

  /** Collects a request. */
  public static final class Builder {
    private final List<Part> parts = new ArrayList<>();
    private Output output = Output.TEXT;
    private GenerationOptions options = GenerationOptions.DEFAULT;
    private GenerationListener listener = GenerationListener.NONE;
    private Optional<Duration> previewEvery = Optional.empty();
    private Optional<Duration> deadline = Optional.empty();
    private Cancellation cancellation = new Cancellation();
    private Optional<Probe> probe = Optional.empty();

    private Builder() {}

    /** Adds text. */
    public Builder text(String text) {
      parts.add(Part.of(text));
      return this;
    }

    /** Adds a picture. */
    public Builder image(Image image) {
      parts.add(Part.of(image));
      return this;
    }

    /** Adds a part. */
    public Builder part(Part part) {
      parts.add(Objects.requireNonNull(part, "part"));
      return this;
    }

    /** Says what comes back. */
    public Builder output(Output output) {
      this.output = output;
      return this;
    }

    /** Says how it is sampled. */
    public Builder options(GenerationOptions options) {
      this.options = options;
      return this;
    }

    /** Says who hears of the answer while it forms. */
    public Builder listener(GenerationListener listener) {
      this.listener = listener;
      return this;
    }

    /** Asks for previews of the forming picture, no more often than this. */
    public Builder previewEvery(Duration interval) {
      this.previewEvery = Optional.of(interval);
      return this;
    }

    /** Limits the time of the whole request. */
    public Builder deadline(Duration deadline) {
      this.deadline = Optional.of(deadline);
      return this;
    }

    /** Says who may end it. */
    public Builder cancellation(Cancellation cancellation) {
      this.cancellation = cancellation;
      return this;
    }

    /** Says who chooses in the model's place. */
    public Builder probe(Probe probe) {
      this.probe = Optional.of(probe);
      return this;
    }

    /**
     * {@return the request}
     *
     * @throws InvalidRequestException if there is no part or a duration is negative
     */
    public GenerationRequest build() {
      return new GenerationRequest(
          parts, output, options, listener, previewEvery, deadline, cancellation, probe);
    }
  }
}
