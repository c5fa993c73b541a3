package dev.diptych.models.monoformer;

import dev.diptych.core.Capabilities;
import dev.diptych.core.DType;
import dev.diptych.core.GenerationOptions;
import dev.diptych.core.Lifetime;
import dev.diptych.core.LoadOptions;
import dev.diptych.core.Modality;
import dev.diptych.core.Output;
import dev.diptych.core.Session;
import dev.diptych.core.UnifiedModel;
import dev.diptych.core.diffusion.BetaSchedule;
import dev.diptych.core.diffusion.DdpmScheduler;
import dev.diptych.core.diffusion.NoiseProcess;
import dev.diptych.core.diffusion.TablePrecision;
import dev.diptych.core.engine.AutoDType;
import dev.diptych.core.engine.Memory;
import dev.diptych.core.engine.Scope;
import dev.diptych.core.engine.TorchDevice;
import dev.diptych.core.engine.WeightLoader;
import dev.diptych.core.nn.RopeTable;
import dev.diptych.core.weights.Checkpoint;
import dev.diptych.core.weights.JsonMap;
import dev.diptych.core.weights.Weights;
import dev.diptych.models.denoising.DecoderWeights;
import dev.diptych.models.denoising.DenoisingTransformer;
import dev.diptych.models.denoising.NoiseTable;
import dev.diptych.models.denoising.WordVocabulary;
import dev.diptych.tokenizers.TextTokenizer;
import java.nio.file.Path;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;

/**
 * MonoFormer for the classes of ImageNet: a name of a class becomes a picture.
 *
 * <p>Paper: arXiv 2409.16280. Reference: MonoFormer/MonoFormer@8087266 (models, diffusion,
 * infer_dit.py). Checkpoint: MonoFormer/MonoFormer_ImageNet_256, whose picture coder is published
 * apart, as stabilityai/sd-vae-ft-mse.
 *
 * <p>Deviations from the reference: noise is drawn by a counter-based generator, so one seed gives
 * one picture, but for rounding, whatever is drawn beside it; a prompt that leaves no room for the
 * picture is refused, where the reference cuts the picture; a prompt is read once and not at every
 * step; control tokens in a user's text are text.
 */
public final class MonoFormerModel implements UnifiedModel {
  private final String name;
  private final MonoFormerConfig config;
  private final DType dtype;
  private final LoadOptions options;
  private final MonoFormerPrompt prompt;
  private final JsonMap generationConfig;
  private final MonoFormerCoder coder;
  private final DenoisingTransformer transformer;
  private final MonoFormerNetwork network;
  private final NoiseProcess process =
      NoiseProcess.epsilon(BetaSchedule.LINEAR, TablePrecision.FLOAT64);
  private final long weightBytes;
  private final Scope resources;
  private final Lifetime lifetime;

  private MonoFormerModel(Path folder, LoadOptions options, Scope scope) {
    this.options = options;
    this.resources = scope;
    MonoFormerFiles files = scope.add(MonoFormerFiles.open(folder));
    this.name = files.name();
    this.lifetime = new Lifetime("model " + name);
    this.config = files.config();
    this.generationConfig = files.generationConfig();
    TextTokenizer tokenizer = scope.add(TextTokenizer.load(folder));
    this.prompt = MonoFormerPrompt.of(tokenizer, config, files.training());

    Checkpoint checkpoint = files.checkpoint();
    Weights weights = Weights.of(checkpoint);
    Map<String, WeightLoader.Slice> slices = MonoFormerWeights.bind(weights, config);
    weights.done();
    this.dtype =
        AutoDType.choose(
            options.dtype(),
            checkpoint.names().stream().map(n -> checkpoint.spec(n).type()).toList(),
            slices.values().stream().mapToLong(WeightLoader.Slice::elements).sum());
    long own = WeightLoader.bytes(slices, dtype, DecoderWeights::quantises);
    RopeTable rope = config.decoder().rope();
    this.coder = scope.add(MonoFormerCoder.open(files, options, own + rope.bytes(dtype)));
    this.weightBytes = rope.require(name, dtype, own + coder.bytes(), options.memoryLimit());
    TorchDevice device = scope.add(TorchDevice.open(options));
    int eos = tokenizer.controlId("</s>");
    this.transformer =
        scope.add(
            DenoisingTransformer.load(
                config.decoder(),
                new WordVocabulary(new int[0], eos, OptionalInt.empty()),
                dtype,
                device,
                WeightLoader.load(
                    device, checkpoint, slices, dtype, DecoderWeights::quantises)));
    this.network = scope.add(MonoFormerNetwork.load(config, transformer));
  }

  /**
   * Loads a checkpoint folder as it was published, with the picture coder in its folder {@code vae}
   * or where the options say.
   *
   * @throws dev.diptych.core.CheckpointException if the files are wrong
   * @throws dev.diptych.core.UnsupportedModelException if it is no MonoFormer that can be run
   * @throws dev.diptych.core.ResourceLimitException if it cannot fit in memory
   */
  public static MonoFormerModel load(Path folder, LoadOptions options) {
    Scope scope = new Scope();
    try {
      return new MonoFormerModel(folder, options, scope);
    } catch (RuntimeException | Error e) {
      scope.close();
      throw e;
    }
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
        Set.of(new Capabilities.Route(Set.of(Modality.TEXT), Output.IMAGE)),
        config.contextLength());
  }

  /**
   * {@inheritDoc}
   *
   * <p>The authors' options: 20 steps with guidance 4; generation_config.json overrules.
   */
  @Override
  public GenerationOptions defaults(Output output) {
    return GenerationOptions.builder()
        .guidanceScale(generationConfig.numberOr("guidance_scale", 4, 0, 100))
        .inferenceSteps(generationConfig.integerOr("num_inference_steps", 20, 1, 1000))
        .pictures(1)
        .imageSize(config.imageSize(), config.imageSize())
        .build();
  }

  /** {@inheritDoc} It is asked of nobody, for MonoFormer reads no pictures. */
  @Override
  public String captionQuestion() {
    return "Describe the picture.";
  }

  @Override
  public Session newSession() {
    lifetime.requireOpen();
    return new MonoFormerSession(this);
  }

  @Override
  public void close() {
    lifetime.close(resources::close);
  }

  Lifetime lifetime() {
    return lifetime;
  }

  MonoFormerConfig config() {
    return config;
  }

  MonoFormerPrompt prompt() {
    return prompt;
  }

  MonoFormerCoder coder() {
    return coder;
  }

  DenoisingTransformer transformer() {
    return transformer;
  }

  MonoFormerNetwork network() {
    return network;
  }

  /**
   * {@return the steps of a drawing, evenly spaced among the 1000 of training}
   *
   * @throws dev.diptych.core.InvalidRequestException if more are asked for
   */
  NoiseTable table(GenerationOptions options) {
    return NoiseTable.of(
        DdpmScheduler.of(
            process,
            DdpmScheduler.Variance.LEARNED_RANGE,
            options.inferenceSteps().orElseThrow()));
  }

  /** Refuses what does not fit beside the weights and the caches that are open. */
  void requireMemory(String what, long bytes) {
    long held = weightBytes + transformer.openCacheBytes();
    Memory.require(what, bytes, options.memoryLimit(), held);
  }
}
