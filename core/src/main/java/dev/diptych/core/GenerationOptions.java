package dev.diptych.core;

import com.google.gson.JsonObject;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.OptionalLong;

/**
 * How an answer is drawn from the model's distribution. What is empty is filled in by the model
 * ({@link UnifiedModel#defaults}); an empty seed is drawn at random and told in the result.
 *
 * <p>What a request sets and its answer would not heed is refused with an {@link
 * UnsupportedRequestException}: options of denoising, imageGuidanceScale and think where the model has
 * none, and what samples tokens (temperature, topK, topP, repetitionPenalty, greedy, imageTemperature)
 * where the answer is a picture that is denoised and nothing is said before it. What is as the model's
 * defaults have it is never refused, nor are maxTokens and pictures, which are upper bounds.
 *
 * @param maxTokens most text tokens of an answer, 1 to 1,000,000
 * @param temperature divisor of the logits, 0 to 100; 0 means greedy
 * @param topK keep the k likeliest tokens, 1 to 1,000,000
 * @param topP keep the likeliest tokens whose probabilities sum to p, above 0 to 1
 * @param repetitionPenalty divisor of positive and factor of negative logits of the turn's tokens,
 *     read or written, above 0 to 10; 1 is none (CTRL, arXiv 1909.05858, section 4.1; the prompt
 *     counts, as in transformers)
 * @param greedy whether the likeliest token is always taken
 * @param guidanceScale weight of the prompt in a picture, 0 to 100; 1 is the prompt alone without
 *     guidance ({@code uncond + scale * (cond - uncond)})
 * @param imageGuidanceScale weight of the conversation's pictures in a new one, 0 to 100, for models
 *     whose guidance tells words and pictures apart ({@code none + image * (pictures - none) + text *
 *     (all - pictures)}); 1 with a guidanceScale of 1 is no guidance
 * @param imageTemperature divisor of the logits of pictures, 0 to 100, where it is not that of
 *     words, for models whose pictures are tokens between words; 0 means greedy
 * @param inferenceSteps denoising steps of a picture, 1 to 10,000, for models that denoise; a noise
 *     schedule may have fewer (diffusers' num_inference_steps)
 * @param timestepShift factor by which the ratio of noise to picture is raised at every step, above
 *     0 to 100, for models of flow matching; 1 leaves it
 * @param guidanceInterval times of denoising at which guidance counts; empty means all
 * @param guidanceRenorm how guidance is kept from making predictions longer
 * @param think whether the model reasons in words before it answers
 * @param pictures how many pictures, 1 to 1024; of an interleaved answer the most
 * @param imageWidth pixels across of a picture, 1 to 16384, for models that draw in several sizes
 * @param imageHeight pixels down of a picture, 1 to 16384
 * @param seed key of the random numbers, any long
 */
public record GenerationOptions(
    OptionalInt maxTokens,
    OptionalDouble temperature,
    OptionalInt topK,
    OptionalDouble topP,
    OptionalDouble repetitionPenalty,
    Optional<Boolean> greedy,
    OptionalDouble guidanceScale,
    OptionalDouble imageGuidanceScale,
    OptionalDouble imageTemperature,
    OptionalInt inferenceSteps,
    OptionalDouble timestepShift,
    Optional<GuidanceInterval> guidanceInterval,
    Optional<GuidanceRenorm> guidanceRenorm,
    Optional<Boolean> think,
    OptionalInt pictures,
    OptionalInt imageWidth,
    OptionalInt imageHeight,
    OptionalLong seed) {

  private static final Map<String, String> HEEDING =
      Map.of(
          "think", "can think",
          "imageGuidanceScale", "tells words and pictures apart in its guidance");

  /** Everything left to the model. */
  public static final GenerationOptions DEFAULT = builder().build();

  /** Checks every value that is present. */
  public GenerationOptions {
    within("maxTokens", maxTokens, 1, 1_000_000);
    within("temperature", temperature, 0, 100, true);
    within("topK", topK, 1, 1_000_000);
    within("topP", topP, 0, 1, false);
    within("repetitionPenalty", repetitionPenalty, 0, 10, false);
    within("guidanceScale", guidanceScale, 0, 100, true);
    within("imageGuidanceScale", imageGuidanceScale, 0, 100, true);
    within("imageTemperature", imageTemperature, 0, 100, true);
    within("inferenceSteps", inferenceSteps, 1, 10_000);
    within("timestepShift", timestepShift, 0, 100, false);
    within("pictures", pictures, 1, 1024);
    within("imageWidth", imageWidth, 1, 16_384);
    within("imageHeight", imageHeight, 1, 16_384);
  }

  /** {@return a builder with every value empty} */
  public static Builder builder() {
    return new Builder();
  }

  /** {@return a builder that starts from these values} */
  public Builder toBuilder() {
    Builder b = new Builder();
    b.maxTokens = maxTokens;
    b.temperature = temperature;
    b.topK = topK;
    b.topP = topP;
    b.repetitionPenalty = repetitionPenalty;
    b.greedy = greedy;
    b.guidanceScale = guidanceScale;
    b.imageGuidanceScale = imageGuidanceScale;
    b.imageTemperature = imageTemperature;
    b.inferenceSteps = inferenceSteps;
    b.timestepShift = timestepShift;
    b.guidanceInterval = guidanceInterval;
    b.guidanceRenorm = guidanceRenorm;
    b.think = think;
    b.pictures = pictures;
    b.imageWidth = imageWidth;
    b.imageHeight = imageHeight;
    b.seed = seed;
    return b;
  }

  /**
   * Fills in what is empty here. A temperature without a word on greedy overrules a greedy default:
   * who asks for a temperature wants samples.
   */
  public GenerationOptions orElse(GenerationOptions defaults) {
    Optional<Boolean> greedyOrDefault =
        greedy.isPresent() || temperature.isPresent() ? greedy : defaults.greedy;
    return new GenerationOptions(
        maxTokens.isPresent() ? maxTokens : defaults.maxTokens,
        temperature.isPresent() ? temperature : defaults.temperature,
        topK.isPresent() ? topK : defaults.topK,
        topP.isPresent() ? topP : defaults.topP,
        repetitionPenalty.isPresent() ? repetitionPenalty : defaults.repetitionPenalty,
        greedyOrDefault,
        guidanceScale.isPresent() ? guidanceScale : defaults.guidanceScale,
        imageGuidanceScale.isPresent() ? imageGuidanceScale : defaults.imageGuidanceScale,
        imageTemperature.isPresent() ? imageTemperature : defaults.imageTemperature,
        inferenceSteps.isPresent() ? inferenceSteps : defaults.inferenceSteps,
        timestepShift.isPresent() ? timestepShift : defaults.timestepShift,
        guidanceInterval.isPresent() ? guidanceInterval : defaults.guidanceInterval,
        guidanceRenorm.isPresent() ? guidanceRenorm : defaults.guidanceRenorm,
        think.isPresent() ? think : defaults.think,
        pictures.isPresent() ? pictures : defaults.pictures,
        imageWidth.isPresent() ? imageWidth : defaults.imageWidth,
        imageHeight.isPresent() ? imageHeight : defaults.imageHeight,
        seed.isPresent() ? seed : defaults.seed);
  }

  /** {@return whether the likeliest token is always taken: by greedy, or by a temperature of 0} */
  public boolean isGreedy() {
    return greedy.orElse(false) || temperature.orElse(1) == 0;
  }

  /**
   * Refuses a size that a model of one size cannot draw; for families.
   *
   * @throws InvalidRequestException if another size is asked for
   */
  public void requireImageSize(int width, int height) {
    if (imageWidth.orElse(width) != width || imageHeight.orElse(height) != height) {
      throw new InvalidRequestException(
          "The size of the picture is not one that this model draws\n  expected "
              + width
              + "x"
              + height
              + "\n  found    "
              + imageWidth.orElse(width)
              + "x"
              + imageHeight.orElse(height)
              + "\n  remedy   leave the size open, and resize the picture");
    }
  }

  /**
   * Refuses what an answer would not heed. Of the options of denoising and of guidance by pictures the
   * model's defaults name all that it heeds, and where they name steps its pictures are denoised: no
   * token of those is sampled. Other options are of all models, or are heeded as far as a model can.
   *
   * @throws UnsupportedRequestException if one is set that counts for nothing
   */
  void requireHeeded(GenerationOptions defaults, Output output) {
    requireHeeded("inferenceSteps", inferenceSteps.isPresent(), defaults.inferenceSteps.isPresent());
    requireHeeded("timestepShift", timestepShift.isPresent(), defaults.timestepShift.isPresent());
    requireHeeded(
        "guidanceInterval", guidanceInterval.isPresent(), defaults.guidanceInterval.isPresent());
    requireHeeded("guidanceRenorm", guidanceRenorm.isPresent(), defaults.guidanceRenorm.isPresent());
    requireHeeded(
        "imageGuidanceScale",
        imageGuidanceScale.isPresent(),
        defaults.imageGuidanceScale.isPresent());
    // Not to think is within every model's power.
    requireHeeded("think", think.orElse(false), defaults.think.isPresent());
    if (defaults.inferenceSteps.isPresent()) {
      requireSampled("imageTemperature", imageTemperature.isPresent(), false);
      if (output == Output.IMAGE && !think.or(() -> defaults.think).orElse(false)) {
        requireSampled("temperature", temperature.isPresent(), temperature.equals(defaults.temperature));
        requireSampled("topK", topK.isPresent(), topK.equals(defaults.topK));
        requireSampled("topP", topP.isPresent(), topP.equals(defaults.topP));
        requireSampled("repetitionPenalty", repetitionPenalty.isPresent(), repetitionPenalty.equals(defaults.repetitionPenalty));
        requireSampled("greedy", greedy.isPresent(), greedy.equals(defaults.greedy));
      }
    }
  }

  private static void requireSampled(String name, boolean set, boolean asDefault) {
    if (set && !asDefault) {
      throw new UnsupportedRequestException(
          "This model denoises its pictures, and "
              + name
              + " is for tokens, of which such an answer has none to sample\n  expected it left open\n"
              + "  found    a value\n  remedy   leave it out");
    }
  }

  private static void requireHeeded(String name, boolean set, boolean heeded) {
    if (set && !heeded) {
      throw new UnsupportedRequestException(
          "This model has no "
              + name
              + " for such an answer\n  expected it left open\n  found    a value\n  remedy   leave"
              + " it out, or ask a model that "
              + HEEDING.getOrDefault(name, "denoises its pictures so"));
    }
  }

  /** {@return the values that are present as one JSON object, by the names of this record} */
  public String toJson() {
    JsonObject json = new JsonObject();
    maxTokens.ifPresent(v -> json.addProperty("maxTokens", v));
    temperature.ifPresent(v -> json.addProperty("temperature", v));
    topK.ifPresent(v -> json.addProperty("topK", v));
    topP.ifPresent(v -> json.addProperty("topP", v));
    repetitionPenalty.ifPresent(v -> json.addProperty("repetitionPenalty", v));
    greedy.ifPresent(v -> json.addProperty("greedy", v));
    guidanceScale.ifPresent(v -> json.addProperty("guidanceScale", v));
    imageGuidanceScale.ifPresent(v -> json.addProperty("imageGuidanceScale", v));
    imageTemperature.ifPresent(v -> json.addProperty("imageTemperature", v));
    inferenceSteps.ifPresent(v -> json.addProperty("inferenceSteps", v));
    timestepShift.ifPresent(v -> json.addProperty("timestepShift", v));
    guidanceInterval.ifPresent(v -> json.add("guidanceInterval", json(v)));
    guidanceRenorm.ifPresent(v -> json.add("guidanceRenorm", json(v)));
    think.ifPresent(v -> json.addProperty("think", v));
    pictures.ifPresent(v -> json.addProperty("pictures", v));
    imageWidth.ifPresent(v -> json.addProperty("imageWidth", v));
    imageHeight.ifPresent(v -> json.addProperty("imageHeight", v));
    seed.ifPresent(v -> json.addProperty("seed", v));
    return json.toString();
  }

  private static JsonObject json(GuidanceInterval interval) {
    JsonObject json = new JsonObject();
    json.addProperty("from", interval.from());
    json.addProperty("to", interval.to());
    return json;
  }

  private static JsonObject json(GuidanceRenorm renorm) {
    JsonObject json = new JsonObject();
    json.addProperty("kind", renorm.kind().toString());
    json.addProperty("minimum", renorm.minimum());
    return json;
  }

  private static void within(String name, OptionalInt value, int low, int high) {
    if (value.isPresent() && (value.getAsInt() < low || value.getAsInt() > high)) {
      throw new InvalidRequestException(
          name + " is " + value.getAsInt() + "; expected " + low + " to " + high);
    }
  }

  private static void within(
      String name, OptionalDouble value, double low, double high, boolean lowIncluded) {
    if (value.isEmpty()) {
      return;
    }
    double v = value.getAsDouble();
    if (!(v <= high) || !(lowIncluded ? v >= low : v > low)) {
      throw new InvalidRequestException(
          name
              + " is "
              + v
              + "; expected "
              + (lowIncluded ? "" : "above ")
              + plain(low)
              + " to "
              + plain(high));
    }
  }

  private static String plain(double v) {
    return v == Math.rint(v) ? Long.toString((long) v) : Double.toString(v);
  }

  /** Collects options; {@link #build()} checks them. */
  public static final class Builder {
    private OptionalInt maxTokens = OptionalInt.empty();
    private OptionalDouble temperature = OptionalDouble.empty();
    private OptionalInt topK = OptionalInt.empty();
    private OptionalDouble topP = OptionalDouble.empty();
    private OptionalDouble repetitionPenalty = OptionalDouble.empty();
    private Optional<Boolean> greedy = Optional.empty();
    private OptionalDouble guidanceScale = OptionalDouble.empty();
    private OptionalDouble imageGuidanceScale = OptionalDouble.empty();
    private OptionalDouble imageTemperature = OptionalDouble.empty();
    private OptionalInt inferenceSteps = OptionalInt.empty();
    private OptionalDouble timestepShift = OptionalDouble.empty();
    private Optional<GuidanceInterval> guidanceInterval = Optional.empty();
    private Optional<GuidanceRenorm> guidanceRenorm = Optional.empty();
    private Optional<Boolean> think = Optional.empty();
    private OptionalInt pictures = OptionalInt.empty();
    private OptionalInt imageWidth = OptionalInt.empty();
    private OptionalInt imageHeight = OptionalInt.empty();
    private OptionalLong seed = OptionalLong.empty();

    private Builder() {}

    /** Most text tokens of an answer, 1 to 1,000,000. */
    public Builder maxTokens(int maxTokens) {
      this.maxTokens = OptionalInt.of(maxTokens);
      return this;
    }

    /** Divisor of the logits, 0 to 100; 0 means greedy. */
    public Builder temperature(double temperature) {
      this.temperature = OptionalDouble.of(temperature);
      return this;
    }

    /** Keep the k likeliest tokens, 1 to 1,000,000. */
    public Builder topK(int topK) {
      this.topK = OptionalInt.of(topK);
      return this;
    }

    /** Keep the likeliest tokens whose probabilities sum to p, above 0 to 1. */
    public Builder topP(double topP) {
      this.topP = OptionalDouble.of(topP);
      return this;
    }

    /** Penalty on the turn's tokens, read or written, above 0 to 10; 1 is none. */
    public Builder repetitionPenalty(double repetitionPenalty) {
      this.repetitionPenalty = OptionalDouble.of(repetitionPenalty);
      return this;
    }

    /** Whether the likeliest token is always taken. */
    public Builder greedy(boolean greedy) {
      this.greedy = Optional.of(greedy);
      return this;
    }

    /** Weight of the prompt in a picture, 0 to 100; 1 is no guidance. */
    public Builder guidanceScale(double guidanceScale) {
      this.guidanceScale = OptionalDouble.of(guidanceScale);
      return this;
    }

    /** Weight of the conversation's pictures in a new one, 0 to 100. */
    public Builder imageGuidanceScale(double imageGuidanceScale) {
      this.imageGuidanceScale = OptionalDouble.of(imageGuidanceScale);
      return this;
    }

    /** Divisor of the logits of pictures where it is not that of words, 0 to 100; 0 means greedy. */
    public Builder imageTemperature(double imageTemperature) {
      this.imageTemperature = OptionalDouble.of(imageTemperature);
      return this;
    }

    /** Denoising steps of a picture, 1 to 10,000. */
    public Builder inferenceSteps(int inferenceSteps) {
      this.inferenceSteps = OptionalInt.of(inferenceSteps);
      return this;
    }

    /** Factor of the ratio of noise to picture at every step of a flow, above 0 to 100. */
    public Builder timestepShift(double timestepShift) {
      this.timestepShift = OptionalDouble.of(timestepShift);
      return this;
    }

    /**
     * Times of denoising at which guidance counts, from 0, the picture, to 1, pure noise.
     *
     * @throws InvalidRequestException unless {@code 0 <= from < to <= 1}
     */
    public Builder guidanceInterval(double from, double to) {
      this.guidanceInterval = Optional.of(new GuidanceInterval(from, to));
      return this;
    }

    /**
     * How guidance is kept from making predictions longer, and the least scale, 0 to 1.
     *
     * @throws InvalidRequestException if the scale is outside its range
     */
    public Builder guidanceRenorm(GuidanceRenorm.Kind kind, double minimum) {
      this.guidanceRenorm = Optional.of(new GuidanceRenorm(kind, minimum));
      return this;
    }

    /** Whether the model reasons in words before it answers. */
    public Builder think(boolean think) {
      this.think = Optional.of(think);
      return this;
    }

    /** How many pictures, 1 to 1024; of an interleaved answer the most. */
    public Builder pictures(int pictures) {
      this.pictures = OptionalInt.of(pictures);
      return this;
    }

    /** Pixels across and down of a picture, each 1 to 16384. */
    public Builder imageSize(int width, int height) {
      this.imageWidth = OptionalInt.of(width);
      this.imageHeight = OptionalInt.of(height);
      return this;
    }

    /** Key of the random numbers: the same seed gives the same answer. */
    public Builder seed(long seed) {
      this.seed = OptionalLong.of(seed);
      return this;
    }

    /**
     * {@return the options}
     *
     * @throws InvalidRequestException if a value is outside its range
     */
    public GenerationOptions build() {
      return new GenerationOptions(
          maxTokens,
          temperature,
          topK,
          topP,
          repetitionPenalty,
          greedy,
          guidanceScale,
          imageGuidanceScale,
          imageTemperature,
          inferenceSteps,
          timestepShift,
          guidanceInterval,
          guidanceRenorm,
          think,
          pictures,
          imageWidth,
          imageHeight,
          seed);
    }
  }
}
