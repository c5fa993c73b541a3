package dev.diptych.examples.cli;

import dev.diptych.core.GenerationOptions;
import dev.diptych.core.GenerationRequest;
import dev.diptych.core.InvalidRequestException;
import dev.diptych.core.Output;
import dev.diptych.core.UnifiedModel;
import dev.diptych.core.UnsupportedRequestException;
import java.time.Duration;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;
import picocli.CommandLine.TypeConversionException;

/** How an answer is drawn from the model's distribution. */
final class SamplingOptions {
  private static final Pattern SIZE = Pattern.compile("([0-9]{1,5})x([0-9]{1,5})");

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

  /** How a picture is drawn. */
  static final class DrawingOptions {
    @Option(
        names = "--guidance",
        paramLabel = "G",
        description = "Weight of the prompt, 0 to 100; 1 is no guidance.")
    Double guidance;

    @Option(
        names = "--image-guidance",
        paramLabel = "G",
        description = "Weight of the conversation's pictures, 0 to 100, where the model has one.")
    Double imageGuidance;

    @Option(
        names = "--size",
        paramLabel = "WxH",
        converter = SizeConverter.class,
        description = "Pixels across and down, where the model draws in several sizes.")
    Size size;

    void fill(GenerationOptions.Builder builder) {
      set(guidance, builder::guidanceScale);
      set(imageGuidance, builder::imageGuidanceScale);
      set(size, s -> builder.imageSize(s.width(), s.height()));
    }

    /**
     * Refuses a weight that the model would not heed: its defaults name every option that it has. A
     * model without this output is left to say so itself.
     *
     * @throws UnsupportedRequestException with the weight
     */
    void require(UnifiedModel loaded, Output output) {
      boolean draws =
          loaded.capabilities().routes().stream().anyMatch(r -> r.output() == output);
      if (draws
          && imageGuidance != null
          && loaded.defaults(output).imageGuidanceScale().isEmpty()) {
        throw new UnsupportedRequestException(
            "This model's guidance does not tell words and pictures apart\n  expected --guidance"
                + " alone\n  found    --image-guidance "
                + imageGuidance);
      }
    }
  }

  /** How many pictures. */
  static final class PictureOptions {
    @Option(
        names = {"-n", "--pictures"},
        paramLabel = "N",
        description = "How many pictures (default: 1).")
    Integer pictures;

    void fill(GenerationOptions.Builder builder) {
      set(pictures, builder::pictures);
    }
  }

  /**
   * The size of a picture.
   *
   * @param width pixels across
   * @param height pixels down
   */
  record Size(int width, int height) {
    @Override
    public String toString() {
      return width + "x" + height;
    }
  }

  /** Two numbers with an x between them. */
  static final class SizeConverter implements ITypeConverter<Size> {
    @Override
    public Size convert(String value) {
      Matcher matcher = SIZE.matcher(value);
      if (!matcher.matches()) {
        throw new TypeConversionException("expected WxH, as in 512x768; found " + value);
      }
      return new Size(Integer.parseInt(matcher.group(1)), Integer.parseInt(matcher.group(2)));
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
