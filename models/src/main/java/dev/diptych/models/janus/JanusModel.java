package dev.diptych.models.janus;

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
import dev.diptych.core.engine.OnnxProgram;
import dev.diptych.core.engine.OnnxWeights;
import dev.diptych.core.engine.Scope;
import dev.diptych.core.engine.TorchDevice;
import dev.diptych.core.engine.WeightLoader;
import dev.diptych.core.vq.VqConfig;
import dev.diptych.core.weights.Checkpoint;
import dev.diptych.core.weights.JsonMap;
import dev.diptych.core.weights.Weights;
import dev.diptych.decoders.VqImageDecoder;
import dev.diptych.models.deepseek.ChatImageProcessor;
import dev.diptych.models.deepseek.ChatPrompt;
import dev.diptych.tokenizers.TextTokenizer;
import dev.diptych.tokenizers.VqImageTokenizer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/**
 * Janus and Janus-Pro: one Llama with two eyes, a SigLIP tower for understanding and VQ codes with a
 * head of their own for drawing.
 *
 * <p>Papers: arXiv 2410.13848 (Janus), arXiv 2501.17811 (Janus-Pro). References:
 * deepseek-ai/Janus@1daa72f (janus/models, generation_inference.py) and huggingface/transformers
 * v5.18.0 (models/janus). Checkpoints: Janus-1.3B, Janus-Pro-1B and Janus-Pro-7B, in the original
 * layout and in the HF-native one.
 *
 * <p>Deviations from the reference: samples are drawn by a counter-based generator, so one seed
 * gives one picture whatever runs beside it; a guidance scale of 1 computes no unconditional row.
 */
public final class JanusModel implements UnifiedModel {
  private static final long CONFIG_LIMIT = 1 << 20;

  private final String name;
  private final JanusConfig config;
  private final DType dtype;
  private final LoadOptions options;
  private final TextTokenizer tokenizer;
  private final ChatPrompt prompt;
  private final ChatImageProcessor imageProcessor;
  private final JanusTransformer transformer;
  private final PictureMemory pictures;
  private final Checkpoint checkpoint;
  private final String vqPrefix;
  private final VqConfig vqConfig;
  // Made by the first drawing: who only reads pictures pays nothing for it.
  private VqImageDecoder imageDecoder;
  private final JsonMap generationConfig;
  private final long weightBytes;
  private final Scope resources;
  private final Lifetime lifetime;

  private JanusModel(Path folder, LoadOptions options, Scope scope) {
    this.name = folder.toAbsolutePath().normalize().getFileName().toString();
    this.options = options;
    this.resources = scope;
    this.lifetime = new Lifetime("model " + name);
    JsonMap json = JsonMap.read(folder.resolve("config.json"), CONFIG_LIMIT);
    Checkpoint checkpoint = scope.add(Checkpoint.open(folder));
    this.config = JanusConfig.read(json, checkpoint);
    this.imageProcessor =
        ChatImageProcessor.read(
            optional(folder, "preprocessor_config.json"),
            config.vision().imageSize(),
            config.layout().template());
    this.generationConfig = optional(folder, "generation_config.json");
    this.tokenizer = scope.add(TextTokenizer.load(folder));
    requireVocabulary();
    this.prompt =
        new ChatPrompt(
            tokenizer,
            config.imageTokens(),
            optional(folder, "processor_config.json")
                .boolOr(
                    "use_default_system_prompt", config.layout() == JanusConfig.Layout.ORIGINAL),
            roles(folder),
            config.layout().template());

    Weights weights = Weights.of(checkpoint);
    Map<String, WeightLoader.Slice> slices = JanusWeights.bind(weights, config);
    this.vqPrefix = config.vqPrefix(checkpoint);
    this.vqConfig = config.vq(checkpoint, vqPrefix);
    VqImageTokenizer.bind(vqConfig, weights.at(vqPrefix));
    VqImageDecoder.bind(vqConfig, weights.at(vqPrefix));
    weights.done();
    this.checkpoint = checkpoint;
    this.dtype =
        AutoDType.choose(
            options.dtype(),
            checkpoint.names().stream().map(n -> checkpoint.spec(n).type()).toList(),
            slices.values().stream().mapToLong(WeightLoader.Slice::elements).sum());
    long weightsAlone =
        WeightLoader.bytes(slices, dtype, JanusTransformer::quantises) + decoderBytes();
    this.weightBytes =
        config.text().rope().require(name, dtype, weightsAlone, options.memoryLimit());
    TorchDevice device = scope.add(TorchDevice.open(options));
    this.transformer =
        scope.add(JanusTransformer.load(config, dtype, device, checkpoint, slices));
    this.pictures = scope.add(new PictureMemory(transformer, options.pictureMemory()));
    options
        .imageDecoder()
        .ifPresent(
            file ->
                imageDecoder =
                    scope.add(
                        VqImageDecoder.open(
                            file,
                            new VqImageDecoder.Grid(vqConfig.gridSize(), vqConfig.patchSize()),
                            vqConfig.numEmbeddings(),
                            OnnxProgram.Options.DEFAULT)));
  }

  private long decoderBytes() {
    return 4
        * VqImageDecoder.graph(vqConfig).weights().stream()
            .mapToLong(w -> w.shape().stream().mapToLong(Long::longValue).reduce(1, (a, b) -> a * b))
            .sum();
  }

  /**
   * Loads a checkpoint folder as it was published.
   *
   * @throws dev.diptych.core.CheckpointException if the files are wrong
   * @throws dev.diptych.core.UnsupportedModelException if it is no Janus
   * @throws dev.diptych.core.ResourceLimitException if it cannot fit in memory
   */
  public static JanusModel load(Path folder, LoadOptions options) {
    Scope scope = new Scope();
    try {
      return new JanusModel(folder, options, scope);
    } catch (RuntimeException | Error e) {
      scope.close();
      throw e;
    }
  }

  /** A token without a row in the embedding table would read beyond it. */
  private void requireVocabulary() {
    if (tokenizer.vocabSize() > config.text().vocabSize()) {
      throw new CheckpointException(
          "The tokenizer has more tokens than the model\n  expected at most vocab_size "
              + config.text().vocabSize()
              + "\n  found    "
              + tokenizer.vocabSize()
              + " in tokenizer.json\n  Is tokenizer.json from the same checkpoint?");
    }
  }

  /**
   * Janus-1.3B was trained with the roles as words, Janus-Pro as tokens, and nothing inside the
   * published files tells the two apart: the name does.
   */
  private ChatPrompt.Roles roles(Path folder) {
    boolean words =
        config.layout() == JanusConfig.Layout.ORIGINAL
            && folder.toAbsolutePath().toString().toLowerCase(Locale.ROOT).contains("janus-1.3b");
    return words || tokenizer.findControl("<|User|>").isEmpty()
        ? ChatPrompt.Roles.PLAIN
        : ChatPrompt.Roles.TOKENS;
  }

  private static JsonMap optional(Path folder, String file) {
    return Files.exists(folder.resolve(file))
        ? JsonMap.read(folder.resolve(file), CONFIG_LIMIT)
        : JsonMap.parse(file, "{}".getBytes(java.nio.charset.StandardCharsets.UTF_8));
  }

  /** Refuses what does not fit beside the weights; what is kept of pictures makes room first. */
  void requireMemory(String what, long bytes) {
    if (bytes > room()) {
      pictures.giveUp(0);
    }
    Memory.require(what, bytes, options.memoryLimit(), weightBytes + pictures.bytes());
  }

  /** {@return bytes that may be taken beside the weights and what is kept of pictures} */
  long room() {
    return options.memoryLimit().isPresent()
        ? Math.max(0, options.memoryLimit().getAsLong() - weightBytes - pictures.bytes())
        : Memory.available();
  }

  /** {@return what is known of pictures that questions began with} */
  PictureMemory pictures() {
    return pictures;
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
            new Capabilities.Route(Set.of(Modality.TEXT, Modality.IMAGE), Output.TEXT),
            new Capabilities.Route(Set.of(Modality.TEXT), Output.IMAGE)),
        config.text().maxPositionEmbeddings());
  }

  /**
   * {@inheritDoc}
   *
   * <p>Text is greedy with at most 512 tokens, pictures are sampled at temperature 1 with guidance
   * 5, as the authors' programs do; generation_config.json overrules.
   */
  @Override
  public GenerationOptions defaults(Output output) {
    GenerationOptions.Builder defaults =
        GenerationOptions.builder()
            .repetitionPenalty(generationConfig.numberOr("repetition_penalty", 1, 1e-3, 10))
            .temperature(generationConfig.numberOr("temperature", 1, 0, 100))
            .pictures(1);
    if (output == Output.IMAGE) {
      defaults
          .greedy(false)
          .guidanceScale(generationConfig.numberOr("guidance_scale", 5, 0, 100));
    } else {
      defaults.greedy(!generationConfig.boolOr("do_sample", false)).maxTokens(512);
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
    return new JanusSession(this);
  }

  @Override
  public void close() {
    lifetime.close(resources::close);
  }

  Lifetime lifetime() {
    return lifetime;
  }

  JanusConfig config() {
    return config;
  }

  /** {@return rows and columns of pixels of a drawing} */
  int imageSide() {
    return vqConfig.imageSize();
  }

  TextTokenizer tokenizer() {
    return tokenizer;
  }

  ChatPrompt prompt() {
    return prompt;
  }

  ChatImageProcessor imageProcessor() {
    return imageProcessor;
  }

  JanusTransformer transformer() {
    return transformer;
  }

  synchronized VqImageDecoder imageDecoder() {
    if (imageDecoder == null) {
      OnnxWeights weights = OnnxWeights.of(checkpoint, vqPrefix);
      imageDecoder =
          resources.add(VqImageDecoder.load(vqConfig, weights, OnnxProgram.Options.DEFAULT));
    }
    return imageDecoder;
  }
}
