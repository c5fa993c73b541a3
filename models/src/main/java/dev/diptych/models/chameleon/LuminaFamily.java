package dev.diptych.models.chameleon;

import dev.diptych.core.GenerationOptions;
import dev.diptych.core.GenerationRun;
import dev.diptych.core.Image;
import dev.diptych.core.InvalidRequestException;
import dev.diptych.core.Modality;
import dev.diptych.core.Output;
import dev.diptych.core.weights.JsonMap;
import dev.diptych.models.discrete.Guidance;
import dev.diptych.models.discrete.PictureGrammar;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.stream.Collectors;

/**
 * What the shared session asks of Lumina-mGPT: pictures of many proportions, which tell their
 * height and width before their codes and end every row, and guidance by the answer against the
 * picture alone.
 *
 * <p>Paper: arXiv 2408.02657. Reference: Alpha-VLLM/Lumina-mGPT@104abe4 (lumina_mgpt/
 * inference_solver.py, data/item_processor.py, demos). A picture that is asked for in words alone
 * is asked for in the authors' sentence and has the size of the request, by default square; a turn
 * with pictures, and an interleaved answer, are taken word for word, and the model chooses the
 * size.
 *
 * <p>Deviations: what may be said and which sizes may be chosen is limited to words and to the
 * sizes of the training, where the reference trusts the model.
 */
final class LuminaFamily extends ChameleonFamily {
  private static final int WORDS_TOP_K = 10;
  private static final int CODES_TOP_K = 2000;

  private final LuminaImageProcessor imageProcessor;
  private final LuminaImageProcessor.Size square;

  /**
   * Lists the sizes.
   *
   * @throws dev.diptych.core.CheckpointException if the vocabulary has no token for one of them
   */
  LuminaFamily(ChameleonModel model, int targetSize) {
    super(model, null);
    // two codes down and across
    this.imageProcessor =
        LuminaImageProcessor.of(targetSize, 2 * model.coder().config().patchSize());
    this.square = new LuminaImageProcessor.Size(targetSize, targetSize);
    imageProcessor.sizes().forEach(size -> grammar(size, Output.INTERLEAVED));
  }

  /**
   * The authors' options (README.md, inference_solver.py): temperature 1, the 10 likeliest words,
   * the 2000 likeliest codes, guidance 4. For pictures made of pictures they take guidance 1 and
   * 200 codes. Top-k of an interleaved answer is left open, because it is one number for both.
   */
  @Override
  GenerationOptions defaults(Output output, JsonMap generationConfig) {
    GenerationOptions.Builder defaults =
        GenerationOptions.builder().greedy(false).temperature(1).topP(1);
    if (output == Output.TEXT) {
      defaults.topK(WORDS_TOP_K);
    } else {
      defaults.guidanceScale(4);
    }
    if (output == Output.IMAGE) {
      defaults.topK(CODES_TOP_K).pictures(1);
    } else {
      defaults.maxTokens(512);
    }
    return defaults.build();
  }

  @Override
  public GenerationOptions words(GenerationOptions options) {
    return options.topK().isPresent() ? options : options.toBuilder().topK(WORDS_TOP_K).build();
  }

  @Override
  public GenerationOptions codes(GenerationOptions options) {
    GenerationOptions codes = super.codes(options);
    return codes.topK().isPresent() ? codes : codes.toBuilder().topK(CODES_TOP_K).build();
  }

  @Override
  List<ChameleonPrompt.Segment> segments(GenerationRun run, boolean first) {
    if (!wordsAlone(run)) {
      return super.segments(run, first);
    }
    LuminaImageProcessor.Size size = asked(run.options()).orElse(square);
    return model.prompt().drawing(run.request().parts(), size.width(), size.height(), first);
  }

  @Override
  PictureGrammar layout(Image image) {
    return grammar(imageProcessor.choose(image.width(), image.height()), Output.INTERLEAVED);
  }

  @Override
  int[] read(Image image, Runnable step) {
    LuminaImageProcessor.Prepared prepared = imageProcessor.prepare(image);
    LuminaImageProcessor.Size size = prepared.size();
    int[] codes =
        model.coder().encode(prepared.pixelValues(), size.height(), size.width(), step);
    return grammar(size, Output.INTERLEAVED).tokens(codes, vocabulary());
  }

  @Override
  public List<PictureGrammar> layouts(GenerationRun run) {
    Output output = run.request().output();
    if (!model.coder().draws()) {
      return List.of();
    }
    Optional<LuminaImageProcessor.Size> one = asked(run.options());
    if (one.isEmpty() && wordsAlone(run)) {
      one = Optional.of(square);
    }
    List<PictureGrammar> all =
        one.map(List::of).orElse(imageProcessor.sizes()).stream()
            .map(size -> grammar(size, output))
            .toList();
    if (one.isPresent()) {
      model.coder().requireDrawable(all.get(0).rows(), all.get(0).columns());
    }
    return all.stream().filter(g -> model.coder().drawable(g.rows(), g.columns())).toList();
  }

  /** Whether a picture is asked for in words; the size is in the sentence then. */
  private static boolean wordsAlone(GenerationRun run) {
    return run.request().output() == Output.IMAGE
        && !run.request().reads().contains(Modality.IMAGE);
  }

  private Optional<LuminaImageProcessor.Size> asked(GenerationOptions options) {
    if (options.imageWidth().isEmpty() && options.imageHeight().isEmpty()) {
      return Optional.empty();
    }
    LuminaImageProcessor.Size asked =
        new LuminaImageProcessor.Size(
            options.imageWidth().orElse(square.width()),
            options.imageHeight().orElse(square.height()));
    if (!imageProcessor.sizes().contains(asked)) {
      throw new InvalidRequestException(
          "The size of the picture is not one that this model draws\n  expected one of "
              + imageProcessor.sizes().stream()
                  .map(LuminaFamily::text)
                  .collect(Collectors.joining(", "))
              + "\n  found    "
              + text(asked));
    }
    return Optional.of(asked);
  }

  private static String text(LuminaImageProcessor.Size size) {
    return size.width() + "x" + size.height();
  }

  /** The answer of a drawing is over behind the picture, and its turn ends; other answers go on. */
  private PictureGrammar grammar(LuminaImageProcessor.Size size, Output output) {
    int patch = model.coder().config().patchSize();
    PictureGrammar open = model.prompt().grammar(size.height() / patch, size.width() / patch);
    if (output != Output.IMAGE) {
      return open;
    }
    int[] tail = {model.names().endOfImage(), model.names().endOfTurn()};
    return new PictureGrammar(open.header(), open.rows(), open.columns(), open.rowEnd(), tail);
  }

  /** All against the picture alone, from the token that opens it on. */
  @Override
  public Guidance guidance(GenerationOptions options) {
    return new Guidance(
        options.guidanceScale().orElse(1),
        OptionalDouble.empty(),
        new int[] {model.names().beginOfImage()});
  }
}
