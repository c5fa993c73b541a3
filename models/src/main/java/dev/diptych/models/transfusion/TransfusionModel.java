package dev.diptych.models.transfusion;

import dev.diptych.core.Capabilities;
import dev.diptych.core.CheckpointException;
import dev.diptych.core.DType;
import dev.diptych.core.GenerationOptions;
import dev.diptych.core.GenerationRun;
import dev.diptych.core.Image;
import dev.diptych.core.InvalidRequestException;
import dev.diptych.core.Lifetime;
import dev.diptych.core.LoadOptions;
import dev.diptych.core.Modality;
import dev.diptych.core.NormalNoise;
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
import dev.diptych.models.denoising.Denoiser;
import dev.diptych.models.denoising.DenoisingTransformer;
import dev.diptych.models.denoising.LatentCoder;
import dev.diptych.models.denoising.SamplerConfig;
import dev.diptych.models.denoising.WordVocabulary;
import dev.diptych.tokenizers.TextTokenizer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import java.util.function.LongFunction;
import java.util.stream.IntStream;

/**
 * Transfusion: a Llama that says words token by token and denoises pictures between them.
 *
 * <p>Paper: arXiv 2408.11039. Neither weights nor code were published: the layout of a checkpoint is
 * this project's own, a Llama's folder with {@code vae} and {@code scheduler} of diffusers beside it,
 * see the page of this package.
 *
 * <p>What the paper leaves open: pictures that are read are encoded to the coder's means; {@code
 * scheduler_config.json} says how noise is taken away, the paper's own where there is none; guidance
 * compares the conversation with its pictures alone and with nothing, as InstructPix2Pix (arXiv
 * 2211.09800, §3.2.1) does.
 */
public final class TransfusionModel implements UnifiedModel {
  private final String name;
  private final TransfusionConfig config;
  private final SamplerConfig sampler;
  private final JsonMap generationConfig;
  private final DType dtype;
  private final LoadOptions options;
  private final TextTokenizer tokenizer;
  private final TransfusionImageProcessor imageProcessor;
  private final LatentCoder coder;
  private final DenoisingTransformer transformer;
  private final TransfusionNetwork network;
  // Of a LLaVAFusion alone.
  private final VisionImageProcessor visionProcessor;
  private final VisionTower visionTower;
  private final long weightBytes;
  private final Scope resources;
  private final Lifetime lifetime;

  private TransfusionModel(Path folder, LoadOptions options, Scope scope) {
    this.options = options;
    this.resources = scope;
    if (options.imageCoder().isPresent()) {
      throw new InvalidRequestException(
          "imageCoder is "
              + options.imageCoder().get()
              + "; Transfusion checkpoints have their own picture coder and take no other");
    }
    TransfusionFiles files = scope.add(TransfusionFiles.open(folder));
    this.name = files.name();
    this.lifetime = new Lifetime("model " + name);
    this.config = files.config();
    this.sampler = files.sampler();
    this.generationConfig = files.generationConfig();
    this.tokenizer = scope.add(TextTokenizer.load(folder));
    WordVocabulary vocabulary = vocabulary(config, tokenizer);
    Checkpoint checkpoint = files.checkpoint();
    Weights weights = Weights.of(checkpoint);
    Map<String, WeightLoader.Slice> slices = TransfusionWeights.bind(weights, config);
    LatentCoder.bind(weights, TransfusionFiles.CODER, files.vae());
    weights.done();
    this.imageProcessor =
        new TransfusionImageProcessor(config.latentSize() * files.vae().patchSize());
    this.dtype =
        AutoDType.choose(
            options.dtype(),
            checkpoint.names().stream().map(n -> checkpoint.spec(n).type()).toList(),
            slices.values().stream().mapToLong(WeightLoader.Slice::elements).sum());
    long weightsAlone =
        WeightLoader.bytes(slices, dtype, DecoderWeights::quantises)
            + LatentCoder.bytes(checkpoint, TransfusionFiles.CODER, files.vae());
    this.weightBytes =
        config.decoder().rope().require(name, dtype, weightsAlone, options.memoryLimit());
    this.coder =
        scope.add(
            new LatentCoder(
                checkpoint,
                TransfusionFiles.CODER,
                files.vae(),
                VaeImageDecoder.Rounding.NEAREST,
                options.imageDecoder(),
                LatentCoder.tiling(files.vae(), options.memoryLimit(), weightBytes)));
    TorchDevice device = scope.add(TorchDevice.open(options));
    this.transformer =
        scope.add(
            DenoisingTransformer.load(
                config.decoder(),
                vocabulary,
                dtype,
                device,
                WeightLoader.load(
                    device, checkpoint, slices, dtype, DecoderWeights::quantises)));
    this.network = scope.add(TransfusionNetwork.load(config, transformer));
    VisionConfig vision = config.vision().orElse(null);
    this.visionProcessor =
        vision == null ? null : VisionImageProcessor.read(files.preprocessor(), vision.imageSize());
    this.visionTower = vision == null ? null : scope.add(VisionTower.load(vision, transformer));
  }

  /**
   * Loads a checkpoint folder.
   *
   * @throws CheckpointException if the files are wrong
   * @throws dev.diptych.core.UnsupportedModelException if it is of another family
   * @throws dev.diptych.core.ResourceLimitException if it cannot fit in memory
   */
  public static TransfusionModel load(Path folder, LoadOptions options) {
    Scope scope = new Scope();
    try {
      return new TransfusionModel(folder, options, scope);
    } catch (RuntimeException | Error e) {
      scope.close();
      throw e;
    }
  }

  /** Everything is a word that the tokenizer has and that is no control token. */
  private static WordVocabulary vocabulary(TransfusionConfig config, TextTokenizer tokenizer) {
    if (tokenizer.vocabSize() > config.decoder().vocabSize()) {
      throw new CheckpointException(
          "The tokenizer has more tokens than the model\n  expected at most vocab_size "
              + config.decoder().vocabSize()
              + "\n  found    "
              + tokenizer.vocabSize()
              + " in tokenizer.json\n  Is tokenizer.json from the same checkpoint?");
    }
    Set<Integer> own = Set.of(config.boi(), config.eoi());
    int[] words =
        IntStream.range(0, tokenizer.vocabSize())
            .filter(id -> !tokenizer.isControl(id) && !own.contains(id))
            .filter(id -> id != config.bos() && id != config.eos())
            .filter(id -> id != config.sep().orElse(-1) && id != config.pad().orElse(-1))
            .toArray();
    return new WordVocabulary(words, config.eos(), OptionalInt.of(config.boi()));
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
    Set<Modality> both = Set.of(Modality.TEXT, Modality.IMAGE);
    return new Capabilities(
        Set.of(
            new Capabilities.Route(both, Output.TEXT),
            new Capabilities.Route(both, Output.IMAGE),
            new Capabilities.Route(both, Output.INTERLEAVED)),
        config.decoder().maxPositionEmbeddings());
  }

  /**
   * {@inheritDoc}
   *
   * <p>Of generation_config.json; where that is silent, the paper's: greedy words, pictures in 250
   * steps (a flow in 50) with guidance 3, and no guidance by pictures. With {@link
   * GenerationOptions#think} words may stand before a drawing: the model says what it is to show until
   * it opens the picture itself.
   */
  @Override
  public GenerationOptions defaults(Output output) {
    JsonMap own = generationConfig;
    GenerationOptions.Builder defaults =
        GenerationOptions.builder()
            .temperature(own.numberOr("temperature", 1, 0, 100))
            .greedy(!own.boolOr("do_sample", false))
            .maxTokens(own.integerOr("max_new_tokens", 512, 1, 1_000_000))
            .topP(own.numberOr("top_p", 1, 1e-9, 1));
    int topK = own.integerOr("top_k", 0, 0, 1_000_000);
    if (topK > 0) {
      defaults.topK(topK);
    }
    if (output == Output.TEXT) {
      return defaults.build();
    }
    int side = config.latentSize() * coder.config().patchSize();
    defaults
        .guidanceScale(own.numberOr("guidance_scale", 3, 0, 100))
        .imageGuidanceScale(own.numberOr("image_guidance_scale", 1, 0, 100))
        .inferenceSteps(own.integerOr("num_inference_steps", sampler.defaultSteps(), 1, 10_000))
        .imageSize(side, side);
    sampler
        .shift()
        .ifPresent(shift -> defaults.timestepShift(own.numberOr("timestep_shift", shift, 1e-3, 100)));
    return output == Output.IMAGE
        ? defaults.pictures(1).think(own.boolOr("think", false)).build()
        : defaults.build();
  }

  /** {@inheritDoc} */
  @Override
  public String captionQuestion() {
    return "Describe the picture.";
  }

  @Override
  public Session newSession() {
    lifetime.requireOpen();
    return newSession(seed -> new NormalNoise(seed)::draw);
  }

  /** Begins a conversation whose pictures are made of given noise. */
  TransfusionSession newSession(LongFunction<Denoiser.Noise> noise) {
    return new TransfusionSession(this, noise);
  }

  @Override
  public void close() {
    lifetime.close(resources::close);
  }

  /**
   * {@return rows and columns of latents of a picture that a request asks for}
   *
   * @throws InvalidRequestException if it has no such size
   */
  int[] latentSize(GenerationOptions options) {
    int pixels = coder.config().patchSize();
    int side = config.latentSize() * pixels;
    int width = options.imageWidth().orElse(side);
    int height = options.imageHeight().orElse(side);
    if (config.positionEmbedding()) {
      options.requireImageSize(side, side);
    }
    int grid = pixels * config.patchSize();
    if (width % grid != 0 || height % grid != 0) {
      throw new InvalidRequestException(
          "Cannot draw a picture of "
              + width
              + "x"
              + height
              + " pixels\n  expected multiples of "
              + grid
              + ", the pixels of one patch\n  remedy   "
              + nearest(width, grid)
              + "x"
              + nearest(height, grid));
    }
    return new int[] {height / pixels, width / pixels};
  }

  private static int nearest(int side, int grid) {
    return (int) Math.max(1, Math.rint((double) side / grid)) * grid;
  }

  /** {@return a picture as it stands in a context} */
  TransfusionNetwork.Picture read(Image image, GenerationRun run) {
    run.step();
    long begin = System.nanoTime();
    int side = imageProcessor.side();
    requireMemory(
        "the picture encoder's features",
        coder.leastWork(config.latentSize(), config.latentSize()));
    float[] latents =
        coder.encode(imageProcessor.pixelValues(image), side, side, run::step);
    run.imageEncoding(Duration.ofNanos(System.nanoTime() - begin));
    return network.new Picture(latents, config.latentSize(), config.latentSize());
  }

  /** {@return a picture that is asked about, as it stands among words in a LLaVAFusion} */
  VisionTower.Picture look(Image image, GenerationRun run) {
    run.step();
    requireMemory(
        "the vision tower's features",
        config.vision().orElseThrow().workBytes(dtype.bytes()));
    long begin = System.nanoTime();
    VisionTower.Picture picture = visionTower.new Picture(visionProcessor.pixelValues(image));
    run.imageEncoding(Duration.ofNanos(System.nanoTime() - begin));
    return picture;
  }

  /** {@return bytes of work that so many rows take while they are computed together} */
  long workBytes(long rows) {
    return config.decoder().workBytes(rows, dtype.bytes());
  }

  /** Refuses what does not fit beside the weights and the caches that are open. */
  void requireMemory(String what, long bytes) {
    Memory.require(
        what, bytes, options.memoryLimit(), weightBytes + transformer.openCacheBytes());
  }

  Lifetime lifetime() {
    return lifetime;
  }

  TransfusionConfig config() {
    return config;
  }

  SamplerConfig sampler() {
    return sampler;
  }

  TextTokenizer tokenizer() {
    return tokenizer;
  }

  LatentCoder coder() {
    return coder;
  }

  DenoisingTransformer transformer() {
    return transformer;
  }

  TransfusionNetwork network() {
    return network;
  }

  /** {@return what reads pictures in a LLaVAFusion, null elsewhere} */
  VisionTower visionTower() {
    return visionTower;
  }

  /** {@return what prepares pictures for it, null elsewhere} */
  VisionImageProcessor visionProcessor() {
    return visionProcessor;
  }
}
