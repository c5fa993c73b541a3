package dev.diptych.examples.cli;

import dev.diptych.core.GenerationOptions;
import dev.diptych.core.GenerationRequest;
import dev.diptych.core.GuidanceRenorm;
import dev.diptych.core.InvalidRequestException;
import dev.diptych.core.Output;
import dev.diptych.core.UnifiedModel;
import dev.diptych.core.UnsupportedRequestException;
import java.time.Duration;
import java.util.Arrays;
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
      names = "--think",
      arity = "0",
      description = "Reason in words before the answer, where the model can.")
  Boolean think;

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

    @Option(
        names = "--steps",
        paramLabel = "N",
        description = "Steps of denoising, where pictures are denoised.")
    Integer steps;

    @Option(
        names = "--shift",
        paramLabel = "S",
        description = "Above 1 spends more of the steps on coarse form, where pictures are a flow.")
    Double shift;

    @Option(
        names = "--guidance-interval",
        paramLabel = "FROM,TO",
        converter = IntervalConverter.class,
        description = "Times at which guidance counts, from 0, the picture, to 1, noise (BAGEL).")
    Interval interval;

    @Option(
        names = "--renorm",
        paramLabel = "KIND[,MIN]",
        converter = RenormConverter.class,
        description = "How guidance is scaled back: none, global, channel or text_channel, and the"
            + " least scale (BAGEL).")
    Renorm renorm;

    void fill(GenerationOptions.Builder builder) {
      set(guidance, builder::guidanceScale);
      set(imageGuidance, builder::imageGuidanceScale);
      set(size, s -> builder.imageSize(s.width(), s.height()));
      set(steps, builder::inferenceSteps);
      set(shift, builder::timestepShift);
      set(interval, i -> builder.guidanceInterval(i.from(), i.to()));
      set(renorm, r -> builder.guidanceRenorm(r.kind(), r.minimum()));
    }

    /**
     * Refuses what the model would not heed: its defaults name every option that it has. A model
     * without this output is left to say so itself.
     *
     * @throws UnsupportedRequestException with the option
     */
    void require(UnifiedModel loaded, Output output) {
      if (loaded.capabilities().routes().stream().noneMatch(r -> r.output() == output)) {
        return;
      }
      GenerationOptions has = loaded.defaults(output);
      if (imageGuidance != null && has.imageGuidanceScale().isEmpty()) {
        throw new UnsupportedRequestException(
            "This model's guidance does not tell words and pictures apart\n  expected --guidance"
                + " alone\n  found    --image-guidance "
                + imageGuidance);
      }
      String denoises =
          has.inferenceSteps().isPresent()
              ? "it denoises its pictures in another way"
              : "its pictures are tokens";
      requireHeeded("--steps", steps, has.inferenceSteps().isPresent(), denoises);
      requireHeeded("--shift", shift, has.timestepShift().isPresent(), denoises);
      requireHeeded(
          "--guidance-interval", interval, has.guidanceInterval().isPresent(), denoises);
      requireHeeded("--renorm", renorm, has.guidanceRenorm().isPresent(), denoises);
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

  /**
   * Times of denoising.
   *
   * @param from lower end
   * @param to upper end
   */
  record Interval(double from, double to) {
    @Override
    public String toString() {
      return from + "," + to;
    }
  }

  /**
   * How guidance is scaled back.
   *
   * @param kind over what
   * @param minimum least scale
   */
  record Renorm(GuidanceRenorm.Kind kind, double minimum) {
    @Override
    public String toString() {
      return kind + "," + minimum;
    }
  }

  /** Two numbers with a comma between them; whether they are times is the options' to say. */
  static final class IntervalConverter implements ITypeConverter<Interval> {
    @Override
    public Interval convert(String value) {
      String[] ends = value.split(",", -1);
      if (ends.length != 2) {
        throw new TypeConversionException("expected FROM,TO, as in 0.4,1; found " + value);
      }
      return new Interval(number(ends[0], value), number(ends[1], value));
    }
  }

  /** A kind's name, and a number behind a comma. */
  static final class RenormConverter implements ITypeConverter<Renorm> {
    @Override
    public Renorm convert(String value) {
      String[] parts = value.split(",", 2);
      double minimum = parts.length > 1 ? number(parts[1], value) : 0;
      return Arrays.stream(GuidanceRenorm.Kind.values())
          .filter(kind -> kind.toString().equals(parts[0]))
          .findFirst()
          .map(kind -> new Renorm(kind, minimum))
          .orElseThrow(
              () ->
                  new TypeConversionException(
                      "expected none, global, channel or text_channel; found " + value));
    }
  }

  private static double number(String text, String value) {
    try {
      return Double.parseDouble(text);
    } catch (NumberFormatException e) {
      throw new TypeConversionException("expected numbers; found " + value);
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
    return options(true, more);
  }

  /**
   * Collects the options of one of several outputs.
   *
   * @param samples whether those of tokens are of this output
   * @param more the options of text or pictures
   * @throws ParameterException if a value, or the deadline, is outside its range
   */
  GenerationOptions options(boolean samples, Consumer<GenerationOptions.Builder> more) {
    GenerationOptions.Builder builder = GenerationOptions.builder();
    set(seed, builder::seed);
    if (samples) {
      set(temperature, builder::temperature);
      set(topK, builder::topK);
      set(topP, builder::topP);
      set(greedy, builder::greedy);
    }
    set(think, builder::think);
    if (deadline != null && !(deadline > 0 && deadline <= 1e9)) {
      throw new ParameterException(
          spec.commandLine(), "--deadline is " + deadline + "; expected above 0 to 1e9 seconds");
    }
    try {
      more.accept(builder);
      return builder.build();
    } catch (InvalidRequestException e) {
      throw new ParameterException(spec.commandLine(), e.getMessage());
    }
  }

  /** {@return whether tokens are sampled for such an answer: not for a picture that is denoised} */
  boolean samples(UnifiedModel loaded, Output output) {
    GenerationOptions defaults = loaded.defaults(output);
    boolean thinks = think == null ? defaults.think().orElse(false) : think;
    return output != Output.IMAGE || defaults.inferenceSteps().isEmpty() || thinks;
  }

  /**
   * Refuses thinking of a model that cannot.
   *
   * @throws UnsupportedRequestException with the option
   */
  void require(UnifiedModel loaded, Output output) {
    requireHeeded(
        "--think", think, loaded.defaults(output).think().isPresent(), "it answers at once");
  }

  private static void requireHeeded(String option, Object value, boolean heeded, String why) {
    if (value != null && !heeded) {
      throw new UnsupportedRequestException(
          "This model has no "
              + option
              + ": "
              + why
              + "\n  expected it left out\n  found    "
              + option
              + (value instanceof Boolean ? "" : " " + value));
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
