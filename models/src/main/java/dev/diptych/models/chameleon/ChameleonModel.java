package dev.diptych.models.chameleon;

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
import dev.diptych.core.vq.VqConfig;
import dev.diptych.core.weights.Checkpoint;
import dev.diptych.core.weights.JsonMap;
import dev.diptych.core.weights.Weights;
import dev.diptych.models.discrete.DiscreteSession;
import dev.diptych.models.discrete.DiscreteTransformer;
import dev.diptych.models.discrete.DiscreteVocabulary;
import dev.diptych.tokenizers.TextTokenizer;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;

/**
 * Chameleon, Anole and Lumina-mGPT: words and pictures as one stream of tokens, in any order, in
 * and out. How they differ is in {@link ChameleonFamily} and {@link LuminaFamily}.
 *
 * <p>Papers: arXiv 2405.09818; Anole: arXiv 2407.06135; Lumina-mGPT: arXiv 2408.02657. References:
 * facebookresearch/chameleon@dbbe47f (chameleon/inference), huggingface/transformers v5.18.0
 * (models/chameleon) and Alpha-VLLM/Lumina-mGPT@104abe4. Checkpoints: facebook/chameleon-7b and
 * -30b, Meta's download, Anole-7b in both layouts, Alpha-VLLM/Lumina-mGPT-7B-512 and its sisters
 * with a picture coder from elsewhere. A checkpoint without the decoder of the picture coder reads
 * pictures and writes text only.
 *
 * <p>Deviations from the reference: samples are drawn by a counter-based generator, so one seed
 * gives one answer whatever runs beside it; contexts that guidance compares and that are equal are
 * computed once, which changes no number.
 */
public final class ChameleonModel implements UnifiedModel {
  private final String name;
  private final ChameleonConfig config;
  private final ChameleonVocabulary vocabulary;
  private final DiscreteVocabulary discrete;
  private final DType dtype;
  private final LoadOptions options;
  private final TextTokenizer tokenizer;
  private final ChameleonPrompt prompt;
  private final ChameleonCoder coder;
  private final DiscreteTransformer transformer;
  private final ChameleonFamily family;
  private final JsonMap generationConfig;
  private final long weightBytes;
  private final Scope resources;
  private final Lifetime lifetime;

  private ChameleonModel(Path folder, LoadOptions options, Scope scope) {
    this.options = options;
    this.resources = scope;
    ChameleonFiles files = scope.add(ChameleonFiles.open(folder, options));
    this.name = files.name();
    this.lifetime = new Lifetime("model " + name);
    this.config = files.config();
    this.vocabulary = files.vocabulary();
    this.discrete = vocabulary.discrete(config.family());
    this.generationConfig = files.optional("generation_config.json");
    this.tokenizer = scope.add(files.openTokenizer());
    requireVocabulary();
    this.prompt = new ChameleonPrompt(tokenizer, vocabulary, config.family());

    Checkpoint checkpoint = files.checkpoint();
    Weights weights = Weights.of(checkpoint);
    files.requireCoder();
    Map<String, WeightLoader.Slice> slices = ChameleonWeights.bind(weights, files);
    weights.done();
    this.coder = scope.add(ChameleonCoder.of(files, options));
    VqConfig vq = coder.config();
    this.dtype =
        AutoDType.choose(
            options.dtype(),
            checkpoint.names().stream().map(n -> checkpoint.spec(n).type()).toList(),
            slices.values().stream().mapToLong(WeightLoader.Slice::elements).sum());
    long weightsAlone =
        WeightLoader.bytes(slices, dtype, DiscreteTransformer::quantises)
            // Lumina-mGPT alone draws pictures of several sizes
            + ChameleonCoder.bytes(vq, config.targetSize().isPresent() ? Integer.MAX_VALUE : 1);
    this.weightBytes =
        config.transformer().rope().require(name, dtype, weightsAlone, options.memoryLimit());
    TorchDevice device = scope.add(TorchDevice.open(options));
    this.transformer =
        scope.add(
            DiscreteTransformer.load(
                config.transformer(),
                discrete,
                dtype,
                device,
                WeightLoader.load(
                    device, checkpoint, slices, dtype, DiscreteTransformer::quantises)));
    this.family =
        config.targetSize().isPresent()
            ? new LuminaFamily(this, config.targetSize().getAsInt())
            : new ChameleonFamily(this, imageProcessor(files, vq.imageSize()));
  }

  private static ChameleonImageProcessor imageProcessor(ChameleonFiles files, int side) {
    return files.config().layout() == ChameleonConfig.Layout.META
        ? ChameleonImageProcessor.meta(side)
        : ChameleonImageProcessor.read(files.optional("preprocessor_config.json"), side);
  }

  /**
   * Loads a checkpoint folder as it was published.
   *
   * @throws CheckpointException if the files are wrong
   * @throws dev.diptych.core.UnsupportedModelException if it is no Chameleon
   * @throws dev.diptych.core.ResourceLimitException if it cannot fit in memory
   */
  public static ChameleonModel load(Path folder, LoadOptions options) {
    Scope scope = new Scope();
    try {
      return new ChameleonModel(folder, options, scope);
    } catch (RuntimeException | Error e) {
      scope.close();
      throw e;
    }
  }

  /** A token without a row in the embedding table would read beyond it. */
  private void requireVocabulary() {
    if (tokenizer.vocabSize() > config.transformer().vocabSize()) {
      throw new CheckpointException(
          "The tokenizer has more tokens than the model\n  expected at most vocab_size "
              + config.transformer().vocabSize()
              + "\n  found    "
              + tokenizer.vocabSize()
              + "\n  Is the tokenizer from the same checkpoint?");
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
    Set<Modality> both = Set.of(Modality.TEXT, Modality.IMAGE);
    Set<Capabilities.Route> routes = new HashSet<>();
    routes.add(new Capabilities.Route(both, Output.TEXT));
    if (coder.draws()) {
      routes.add(new Capabilities.Route(both, Output.IMAGE));
      routes.add(new Capabilities.Route(both, Output.INTERLEAVED));
    }
    return new Capabilities(routes, config.transformer().maxPositionEmbeddings());
  }

  /** {@inheritDoc} */
  @Override
  public GenerationOptions defaults(Output output) {
    return family.defaults(output, generationConfig);
  }

  @Override
  public String captionQuestion() {
    return "Describe the picture.";
  }

  @Override
  public Session newSession() {
    lifetime.requireOpen();
    return new DiscreteSession(this, family, lifetime);
  }

  @Override
  public void close() {
    lifetime.close(resources::close);
  }

  DiscreteTransformer transformer() {
    return transformer;
  }

  DiscreteVocabulary vocabulary() {
    return discrete;
  }

  TextTokenizer tokenizer() {
    return tokenizer;
  }

  /** {@return the control tokens by name} */
  ChameleonVocabulary names() {
    return vocabulary;
  }

  ChameleonPrompt prompt() {
    return prompt;
  }

  ChameleonCoder coder() {
    return coder;
  }

  /** Refuses what does not fit beside the weights. */
  void requireMemory(String what, long bytes) {
    long held = weightBytes + transformer.openCacheBytes();
    Memory.require(what, bytes, options.memoryLimit(), held);
  }
}
