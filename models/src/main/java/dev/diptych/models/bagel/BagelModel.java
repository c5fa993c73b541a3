package dev.diptych.models.bagel;

import dev.diptych.core.Capabilities;
import dev.diptych.core.DType;
import dev.diptych.core.GenerationOptions;
import dev.diptych.core.GuidanceRenorm;
import dev.diptych.core.Image;
import dev.diptych.core.InvalidRequestException;
import dev.diptych.core.Lifetime;
import dev.diptych.core.LoadOptions;
import dev.diptych.core.Modality;
import dev.diptych.core.Output;
import dev.diptych.core.Session;
import dev.diptych.core.UnifiedModel;
import dev.diptych.core.engine.AutoDType;
import dev.diptych.core.engine.Memory;
import dev.diptych.core.engine.Scope;
import dev.diptych.core.engine.TorchDevice;
import dev.diptych.core.engine.WeightLoader;
import dev.diptych.core.weights.Checkpoint;
import dev.diptych.core.weights.JsonMap;
import dev.diptych.core.weights.Weights;
import dev.diptych.decoders.VaeImageDecoder;
import dev.diptych.models.denoising.DecoderWeights;
import dev.diptych.models.denoising.LatentCoder;
import dev.diptych.tokenizers.TextTokenizer;
import java.nio.file.Path;
import java.util.Map;
import java.util.Set;

/**
 * BAGEL: one Qwen2 that reads words and pictures and a second one that draws latents, both attending
 * to the same keys and values; a SigLIP tower to see with and the VAE of FLUX.1 to draw with.
 *
 * <p>Paper: arXiv 2505.14683. Reference: ByteDance-Seed/Bagel@056b5fd (modeling/bagel, inferencer.py,
 * app.py). Checkpoint: ByteDance-Seed/BAGEL-7B-MoT as it was published.
 *
 * <p>What a request does. Every text and every picture is a chunk of its own. For an answer in words
 * pictures are seen by the tower; for a drawing they are given as latents too, so that it can keep
 * what they show. {@link GenerationOptions#think} puts the published sentence before the turn, and
 * the thoughts before the picture. {@code inferenceSteps} counts steps: the reference's 50 timesteps
 * are 49. A guidance scale of 1 or less guides not at all, and without guidance by words there is
 * none by pictures. A drawing has the size that is asked for, else that of the conversation's last
 * picture, else of the largest square.
 *
 * <p>Deviations from the reference: pictures in a context are encoded to the mean of what the VAE
 * says and not to a draw from it; noise and samples come from a counter-based generator, so one seed
 * gives one picture whatever runs beside it; an answer holds no control tokens; in bfloat16 queries
 * and keys of rows that are drawn are normalised and turned in bfloat16, as all others are.
 */
public final class BagelModel implements UnifiedModel {
  private static final Set<Modality> BOTH = Set.of(Modality.TEXT, Modality.IMAGE);
  private static final int MAX_STEPS = 10_000;

  private final String name;
  private final BagelConfig config;
  private final DType dtype;
  private final LoadOptions options;
  private final TextTokenizer tokenizer;
  private final BagelPrompt prompt;
  private final BagelImageProcessor imageProcessor;
  private final BagelTransformer transformer;
  private final LatentCoder coder;
  private final JsonMap generationConfig;
  private final long weightBytes;
  private final Scope resources;
  private final Lifetime lifetime;

  private BagelModel(Path folder, LoadOptions options, Scope scope) {
    this.options = options;
    this.resources = scope;
    if (options.imageCoder().isPresent()) {
      throw new InvalidRequestException(
          "imageCoder is " + options.imageCoder().get() + "; expected none for a BAGEL, whose"
              + " picture coder is " + BagelFiles.VAE_FILE);
    }
    BagelFiles files = scope.add(BagelFiles.open(folder));
    this.name = files.name();
    this.lifetime = new Lifetime("model " + name);
    this.config = files.config();
    Checkpoint checkpoint = files.checkpoint();
    this.generationConfig = files.generationConfig();
    this.imageProcessor = new BagelImageProcessor(config);
    this.tokenizer = scope.add(BagelPrompt.load(folder));
    this.prompt = new BagelPrompt(tokenizer, config.text().vocabSize());
    Weights weights = Weights.of(checkpoint);
    Map<String, WeightLoader.Slice> slices = BagelWeights.bind(weights, config);
    weights.done();
    this.dtype =
        AutoDType.choose(
            options.dtype(),
            checkpoint.names().stream()
                .filter(n -> !n.startsWith(BagelFiles.VAE))
                .map(n -> checkpoint.spec(n).type())
                .toList(),
            slices.values().stream().mapToLong(WeightLoader.Slice::elements).sum());
    long weightsAlone =
        WeightLoader.bytes(slices, dtype, DecoderWeights::quantises)
            + LatentCoder.bytes(checkpoint, BagelFiles.VAE, config.vae());
    this.weightBytes =
        BagelWeights.decoder(config).rope().require(name, dtype, weightsAlone, options.memoryLimit());
    TorchDevice device = scope.add(TorchDevice.open(options));
    this.transformer =
        scope.add(
            BagelTransformer.load(
                config,
                prompt.vocabulary(),
                prompt.beginOfImage(),
                prompt.endOfImage(),
                dtype,
                device,
                checkpoint,
                slices));
    this.coder =
        scope.add(
            new LatentCoder(
                checkpoint,
                BagelFiles.VAE,
                config.vae(),
                VaeImageDecoder.Rounding.TRUNCATE,
                options.imageDecoder(),
                LatentCoder.tiling(config.vae(), options.memoryLimit(), weightBytes)));
  }

  /**
   * Loads a checkpoint folder as it was published.
   *
   * @throws dev.diptych.core.CheckpointException if the files are wrong
   * @throws dev.diptych.core.UnsupportedModelException if it is no BAGEL
   * @throws dev.diptych.core.ResourceLimitException if it cannot fit in memory
   */
  public static BagelModel load(Path folder, LoadOptions options) {
    Scope scope = new Scope();
    try {
      return new BagelModel(folder, options, scope);
    } catch (RuntimeException | Error e) {
      scope.close();
      throw e;
    }
  }

  /** {@return bytes of work that so many rows take while they are computed together} */
  long workBytes(long rows) {
    return transformer.decoder().config().workBytes(rows, dtype.bytes());
  }

  /** Refuses what does not fit beside the weights and the caches that are open. */
  void requireMemory(String what, long bytes) {
    long held = weightBytes + transformer.decoder().openCacheBytes();
    Memory.require(what, bytes, options.memoryLimit(), held);
  }

  @Override
  public String name() {
    return name;
  }

  @Override
  public DType dtype() {
    return dtype;
  }

  @Override
  public Capabilities capabilities() {
    return new Capabilities(
        Set.of(
            new Capabilities.Route(BOTH, Output.TEXT), new Capabilities.Route(BOTH, Output.IMAGE)),
        config.text().maxPositionEmbeddings());
  }

  @Override
  public GenerationOptions defaults(Output output) {
    return defaults(Set.of(Modality.TEXT), output);
  }

  /**
   * {@inheritDoc}
   *
   * <p>Those of the authors' notebook (inference.ipynb): words are greedy, and samples have a
   * temperature of 0.3; pictures from words alone have guidance 4 where the time is above 0.4, kept
   * from growing as a whole; edits have guidance 4 by words and 2 by pictures at all times, kept from
   * growing patch by patch. generation_config.json overrules by the names of the reference's program
   * alone: text_temperature, num_timesteps, timestep_shift, cfg_text_scale, cfg_img_scale. Other keys
   * are the Qwen2's that BAGEL was made from (do_sample, temperature), which the reference never reads.
   */
  @Override
  public GenerationOptions defaults(Set<Modality> reads, Output output) {
    JsonMap json = generationConfig;
    GenerationOptions.Builder defaults =
        GenerationOptions.builder()
            .greedy(true)
            .temperature(json.numberOr("text_temperature", 0.3, 0, 100))
            .repetitionPenalty(1)
            .think(false)
            .maxTokens(1000);
    if (output == Output.IMAGE) {
      boolean edits = reads.contains(Modality.IMAGE);
      defaults
          .pictures(1)
          .inferenceSteps(json.integerOr("num_timesteps", 50, 2, MAX_STEPS + 1) - 1)
          .timestepShift(json.numberOr("timestep_shift", 3, 1e-3, 100))
          .guidanceScale(json.numberOr("cfg_text_scale", 4, 0, 100))
          .imageGuidanceScale(json.numberOr("cfg_img_scale", edits ? 2 : 1, 0, 100))
          .guidanceInterval(edits ? 0 : 0.4, 1)
          .guidanceRenorm(
              edits ? GuidanceRenorm.Kind.TEXT_CHANNEL : GuidanceRenorm.Kind.GLOBAL, 0);
    }
    return defaults.build();
  }

  @Override
  public String captionQuestion() {
    return "Describe the picture.";
  }

  @Override
  public Session newSession() {
    lifetime.requireOpen();
    return new BagelSession(this);
  }

  @Override
  public void close() {
    lifetime.close(resources::close);
  }

  Lifetime lifetime() {
    return lifetime;
  }

  BagelConfig config() {
    return config;
  }

  TextTokenizer tokenizer() {
    return tokenizer;
  }

  BagelPrompt prompt() {
    return prompt;
  }

  BagelImageProcessor imageProcessor() {
    return imageProcessor;
  }

  BagelTransformer transformer() {
    return transformer;
  }

  LatentCoder coder() {
    return coder;
  }

  /**
   * Encodes a picture to the mean of what the VAE says.
   *
   * @param image of a size of the VAE's
   * @param step asked meanwhile; what it throws ends the work
   * @return [y, x, W] float32, cells without noise
   */
  float[] encode(Image image, Runnable step) {
    BagelImageProcessor.Prepared prepared = imageProcessor.forVae(image);
    int pixels = config.vae().patchSize();
    requireMemory(
        "the picture encoder's features",
        coder.leastWork(prepared.height() / pixels, prepared.width() / pixels));
    float[] latents =
        coder.encode(prepared.pixelValues(), prepared.height(), prepared.width(), step);
    int cell = config.cell();
    return BagelPatches.cells(
        latents,
        config.vae().latentChannels(),
        prepared.height() / cell,
        prepared.width() / cell,
        config.latentPatchSize());
  }

  /** {@return bytes of features that turning cells into pixels takes at least} */
  long leastDecoding(int rows, int columns) {
    int p = config.latentPatchSize();
    return coder.leastWork(rows * p, columns * p);
  }

  /**
   * Turns cells into pixels.
   *
   * @param cells [rows, columns, W] float32
   * @param step asked meanwhile; what it throws ends the work
   */
  Image decode(float[] cells, int rows, int columns, Runnable step) {
    int p = config.latentPatchSize();
    int channels = config.vae().latentChannels();
    float[] latents = BagelPatches.latents(cells, channels, rows, columns, p);
    return coder.draw(latents, rows * p, columns * p, step);
  }
}
