package dev.diptych.models.janus;

import dev.diptych.core.CounterRandom;
import dev.diptych.core.EngineException;
import dev.diptych.core.FinishReason;
import dev.diptych.core.GenerationOptions;
import dev.diptych.core.GenerationResult;
import dev.diptych.core.GenerationRun;
import dev.diptych.core.Image;
import dev.diptych.core.InvalidRequestException;
import dev.diptych.core.Output;
import dev.diptych.core.Part;
import dev.diptych.core.Session;
import dev.diptych.core.engine.PromptChunks;
import dev.diptych.core.engine.Scope;
import dev.diptych.core.engine.Value;
import dev.diptych.decoders.VqImageDecoder;
import dev.diptych.models.deepseek.ChatPrompt;
import dev.diptych.tokenizers.TextTokenizer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * A conversation with Janus. Text turns share one cache; a drawing has its own prompt and leaves the
 * conversation as it is, because Janus was trained on the two apart.
 */
final class JanusSession extends Session {
  // A turn with a picture, its answer and a question.
  private static final int SPARE = 1024;

  private final JanusModel model;
  private JanusTransformer.Cache cache;
  // What the cache holds, and what the next turn reads first: the tokens that ended the last answer.
  private int length;
  private List<Integer> unread = List.of();

  JanusSession(JanusModel model) {
    super(model, model.lifetime());
    this.model = model;
  }

  @Override
  protected GenerationResult run(GenerationRun run) {
    return run.request().output() == Output.IMAGE ? draw(run) : answer(run);
  }

  private GenerationResult answer(GenerationRun run) {
    ChatPrompt.Encoded turn =
        model.prompt().understanding(run.request().parts(), length == 0 && unread.isEmpty());
    int[] ids =
        IntStream.concat(unread.stream().mapToInt(i -> i), Arrays.stream(turn.ids())).toArray();
    int context = model.capabilities().maxSequenceLength();
    if (length + ids.length >= context) {
      throw new InvalidRequestException(
          "The conversation does not fit the context\n  expected fewer than "
              + context
              + " tokens\n  found    "
              + length
              + " in the session and "
              + ids.length
              + " in this turn\n  remedy   begin a new session, or say less");
    }
    int maxTokens =
        Math.min(run.options().maxTokens().orElse(512), context - length - ids.length);
    try (Scope scope = new Scope()) {
      reserve(length + ids.length + maxTokens);
      List<Image> images =
          run.request().parts().stream()
              .filter(Part.Picture.class::isInstance)
              .map(p -> ((Part.Picture) p).image())
              .toList();
      int begin = 0;
      PictureMemory.Beginning beginning = null;
      if (model.pictures().keeps() && length == 0 && unread.isEmpty() && !images.isEmpty()) {
        int end = turn.imagePositions()[turn.imagePositions().length - 1] + 1;
        beginning = PictureMemory.Beginning.of(ids, end, images);
        begin = model.pictures().recall(beginning, cache) ? end : 0;
      }
      // All pictures stand in what is known, or none does.
      Value embeds =
          begin > 0
              ? scope.add(model.transformer().embedTokens(ids, 1))
              : embed(run, scope, turn, ids, images);
      Value hidden = prefill(run, scope, embeds, begin, ids.length);
      if (beginning != null && begin == 0) {
        run.step();
        model.pictures().keep(beginning, cache, model::room);
      }
      return decode(run, scope, hidden, ids, maxTokens);
    }
  }

  private Value embed(
      GenerationRun run, Scope scope, ChatPrompt.Encoded turn, int[] ids, List<Image> images) {
    JanusTransformer transformer = model.transformer();
    Value embeds = scope.add(transformer.embedTokens(ids, 1));
    if (images.isEmpty()) {
      return embeds;
    }
    List<Integer> positions = new ArrayList<>();
    Arrays.stream(turn.imagePositions()).forEach(p -> positions.add(p + unread.size()));
    int each = model.config().imageTokens();
    for (int i = 0; i < images.size(); i++) {
      run.step();
      long begin = System.nanoTime();
      float[] pixelValues = model.imageProcessor().pixelValues(List.of(images.get(i)));
      int[] at =
          positions.subList(i * each, (i + 1) * each).stream().mapToInt(p -> p).toArray();
      Value features = scope.add(transformer.encodeImages(pixelValues, 1));
      run.imageEncoding(Duration.ofNanos(System.nanoTime() - begin));
      embeds = scope.add(transformer.placeImages(embeds, features, at));
    }
    return embeds;
  }

  private Value prefill(GenerationRun run, Scope scope, Value embeds, int begin, int count) {
    Value hidden = null;
    int size;
    for (int from = begin; from < count; from += size) {
      run.step();
      size = PromptChunks.next(count - from);
      Value piece = scope.add(model.transformer().narrow(embeds, from, size));
      hidden = scope.add(model.transformer().prefill(piece, cache, length + from));
    }
    return hidden;
  }

  private GenerationResult decode(
      GenerationRun run, Scope scope, Value hidden, int[] ids, int maxTokens) {
    GenerationOptions options = run.options();
    JanusTransformer.Sampling sampling =
        scope.add(model.transformer().new Sampling(options, run.request().probe()));
    CounterRandom random = new CounterRandom(options.seed().orElseThrow());
    TextTokenizer.Incremental decoder = model.tokenizer().newDecoder();
    List<Integer> seen = new ArrayList<>(Arrays.stream(ids).boxed().toList());
    List<Integer> answer = new ArrayList<>();
    Text text = new Text(run);
    int pos = length + ids.length;
    int id = finite(sampling.firstToken(hidden, seen, random.bits(0, 0)), 0);
    while (true) {
      run.token();
      answer.add(id);
      seen.add(id);
      if (id == model.prompt().eos()) {
        break;
      }
      text.add(decoder.push(id));
      if (answer.size() == maxTokens) {
        break;
      }
      run.step();
      long bits = random.bits(0, answer.size());
      id = finite(sampling.decodeText(id, cache, pos, seen, bits), answer.size());
      pos++;
    }
    text.add(decoder.flush());
    boolean stopped = id == model.prompt().eos();
    Part part = Part.of(text.toString());
    run.listener().onPart(part);
    GenerationResult result =
        new GenerationResult(
            List.of(part),
            Arrays.stream(ids).boxed().toList(),
            answer,
            List.of(),
            stopped ? FinishReason.STOP : FinishReason.LENGTH,
            options.seed().orElseThrow(),
            options,
            model.name(),
            run.timings());
    // Only now does the turn count: anything thrown before leaves the conversation as it was.
    length = pos;
    unread = stopped ? List.of(id) : List.of(id, model.prompt().eos());
    return result;
  }

  /** The answer as it grows; the space that the template leaves before it is not told. */
  private static final class Text {
    private final GenerationRun run;
    private final StringBuilder text = new StringBuilder();

    Text(GenerationRun run) {
      this.run = run;
    }

    void add(String piece) {
      String told = text.length() == 0 ? piece.stripLeading() : piece;
      if (!told.isEmpty()) {
        text.append(told);
        run.listener().onText(told);
      }
    }

    @Override
    public String toString() {
      return text.toString();
    }
  }

  private static int finite(int id, int step) {
    if (id < 0) {
      throw new EngineException(
          "The logits are not finite at step "
              + step
              + " of the answer: the weights hold NaN or infinity, or the numbers overflowed; try"
              + " dtype FLOAT32, and check the checkpoint's files");
    }
    return id;
  }

  /**
   * Makes room in the cache. One that is too small is copied whole, so there is room for the next turns
   * as well where memory is plenty: on the CPU what is not written to takes none.
   */
  private void reserve(int positions) {
    if (cache != null && cache.capacity() >= positions) {
      return;
    }
    JanusTransformer transformer = model.transformer();
    int context = model.capabilities().maxSequenceLength();
    int ample = (int) Math.min(context, positions + Math.max(SPARE, positions / 2L));
    boolean plenty = transformer.cacheBytes(1, ample) <= model.room() / 2;
    int capacity = plenty && !transformer.gpu() ? ample : positions;
    model.requireMemory("the conversation's cache", transformer.cacheBytes(1, capacity));
    JanusTransformer.Cache larger = transformer.newCache(1, capacity);
    if (cache != null) {
      try {
        transformer.copyCache(cache, larger, length);
      } catch (RuntimeException | Error e) {
        larger.close();
        throw e;
      }
      cache.close();
    }
    cache = larger;
  }

  private GenerationResult draw(GenerationRun run) {
    int side = model.imageSide();
    run.options().requireImageSize(side, side);
    int[] ids = model.prompt().drawing(run.request().parts());
    int tokens = model.config().imageTokens();
    int context = model.capabilities().maxSequenceLength();
    if (ids.length + tokens > context) {
      throw new InvalidRequestException(
          "The prompt and its picture do not fit the context\n  expected at most "
              + context
              + " tokens\n  found    "
              + ids.length
              + " of the prompt and "
              + tokens
              + " of the picture\n  remedy   a shorter prompt");
    }
    int pictures = run.options().pictures().orElseThrow();
    long rows = 2L * pictures;
    model.requireMemory(
        "the cache of " + pictures + " pictures",
        model.transformer().cacheBytes(rows, ids.length + tokens));
    int[][] codes =
        new JanusDrawer(model.transformer(), tokens)
            .draw(
                ids,
                model.prompt().unconditional(ids),
                run.options(),
                run.request().probe(),
                steps(run));
    List<Part> parts = new ArrayList<>();
    for (int[] one : codes) {
      run.step();
      Part part = Part.of(pixels(run, one, true));
      run.listener().onPart(part);
      parts.add(part);
    }
    return new GenerationResult(
        parts,
        Arrays.stream(ids).boxed().toList(),
        List.of(),
        Stream.of(codes).map(c -> Arrays.stream(c).boxed().toList()).toList(),
        FinishReason.STOP,
        run.options().seed().orElseThrow(),
        run.options(),
        model.name(),
        run.timings());
  }

  private JanusDrawer.Steps steps(GenerationRun run) {
    return new JanusDrawer.Steps() {
      @Override
      public void before() {
        run.step();
      }

      @Override
      public void after(int[][] codes, int done) {
        run.token();
        run.listener().onImageProgress(done, codes[0].length);
        if (done < codes[0].length && run.previewDue()) {
          for (int n = 0; n < codes.length; n++) {
            run.listener().onPreview(n, pixels(run, codes[n], false));
          }
        }
      }
    };
  }

  private Image pixels(GenerationRun run, int[] codes, boolean whole) {
    long begin = System.nanoTime();
    VqImageDecoder decoder = model.imageDecoder();
    Image image =
        whole
            ? decoder.draw(new int[][] {codes}, run::step).get(0)
            : decoder.drawPartial(codes, run::step);
    run.imageDecoding(Duration.ofNanos(System.nanoTime() - begin));
    return image;
  }

  @Override
  protected void release() {
    if (cache != null) {
      cache.close();
      cache = null;
    }
  }
}
