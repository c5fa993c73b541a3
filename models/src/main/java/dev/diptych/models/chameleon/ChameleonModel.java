package dev.diptych.models.chameleon;

import dev.diptych.core.Capabilities;
import dev.diptych.core.CheckpointException;
import dev.diptych.core.DType;
import dev.diptych.core.GenerationOptions;
import dev.diptych.core.GenerationRun;
import dev.diptych.core.Image;
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
import dev.diptych.models.discrete.DiscreteFamily;
import dev.diptych.models.discrete.DiscreteSession;
import dev.diptych.models.discrete.DiscreteTransformer;
import dev.diptych.models.discrete.DiscreteVocabulary;
import dev.diptych.models.discrete.Guidance;
import dev.diptych.models.discrete.PictureGrammar;
import dev.diptych.tokenizers.TextTokenizer;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.stream.IntStream;

/**
 * Chameleon and Anole: words and pictures as one stream of tokens, in any order, in and out.
 *
 * <p>Paper: arXiv 2405.09818; Anole: arXiv 2407.06135. References: facebookresearch/chameleon@dbbe47f
 * (chameleon/inference) and huggingface/transformers v5.18.0 (models/chameleon). Checkpoints:
 * facebook/chameleon-7b and -30b, Meta's download, Anole-7b in both layouts. A checkpoint without the
 * decoder of the picture coder reads pictures and writes text only.
 *
 * <p>Deviations from the reference: samples are drawn by a counter-based generator, so one seed gives
 * one answer whatever runs beside it; contexts that guidance compares and that are equal are computed
 * once, which changes no number.
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
  private final ChameleonImageProcessor imageProcessor;
  private final DiscreteTransformer transformer;
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
    this.discrete =
        new DiscreteVocabulary(
            vocabulary.imageIds(),
            vocabulary.textIds(),
            vocabulary.eos(),
            vocabulary.beginOfImage(),
            vocabulary.endOfImage());
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
    JsonMap preprocessor = files.optional("preprocessor_config.json");
    this.imageProcessor =
        config.layout() == ChameleonConfig.Layout.META
            ? ChameleonImageProcessor.meta(vq.imageSize())
            : ChameleonImageProcessor.read(preprocessor, vq.imageSize());
    this.dtype =
        AutoDType.choose(
            options.dtype(),
            checkpoint.names().stream().map(n -> checkpoint.spec(n).type()).toList(),
            slices.values().stream().mapToLong(WeightLoader.Slice::elements).sum());
    this.weightBytes = WeightLoader.bytes(slices, dtype, DiscreteTransformer::quantises)
            + ChameleonCoder.bytes(vq);
    Memory.require("the weights of " + name + " in " + dtype, weightBytes, allowed());
    TorchDevice device = scope.add(TorchDevice.open(options.device()));
    this.transformer =
        scope.add(
            DiscreteTransformer.load(
                config.transformer(),
                discrete,
                dtype,
                device,
                WeightLoader.load(
                    device, checkpoint, slices, dtype, DiscreteTransformer::quantises)));
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

  private long allowed() {
    return options.memoryLimit().orElseGet(Memory::available);
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

  /**
   * {@inheritDoc}
   *
   * <p>The authors' options: temperature 0.7, top-p 0.9, a repetition penalty of 1.2 on text,
   * guidance 3 by words and 1.2 by pictures; generation_config.json overrules.
   */
  @Override
  public GenerationOptions defaults(Output output) {
    GenerationOptions.Builder defaults =
        GenerationOptions.builder()
            .temperature(generationConfig.numberOr("temperature", 0.7, 0, 100))
            .topP(generationConfig.numberOr("top_p", 0.9, 1e-6, 1));
    if (output == Output.IMAGE) {
      defaults.greedy(false).pictures(1);
    } else {
      defaults
          .greedy(output == Output.TEXT && !generationConfig.boolOr("do_sample", true))
          .repetitionPenalty(generationConfig.numberOr("repetition_penalty", 1.2, 1e-3, 10))
          .maxTokens(512);
    }
    if (output != Output.TEXT) {
      defaults
          .guidanceScale(generationConfig.numberOr("guidance_scale", 3, 0, 100))
          .imageGuidanceScale(generationConfig.numberOr("image_guidance_scale", 1.2, 0, 100));
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
    return new DiscreteSession(this, new Family(), lifetime);
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

  /** What the shared session asks of this family. */
  private final class Family implements DiscreteFamily {
    @Override
    public DiscreteTransformer transformer() {
      return transformer;
    }

    @Override
    public DiscreteVocabulary vocabulary() {
      return discrete;
    }

    @Override
    public TextTokenizer tokenizer() {
      return tokenizer;
    }

    @Override
    public int maxSequenceLength() {
      return config.transformer().maxPositionEmbeddings();
    }

    @Override
    public int[] turn(GenerationRun run, boolean first) {
      IntStream ids = IntStream.empty();
      for (ChameleonPrompt.Segment segment : prompt.turn(run.request().parts(), first)) {
        int[] more;
        if (segment instanceof ChameleonPrompt.Segment.Picture picture) {
          run.step();
          int side = coder.config().imageSize();
          int[] codes =
              coder.encode(imageProcessor.pixelValues(picture.image()), side, side);
          more = square().tokens(codes, discrete);
        } else {
          more = ((ChameleonPrompt.Segment.Ids) segment).ids();
        }
        ids = IntStream.concat(ids, Arrays.stream(more));
      }
      return ids.toArray();
    }

    @Override
    public Optional<PictureGrammar> grammar(GenerationOptions options, Output output) {
      options.requireImageSize(coder.config().imageSize(), coder.config().imageSize());
      return coder.draws() ? Optional.of(square()) : Optional.empty();
    }

    private PictureGrammar square() {
      return prompt.grammar(coder.config().gridSize(), coder.config().gridSize());
    }

    /** Words against pictures against nothing; InstructPix2Pix (arXiv 2211.09800). */
    @Override
    public Guidance guidance(GenerationOptions options) {
      return new Guidance(
          options.guidanceScale().orElse(1),
          OptionalDouble.of(options.imageGuidanceScale().orElse(1)),
          new int[] {vocabulary.bos(), vocabulary.beginOfImage()});
    }

    @Override
    public Image pixels(int[] codes, PictureGrammar grammar, boolean whole, Runnable step) {
      return coder.draw(codes, grammar.rows(), grammar.columns(), whole, step);
    }

    @Override
    public void requireMemory(String what, long bytes) {
      long allowed =
          options.memoryLimit().isPresent()
              ? Math.max(0, options.memoryLimit().getAsLong() - weightBytes)
              : Memory.available();
      Memory.require(what, bytes, allowed);
    }
  }
}
