package dev.diptych.models.janusflow;

import dev.diptych.core.Capabilities;
import dev.diptych.core.CheckpointException;
import dev.diptych.core.DType;
import dev.diptych.core.GenerationOptions;
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
import dev.diptych.models.deepseek.ChatImageProcessor;
import dev.diptych.models.deepseek.ChatPrompt;
import dev.diptych.models.denoising.DecoderWeights;
import dev.diptych.models.denoising.DenoisingTransformer;
import dev.diptych.models.denoising.LatentCoder;
import dev.diptych.models.denoising.WordVocabulary;
import dev.diptych.tokenizers.TextTokenizer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.stream.IntStream;

/**
 * JanusFlow: Janus' eye for understanding, and for drawing a rectified flow in the latents of SDXL's
 * VAE, with the language model between two shallow convolutional networks as what tells the velocity.
 *
 * <p>Paper: arXiv 2411.07975. Reference: deepseek-ai/Janus@1daa72f (janus/janusflow,
 * demo/app_janusflow.py). Checkpoint: JanusFlow-1.3B, with stabilityai/sdxl-vae in {@code vae} within
 * its folder or beside it, or named by {@link LoadOptions#withImageCoder}; without it the model reads
 * pictures and draws none.
 *
 * <p>Deviations from the reference: noise comes from a counter-based generator, so one seed gives one
 * picture whatever runs beside it; latents, times and the VAE are float32 where the reference has
 * bfloat16; a guidance scale of 1 computes no unconditional row; what the authors' README puts at the
 * end of a drawing's prompt is told, though the model never reads it.
 */
public final class JanusFlowModel implements UnifiedModel {
  private static final long CONFIG_LIMIT = 1 << 20;
  private static final String BEGIN_OF_GENERATION = "<｜begin▁of▁generation｜>";

  private final Path folder;
  private final String name;
  private final JanusFlowConfig config;
  private final DType dtype;
  private final LoadOptions options;
  private final TextTokenizer tokenizer;
  private final ChatPrompt prompt;
  private final int drawTag;
  private final ChatImageProcessor imageProcessor;
  private final DenoisingTransformer transformer;
  private final JanusFlowNetwork network;
  private final Optional<LatentCoder> coder;
  private final JsonMap generationConfig;
  private final long weightBytes;
  private final Scope resources;
  private final Lifetime lifetime;

  private JanusFlowModel(Path folder, LoadOptions options, Scope scope) {
    this.name = folder.toAbsolutePath().normalize().getFileName().toString();
    this.folder = folder;
    this.options = options;
    this.resources = scope;
    this.lifetime = new Lifetime("model " + name);
    JsonMap json = JsonMap.read(folder.resolve("config.json"), CONFIG_LIMIT);
    Checkpoint checkpoint = scope.add(Checkpoint.open(folder));
    this.config = JanusFlowConfig.read(json, checkpoint);
    this.imageProcessor =
        ChatImageProcessor.read(
            optional(folder, "preprocessor_config.json"),
            config.vision().imageSize(),
            ChatPrompt.Template.ORIGINAL);
    this.generationConfig = optional(folder, "generation_config.json");
    this.tokenizer = scope.add(TextTokenizer.load(folder));
    requireVocabulary();
    this.prompt =
        new ChatPrompt(
            tokenizer,
            config.tokens(),
            optional(folder, "processor_config.json").boolOr("use_default_system_prompt", true),
            ChatPrompt.Roles.PLAIN,
            ChatPrompt.Template.ORIGINAL);
    this.drawTag =
        tokenizer
            .findControl(BEGIN_OF_GENERATION)
            .orElseGet(() -> tokenizer.controlId(ChatPrompt.BEGIN_OF_IMAGE));

    Weights weights = Weights.of(checkpoint);
    Map<String, WeightLoader.Slice> slices = JanusFlowWeights.bind(weights, config);
    weights.done();
    Optional<JanusFlowCoder> decoder =
        JanusFlowCoder.find(folder, options, config.encoder().inputChannels(), scope);
    this.dtype =
        AutoDType.choose(
            options.dtype(),
            checkpoint.names().stream().map(n -> checkpoint.spec(n).type()).toList(),
            slices.values().stream().mapToLong(WeightLoader.Slice::elements).sum());
    long weightsAlone =
        WeightLoader.bytes(slices, dtype, DecoderWeights::quantises)
            + decoder.map(JanusFlowCoder::bytes).orElse(0L);
    this.weightBytes =
        config.decoder().rope().require(name, dtype, weightsAlone, options.memoryLimit());
    long held = weightBytes;
    this.coder =
        decoder.map(
            d ->
                scope.add(
                    d.coder(
                        options.imageDecoder(),
                        LatentCoder.tiling(d.config(), options.memoryLimit(), held))));
    TorchDevice device = scope.add(TorchDevice.open(options));
    this.transformer =
        scope.add(
            DenoisingTransformer.load(
                config.decoder(),
                vocabulary(),
                dtype,
                device,
                WeightLoader.load(
                    device, checkpoint, slices, dtype, DecoderWeights::quantises)));
    this.network = scope.add(JanusFlowNetwork.load(config, transformer));
  }

  /**
   * Loads a checkpoint folder as it was published.
   *
   * @throws CheckpointException if the files are wrong, or the VAE's latents are not the model's
   * @throws dev.diptych.core.UnsupportedModelException if it is no JanusFlow
   * @throws dev.diptych.core.ResourceLimitException if it cannot fit in memory
   */
  public static JanusFlowModel load(Path folder, LoadOptions options) {
    Scope scope = new Scope();
    try {
      return new JanusFlowModel(folder, options, scope);
    } catch (RuntimeException | Error e) {
      scope.close();
      throw e;
    }
  }

  /** A token without a row in the embedding table would read beyond it. */
  private void requireVocabulary() {
    if (tokenizer.vocabSize() > config.decoder().vocabSize()) {
      throw new CheckpointException(
          "The tokenizer has more tokens than the model\n  expected at most vocab_size "
              + config.decoder().vocabSize()
              + "\n  found    "
              + tokenizer.vocabSize()
              + " in tokenizer.json\n  Is tokenizer.json from the same checkpoint?");
    }
  }

  /** The reference forbids nothing. */
  private WordVocabulary vocabulary() {
    int[] all =
        IntStream.range(0, config.decoder().vocabSize())
            .filter(id -> id != prompt.eos())
            .toArray();
    return new WordVocabulary(all, prompt.eos(), OptionalInt.empty());
  }

  private static JsonMap optional(Path folder, String file) {
    return Files.exists(folder.resolve(file))
        ? JsonMap.read(folder.resolve(file), CONFIG_LIMIT)
        : JsonMap.parse(file, "{}".getBytes(StandardCharsets.UTF_8));
  }

  /** Refuses what does not fit beside the weights and the caches that are open. */
  void requireMemory(String what, long bytes) {
    Memory.require(
        what, bytes, options.memoryLimit(), weightBytes + transformer.openCacheBytes());
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
    Set<Capabilities.Route> routes = new HashSet<>();
    routes.add(new Capabilities.Route(Set.of(Modality.TEXT, Modality.IMAGE), Output.TEXT));
    if (coder.isPresent()) {
      routes.add(new Capabilities.Route(Set.of(Modality.TEXT), Output.IMAGE));
    }
    return new Capabilities(
        routes,
        config.decoder().maxPositionEmbeddings(),
        coder.isPresent() ? Map.of() : Map.of(Output.IMAGE, JanusFlowCoder.lacking(folder)));
  }

  /**
   * {@inheritDoc}
   *
   * <p>Text is greedy with at most 512 tokens; pictures are drawn in 30 steps with guidance 2, as the
   * authors' programs do; generation_config.json overrules.
   */
  @Override
  public GenerationOptions defaults(Output output) {
    JsonMap own = generationConfig;
    GenerationOptions.Builder defaults = GenerationOptions.builder().pictures(1);
    if (output == Output.IMAGE) {
      defaults
          .guidanceScale(own.numberOr("guidance_scale", 2, 0, 100))
          .inferenceSteps(own.integerOr("num_inference_steps", 30, 1, 10_000));
    } else {
      defaults
          .greedy(!own.boolOr("do_sample", false))
          .temperature(own.numberOr("temperature", 1, 0, 100))
          .repetitionPenalty(own.numberOr("repetition_penalty", 1, 1e-3, 10))
          .maxTokens(512);
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
    return new JanusFlowSession(this);
  }

  @Override
  public void close() {
    lifetime.close(resources::close);
  }

  Lifetime lifetime() {
    return lifetime;
  }

  JanusFlowConfig config() {
    return config;
  }

  TextTokenizer tokenizer() {
    return tokenizer;
  }

  ChatPrompt prompt() {
    return prompt;
  }

  /** {@return the token that the reference puts where the time will stand} */
  int drawTag() {
    return drawTag;
  }

  ChatImageProcessor imageProcessor() {
    return imageProcessor;
  }

  DenoisingTransformer transformer() {
    return transformer;
  }

  JanusFlowNetwork network() {
    return network;
  }

  /** {@return what makes pictures of latents; only asked where the model draws} */
  LatentCoder coder() {
    return coder.orElseThrow();
  }
}
