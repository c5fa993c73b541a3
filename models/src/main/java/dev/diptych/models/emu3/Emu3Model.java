package dev.diptych.models.emu3;

import dev.diptych.core.Capabilities;
import dev.diptych.core.DType;
import dev.diptych.core.GenerationOptions;
import dev.diptych.core.GenerationRun;
import dev.diptych.core.Image;
import dev.diptych.core.InvalidRequestException;
import dev.diptych.core.Lifetime;
import dev.diptych.core.LoadOptions;
import dev.diptych.core.Modality;
import dev.diptych.core.Output;
import dev.diptych.core.Part;
import dev.diptych.core.Session;
import dev.diptych.core.UnifiedModel;
import dev.diptych.core.engine.AutoDType;
import dev.diptych.core.engine.Memory;
import dev.diptych.core.engine.Scope;
import dev.diptych.core.engine.TorchDevice;
import dev.diptych.core.engine.WeightLoader;
import dev.diptych.core.weights.Checkpoint;
import dev.diptych.core.weights.Weights;
import dev.diptych.models.discrete.DiscreteFamily;
import dev.diptych.models.discrete.DiscreteSession;
import dev.diptych.models.discrete.DiscreteTransformer;
import dev.diptych.models.discrete.DiscreteVocabulary;
import dev.diptych.models.discrete.Guidance;
import dev.diptych.models.discrete.PictureGrammar;
import dev.diptych.tokenizers.TextTokenizer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.Set;

/**
 * Emu3: a Llama that reads and writes pictures of any size as rows of codes between its words.
 *
 * <p>Paper: arXiv 2409.18869. References: baaivision/Emu3@f6ea9aa (emu3/mllm, image_generation.py,
 * multimodal_understanding.py) and huggingface/transformers v5.18.0 (models/emu3). Checkpoints:
 * Emu3-Gen-hf, which draws, and Emu3-Chat-hf, which reads.
 *
 * <p>Deviations from the references: samples are drawn by a counter-based generator, so one seed
 * gives one picture whatever runs beside it; an answer in words holds words alone; every picture of
 * a prompt is encoded by itself, at its own size. Guidance compares bare logits: the references
 * normalise each row by log-softmax first, which adds one number to all logits of a row and so
 * changes no probability among the codes. What it is compared with opens a picture of the same size,
 * as in the authors' program; the example of transformers leaves that out.
 */
public final class Emu3Model implements UnifiedModel {
  private static final int MAX_SIDE = 1 << 10;

  private final String name;
  private final Emu3Variant variant;
  private final Emu3Config config;
  private final Emu3Vocabulary vocabulary;
  private final DType dtype;
  private final LoadOptions options;
  private final TextTokenizer tokenizer;
  private final Emu3Prompt prompt;
  private final Emu3ImageProcessor imageProcessor;
  private final Emu3Coder coder;
  private final DiscreteTransformer transformer;
  private final Emu3Files files;
  private final long weightBytes;
  private final Scope resources;
  private final Lifetime lifetime;

  private Emu3Model(Path folder, LoadOptions options, Scope scope) {
    this.options = options;
    this.resources = scope;
    if (options.imageCoder().isPresent()) {
      throw new InvalidRequestException(
          "imageCoder is "
              + options.imageCoder().get()
              + "; Emu3 checkpoints have their own picture coder and take no other");
    }
    this.files = scope.add(Emu3Files.open(folder));
    this.name = files.name();
    this.lifetime = new Lifetime("model " + name);
    this.config = files.config();
    this.variant = Emu3Variant.of(folder, files.generationConfig());
    this.tokenizer = scope.add(TextTokenizer.load(folder));
    this.vocabulary = Emu3Vocabulary.read(config, tokenizer, files.tokenizerConfig());
    this.prompt = new Emu3Prompt(tokenizer, vocabulary);
    this.imageProcessor = Emu3ImageProcessor.read(files.imageConfig(), config.factor());

    Checkpoint checkpoint = files.checkpoint();
    Weights weights = Weights.of(checkpoint);
    Map<String, WeightLoader.Slice> slices = Emu3Weights.bind(weights, config);
    Emu3Coder.bind(weights, config.vq());
    weights.done();
    this.coder = scope.add(new Emu3Coder(files, options));
    if (variant.draws()) {
      int[] grid = Emu3Config.grid(1, 1, config.imageArea(), config.factor());
      coder.openExported(grid[0], grid[1]);
    }
    this.dtype =
        AutoDType.choose(
            options.dtype(),
            checkpoint.names().stream().map(n -> checkpoint.spec(n).type()).toList(),
            slices.values().stream().mapToLong(WeightLoader.Slice::elements).sum());
    long weightsAlone =
        WeightLoader.bytes(slices, dtype, DiscreteTransformer::quantises)
            + Emu3Coder.bytes(config.vq());
    this.weightBytes =
        config.transformer().rope().require(name, dtype, weightsAlone, options.memoryLimit());
    TorchDevice device = scope.add(TorchDevice.open(options));
    this.transformer =
        scope.add(
            DiscreteTransformer.load(
                config.transformer(),
                vocabulary.discrete(),
                dtype,
                device,
                WeightLoader.load(
                    device, checkpoint, slices, dtype, DiscreteTransformer::quantises)));
  }

  /**
   * Loads a checkpoint folder as it was published.
   *
   * @throws dev.diptych.core.CheckpointException if the files are wrong
   * @throws dev.diptych.core.UnsupportedModelException if it is no Emu3 in the layout of
   *     transformers
   * @throws dev.diptych.core.ResourceLimitException if it cannot fit in memory
   */
  public static Emu3Model load(Path folder, LoadOptions options) {
    Scope scope = new Scope();
    try {
      return new Emu3Model(folder, options, scope);
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
    Set<Capabilities.Route> routes = new HashSet<>();
    if (variant.reads()) {
      routes.add(new Capabilities.Route(Set.of(Modality.TEXT, Modality.IMAGE), Output.TEXT));
    }
    if (variant.draws()) {
      routes.add(new Capabilities.Route(Set.of(Modality.TEXT), Output.IMAGE));
    }
    return new Capabilities(routes, config.transformer().maxPositionEmbeddings());
  }

  /**
   * {@inheritDoc}
   *
   * <p>The authors' options: text is greedy with at most 1024 tokens; pictures are sampled at
   * temperature 1 from the 2048 likeliest codes with guidance 3, and are square with the area that
   * the checkpoint was tuned for; generation_config.json overrules.
   */
  @Override
  public GenerationOptions defaults(Output output) {
    GenerationOptions.Builder defaults =
        GenerationOptions.builder()
            .temperature(files.generationConfig().numberOr("temperature", 1, 0, 100));
    if (output == Output.IMAGE) {
      int[] grid = Emu3Config.grid(1, 1, config.imageArea(), config.factor());
      return defaults
          .greedy(false)
          .topK(files.generationConfig().integerOr("top_k", 2048, 1, 1_000_000))
          .guidanceScale(files.generationConfig().numberOr("guidance_scale", 3, 0, 100))
          .pictures(1)
          .imageSize(grid[1] * config.factor(), grid[0] * config.factor())
          .build();
    }
    return defaults.greedy(true).maxTokens(1024).build();
  }

  /** {@inheritDoc} The authors' own, without a full stop, which the chat form adds. */
  @Override
  public String captionQuestion() {
    return "Please describe the image";
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

  Emu3Vocabulary vocabulary() {
    return vocabulary;
  }

  Emu3Prompt prompt() {
    return prompt;
  }

  /** What the shared session asks of this family. */
  private final class Family implements DiscreteFamily {
    @Override
    public DiscreteTransformer transformer() {
      return transformer;
    }

    @Override
    public DiscreteVocabulary vocabulary() {
      return vocabulary.discrete();
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
      List<Part> parts = run.request().parts();
      if (run.request().output() == Output.IMAGE) {
        return prompt.drawing(parts);
      }
      requireRoom(parts);
      return prompt.reading(parts, first, image -> picture(run, image));
    }

    /** Refuses pictures that cannot fit before the first of them is encoded. */
    private void requireRoom(List<Part> parts) {
      long tokens = 0;
      for (Part part : parts) {
        if (part instanceof Part.Picture picture) {
          int[] size =
              imageProcessor.resized(picture.image().width(), picture.image().height());
          int rows = size[1] / config.factor();
          int columns = size[0] / config.factor();
          requireSides(size[0], size[1]);
          tokens += 1 + prompt.read(rows, columns).length();
        }
      }
      if (tokens >= maxSequenceLength()) {
        throw new InvalidRequestException(
            "The pictures do not fit the context\n  expected fewer than "
                + maxSequenceLength()
                + " tokens\n  found    "
                + tokens
                + " of the pictures alone\n  remedy   fewer pictures");
      }
    }

    private int[] picture(GenerationRun run, Image image) {
      run.step();
      long begin = System.nanoTime();
      Emu3ImageProcessor.Prepared prepared = imageProcessor.prepare(image);
      requireWork("read", prepared.width(), prepared.height());
      int[] codes =
          coder.encode(
              prepared.pixelValues(), prepared.height(), prepared.width(), run::step);
      run.imageEncoding(Duration.ofNanos(System.nanoTime() - begin));
      return prompt
          .read(prepared.height() / config.factor(), prepared.width() / config.factor())
          .tokens(codes, vocabulary.discrete());
    }

    @Override
    public List<PictureGrammar> layouts(GenerationRun run) {
      if (run.request().output() != Output.IMAGE) {
        return List.of();
      }
      int factor = config.factor();
      GenerationOptions options = run.options();
      int width = options.imageWidth().orElseThrow();
      int height = options.imageHeight().orElseThrow();
      if (width % factor != 0 || height % factor != 0) {
        throw new InvalidRequestException(
            "Cannot draw a picture of "
                + width
                + "x"
                + height
                + " pixels\n  expected multiples of "
                + factor
                + ", the pixels of one code\n  remedy   "
                + nearest(width)
                + "x"
                + nearest(height));
      }
      requireSides(width, height);
      coder.requireDrawable(height / factor, width / factor);
      requireWork("draw", width, height);
      return List.of(prompt.drawn(height / factor, width / factor));
    }

    /** Known before a picture is begun, although a drawing's pixels come last. */
    private void requireWork(String what, int width, int height) {
      requireMemory(
          "the coder's attention to " + what + " a picture of " + width + "x" + height + " pixels",
          coder.attentionBytes(height / config.factor(), width / config.factor()));
    }

    private int nearest(int side) {
      return (int) Math.max(1, Math.rint((double) side / config.factor())) * config.factor();
    }

    private void requireSides(int width, int height) {
      if (Math.max(width, height) / config.factor() > MAX_SIDE) {
        throw new InvalidRequestException(
            "A picture of "
                + width
                + "x"
                + height
                + " pixels has a side of more than "
                + MAX_SIDE
                + " codes of "
                + config.factor()
                + " pixels");
      }
    }

    /** Two rows: the prompt, and the words that the authors steer away from. */
    @Override
    public Guidance guidance(GenerationOptions options) {
      return new Guidance(
          options.guidanceScale().orElse(1), OptionalDouble.empty(), prompt.unconditional());
    }

    @Override
    public Image pixels(int[] codes, PictureGrammar grammar, boolean whole, Runnable step) {
      return coder.draw(codes, grammar.rows(), grammar.columns(), whole, step);
    }

    @Override
    public void requireMemory(String what, long bytes) {
      long held = weightBytes + transformer.openCacheBytes();
      Memory.require(what, bytes, options.memoryLimit(), held);
    }
  }
}
