package dev.diptych.models.chameleon;

import dev.diptych.core.GenerationOptions;
import dev.diptych.core.GenerationRun;
import dev.diptych.core.Image;
import dev.diptych.core.InvalidRequestException;
import dev.diptych.core.Output;
import dev.diptych.core.weights.JsonMap;
import dev.diptych.models.discrete.DiscreteFamily;
import dev.diptych.models.discrete.DiscreteTransformer;
import dev.diptych.models.discrete.DiscreteVocabulary;
import dev.diptych.models.discrete.Guidance;
import dev.diptych.models.discrete.PictureGrammar;
import dev.diptych.tokenizers.TextTokenizer;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalDouble;
import java.util.stream.IntStream;

/**
 * What the shared session asks of Chameleon and Anole: square pictures of bare codes, and guidance
 * by words against pictures against nothing. What Lumina-mGPT does otherwise is its {@link
 * LuminaFamily}.
 */
class ChameleonFamily implements DiscreteFamily {
  final ChameleonModel model;
  private final ChameleonImageProcessor imageProcessor;

  /**
   * Begins with a model whose parts are loaded.
   *
   * @param imageProcessor of square pictures; null where pictures have other shapes
   */
  ChameleonFamily(ChameleonModel model, ChameleonImageProcessor imageProcessor) {
    this.model = model;
    this.imageProcessor = imageProcessor;
  }

  /**
   * The authors' options: temperature 0.7, top-p 0.9, a repetition penalty of 1.2 on text, guidance
   * 3 by words and 1.2 by pictures; generation_config.json overrules. A drawing is thought over where
   * that file has {@code "think": true}: the model says in words what it will draw.
   */
  GenerationOptions defaults(Output output, JsonMap generationConfig) {
    double temperature = generationConfig.numberOr("temperature", 0.7, 0, 100);
    boolean greedyWords =
        output != Output.IMAGE && !generationConfig.boolOr("do_sample", true);
    GenerationOptions.Builder defaults =
        GenerationOptions.builder()
            .greedy(greedyWords)
            .temperature(temperature)
            .topP(generationConfig.numberOr("top_p", 0.9, 1e-6, 1));
    if (output == Output.IMAGE) {
      defaults.pictures(1).think(generationConfig.boolOr("think", false));
    } else {
      defaults
          .repetitionPenalty(generationConfig.numberOr("repetition_penalty", 1.2, 1e-3, 10))
          .maxTokens(512);
    }
    if (output == Output.INTERLEAVED && greedyWords) {
      // do_sample is of words; pictures are always sampled.
      defaults.imageTemperature(temperature);
    }
    if (output != Output.TEXT) {
      defaults
          .guidanceScale(generationConfig.numberOr("guidance_scale", 3, 0, 100))
          .imageGuidanceScale(generationConfig.numberOr("image_guidance_scale", 1.2, 0, 100));
    }
    return defaults.build();
  }

  @Override
  public DiscreteTransformer transformer() {
    return model.transformer();
  }

  @Override
  public DiscreteVocabulary vocabulary() {
    return model.vocabulary();
  }

  @Override
  public TextTokenizer tokenizer() {
    return model.tokenizer();
  }

  @Override
  public int maxSequenceLength() {
    return model.transformer().config().maxPositionEmbeddings();
  }

  @Override
  public final int[] turn(GenerationRun run, boolean first) {
    List<ChameleonPrompt.Segment> segments = segments(run, first);
    requireRoom(run, segments);
    IntStream ids = IntStream.empty();
    for (ChameleonPrompt.Segment segment : segments) {
      int[] more;
      if (segment instanceof ChameleonPrompt.Segment.Picture picture) {
        run.step();
        long begin = System.nanoTime();
        more = read(picture.image(), run::step);
        run.imageEncoding(Duration.ofNanos(System.nanoTime() - begin));
      } else {
        more = ((ChameleonPrompt.Segment.Ids) segment).ids();
      }
      ids = IntStream.concat(ids, Arrays.stream(more));
    }
    return ids.toArray();
  }

  /** Refuses a turn that cannot fit before the first of its pictures is encoded. */
  private void requireRoom(GenerationRun run, List<ChameleonPrompt.Segment> segments) {
    long tokens = 0;
    long pictures = 0;
    for (ChameleonPrompt.Segment segment : segments) {
      if (segment instanceof ChameleonPrompt.Segment.Picture picture) {
        tokens += 1 + layout(picture.image()).length();
        pictures++;
      } else {
        tokens += ((ChameleonPrompt.Segment.Ids) segment).ids().length;
      }
    }
    int drawn =
        run.request().output() == Output.IMAGE
            ? layouts(run).stream().mapToInt(PictureGrammar::length).max().orElse(0)
            : 0;
    if (pictures > 0 && tokens + 1 + drawn > maxSequenceLength()) {
      throw new InvalidRequestException(
          "The request does not fit the context\n  expected at most " + maxSequenceLength()
              + " tokens\n  found    " + tokens + " in this turn, with " + pictures
              + (pictures == 1 ? " picture" : " pictures") + ", and " + (1 + drawn)
              + " of the answer at least\n  remedy   fewer pictures");
    }
  }

  /** {@return how a picture of the prompt is laid out, by its size alone} */
  PictureGrammar layout(Image image) {
    imageProcessor.resized(image.width(), image.height());
    return square();
  }

  /** {@return what the turn says, its pictures not read yet} */
  List<ChameleonPrompt.Segment> segments(GenerationRun run, boolean first) {
    return model.prompt().turn(run.request().parts(), first);
  }

  /** {@return a picture's tokens, from the one that opens it to the one that closes it} */
  int[] read(Image image, Runnable step) {
    int side = model.coder().config().imageSize();
    int[] codes = model.coder().encode(imageProcessor.pixelValues(image), side, side, step);
    return square().tokens(codes, vocabulary());
  }

  @Override
  public List<PictureGrammar> layouts(GenerationRun run) {
    int side = model.coder().config().imageSize();
    run.options().requireImageSize(side, side);
    return model.coder().draws() ? List.of(square()) : List.of();
  }

  private PictureGrammar square() {
    int grid = model.coder().config().gridSize();
    return model.prompt().grammar(grid, grid);
  }

  /** Words against pictures against nothing; InstructPix2Pix (arXiv 2211.09800). */
  @Override
  public Guidance guidance(GenerationOptions options) {
    return new Guidance(
        options.guidanceScale().orElse(1),
        OptionalDouble.of(options.imageGuidanceScale().orElse(1)),
        new int[] {model.names().bos(), model.names().beginOfImage()});
  }

  @Override
  public final Image pixels(int[] codes, PictureGrammar grammar, boolean whole, Runnable step) {
    return model.coder().draw(codes, grammar.rows(), grammar.columns(), whole, step);
  }

  @Override
  public final void requireMemory(String what, long bytes) {
    model.requireMemory(what, bytes);
  }
}
