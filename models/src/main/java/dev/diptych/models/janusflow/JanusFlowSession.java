package dev.diptych.models.janusflow;

import dev.diptych.core.CounterRandom;
import dev.diptych.core.EngineException;
import dev.diptych.core.FinishReason;
import dev.diptych.core.GenerationOptions;
import dev.diptych.core.GenerationResult;
import dev.diptych.core.GenerationRun;
import dev.diptych.core.Image;
import dev.diptych.core.InvalidRequestException;
import dev.diptych.core.NormalNoise;
import dev.diptych.core.Output;
import dev.diptych.core.Part;
import dev.diptych.core.Session;
import dev.diptych.models.deepseek.ChatPrompt;
import dev.diptych.models.denoising.Context;
import dev.diptych.models.denoising.Denoiser;
import dev.diptych.models.denoising.DenoisingTransformer;
import dev.diptych.tokenizers.TextTokenizer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.stream.IntStream;

/**
 * A conversation with JanusFlow. Text turns share one cache; a drawing has its own prompt and leaves
 * the conversation as it is, because JanusFlow was trained on the two apart.
 */
final class JanusFlowSession extends Session {
  private final JanusFlowModel model;
  private final Context conversation;
  // What the next turn reads first: the tokens that ended the last answer.
  private int[] unread = {};

  JanusFlowSession(JanusFlowModel model) {
    super(model, model.lifetime());
    this.model = model;
    this.conversation =
        new Context(
            model.transformer(),
            model.capabilities().maxSequenceLength(),
            bytes -> model.requireMemory("the conversation's cache", bytes));
  }

  @Override
  protected GenerationResult run(GenerationRun run) {
    if (run.request().output() == Output.IMAGE) {
      return draw(run);
    }
    int mark = conversation.length();
    int[] before = unread;
    try {
      return answer(run);
    } catch (RuntimeException | Error e) {
      conversation.truncate(mark);
      unread = before;
      throw e;
    }
  }

  private static long seed(GenerationRun run) {
    return run.options().seed().orElseThrow();
  }

  private GenerationResult answer(GenerationRun run) {
    int held = conversation.length() - unread.length;
    ChatPrompt.Encoded turn =
        model.prompt().understanding(run.request().parts(), conversation.length() == 0);
    int[] ids = IntStream.concat(Arrays.stream(unread), Arrays.stream(turn.ids())).toArray();
    int context = model.capabilities().maxSequenceLength();
    if (held + ids.length >= context) {
      throw new InvalidRequestException(
          "The conversation does not fit the context\n  expected fewer than "
              + context
              + " tokens\n  found    "
              + held
              + " in the session and "
              + ids.length
              + " in this turn\n  remedy   begin a new session, or say less");
    }
    add(run, turn);
    int maxTokens =
        Math.min(run.options().maxTokens().orElse(512), context - conversation.length());
    conversation.reserve(conversation.length() + maxTokens);
    return decode(run, ids, held, maxTokens);
  }

  /** Adds words and, in place of what begins a picture and of its placeholders, its rows. */
  private void add(GenerationRun run, ChatPrompt.Encoded turn) {
    Iterator<Image> images =
        run.request().parts().stream()
            .filter(Part.Picture.class::isInstance)
            .map(p -> ((Part.Picture) p).image())
            .iterator();
    int tokens = model.config().tokens();
    int[] ids = turn.ids();
    int from = 0;
    for (int i = 0; i < turn.imagePositions().length; i += tokens) {
      int first = turn.imagePositions()[i];
      conversation.add(Arrays.copyOfRange(ids, from, first - 1));
      conversation.add(picture(run, images.next()));
      from = first + tokens;
    }
    conversation.add(Arrays.copyOfRange(ids, from, ids.length));
  }

  private JanusFlowNetwork.Picture picture(GenerationRun run, Image image) {
    run.step();
    long begin = System.nanoTime();
    float[] pixelValues = model.imageProcessor().pixelValues(List.of(image));
    run.imageEncoding(Duration.ofNanos(System.nanoTime() - begin));
    return model.network().new Picture(pixelValues);
  }

  private GenerationResult decode(GenerationRun run, int[] ids, int begin, int maxTokens) {
    GenerationOptions options = run.options();
    CounterRandom random = new CounterRandom(seed(run));
    TextTokenizer.Incremental decoder = model.tokenizer().newDecoder();
    List<Integer> answer = new ArrayList<>();
    Text text = new Text(run);
    int eos = model.prompt().eos();
    boolean stopped = false;
    try (DenoisingTransformer.Sampling sampling =
        model.transformer().new Sampling(options, run.request().probe())) {
      while (!stopped && answer.size() < maxTokens) {
        long bits = random.bits(0, answer.size());
        int id = finite(conversation.next(run::step, sampling, begin, false, bits), answer.size());
        run.token();
        answer.add(id);
        conversation.add(id);
        stopped = id == eos;
        if (!stopped) {
          text.add(decoder.push(id));
        }
      }
    }
    text.add(decoder.flush());
    Part part = Part.of(text.toString());
    run.listener().onPart(part);
    GenerationResult result =
        new GenerationResult(
            List.of(part),
            Arrays.stream(ids).boxed().toList(),
            answer,
            List.of(),
            stopped ? FinishReason.STOP : FinishReason.LENGTH,
            seed(run),
            options,
            model.name(),
            run.timings());
    // An answer that was cut off is ended all the same, as the model was trained.
    if (!stopped) {
      conversation.add(eos);
    }
    unread = stopped ? new int[] {eos} : new int[] {answer.get(answer.size() - 1), eos};
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

  private GenerationResult draw(GenerationRun run) {
    int[] ids = model.prompt().drawing(run.request().parts(), model.drawTag());
    JanusFlowDrawing drawing = new JanusFlowDrawing(model, run.options(), ids);
    float[][] latents =
        drawing.latents(
            run::step,
            new NormalNoise(seed(run))::draw,
            run.request().probe(),
            (done, all) -> tell(run, drawing, done, all));
    List<Part> parts = new ArrayList<>();
    for (float[] one : latents) {
      run.step();
      Part part = Part.of(pixels(run, drawing, one));
      run.listener().onPart(part);
      parts.add(part);
    }
    return new GenerationResult(
        parts,
        Arrays.stream(ids).boxed().toList(),
        List.of(),
        List.of(),
        FinishReason.STOP,
        seed(run),
        run.options(),
        model.name(),
        run.timings());
  }

  private void tell(
      GenerationRun run, JanusFlowDrawing drawing, int done, Denoiser.Latents latents) {
    run.token();
    run.listener().onImageProgress(done, drawing.steps());
    if (done < drawing.steps() && run.previewDue()) {
      float[] all = latents.seen();
      int pictures = run.options().pictures().orElseThrow();
      int size = all.length / pictures;
      for (int n = 0; n < pictures; n++) {
        float[] one = Arrays.copyOfRange(all, n * size, (n + 1) * size);
        run.listener().onPreview(n, pixels(run, drawing, one));
      }
    }
  }

  private static Image pixels(GenerationRun run, JanusFlowDrawing drawing, float[] latents) {
    long begin = System.nanoTime();
    Image image = drawing.pixels(run::step, latents);
    run.imageDecoding(Duration.ofNanos(System.nanoTime() - begin));
    return image;
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

  @Override
  protected void release() {
    conversation.close();
  }
}
