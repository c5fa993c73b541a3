package dev.diptych.examples.cli;

import dev.diptych.core.GenerationOptions;
import dev.diptych.core.GenerationRequest;
import dev.diptych.core.InvalidRequestException;
import java.time.Duration;
import java.util.function.Consumer;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** How an answer is drawn from the model's distribution. */
final class SamplingOptions {
  @Spec(Spec.Target.MIXEE)
  CommandSpec spec;

  @Option(names = "--seed", paramLabel = "N", description = "Same seed, same answer.")
  Long seed;

  @Option(
      names = "--temperature",
      paramLabel = "T",
      description = "Divisor of the logits, 0 to 100; 0 is greedy.")
  Double temperature;

  @Option(names = "--top-k", paramLabel = "K", description = "Keep the K likeliest tokens.")
  Integer topK;

  @Option(
      names = "--top-p",
      paramLabel = "P",
      description = "Keep the likeliest tokens that sum to P, above 0 to 1.")
  Double topP;

  @Option(
      names = "--greedy",
      arity = "0",
      description = "Always take the likeliest token.")
  Boolean greedy;

  @Option(
      names = "--deadline",
      paramLabel = "SECONDS",
      description = "Give up after so many seconds.")
  Double deadline;

  /** Text only. */
  static final class TextOptions {
    @Option(
        names = "--max-tokens",
        paramLabel = "N",
        description = "Most tokens of the answer's text.")
    Integer maxTokens;

    @Option(
        names = "--repetition-penalty",
        paramLabel = "R",
        description = "Above 1 avoids tokens that were already written.")
    Double repetitionPenalty;

    void fill(GenerationOptions.Builder builder) {
      set(maxTokens, builder::maxTokens);
      set(repetitionPenalty, builder::repetitionPenalty);
    }
  }

  /** Pictures only. */
  static final class PictureOptions {
    @Option(
        names = {"-n", "--pictures"},
        paramLabel = "N",
        description = "How many pictures (default: 1).")
    Integer pictures;

    @Option(
        names = "--guidance",
        paramLabel = "G",
        description = "Weight of the prompt, 0 to 100; 1 is no guidance.")
    Double guidance;

    void fill(GenerationOptions.Builder builder) {
      set(pictures, builder::pictures);
      set(guidance, builder::guidanceScale);
    }
  }

  /**
   * Collects the options.
   *
   * @param more the options of text or pictures
   * @throws ParameterException if a value, or the deadline, is outside its range
   */
  GenerationOptions options(Consumer<GenerationOptions.Builder> more) {
    GenerationOptions.Builder builder = GenerationOptions.builder();
    set(seed, builder::seed);
    set(temperature, builder::temperature);
    set(topK, builder::topK);
    set(topP, builder::topP);
    set(greedy, builder::greedy);
    more.accept(builder);
    if (deadline != null && !(deadline > 0 && deadline <= 1e9)) {
      throw new ParameterException(
          spec.commandLine(), "--deadline is " + deadline + "; expected above 0 to 1e9 seconds");
    }
    try {
      return builder.build();
    } catch (InvalidRequestException e) {
      throw new ParameterException(spec.commandLine(), e.getMessage());
    }
  }

  /** Sets the deadline where there is one. */
  void limit(GenerationRequest.Builder request) {
    if (deadline != null) {
      request.deadline(Duration.ofNanos((long) (deadline * 1e9)));
    }
  }

  private static <T> void set(T value, Consumer<T> setter) {
    if (value != null) {
      setter.accept(value);
    }
  }
}
