package dev.diptych.models.bagel;

import dev.diptych.core.CounterRandom;
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
import dev.diptych.models.bagel.BagelTrack.Entry;
import dev.diptych.models.bagel.BagelTrack.Tells;
import dev.diptych.models.denoising.Answer;
import dev.diptych.models.denoising.Context;
import dev.diptych.models.denoising.Denoiser;
import dev.diptych.models.denoising.DenoisingTransformer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.LongFunction;

/**
 * A conversation with BAGEL, in which turns of words and of pictures may alternate: what was said and
 * drawn is read by the turns behind it. Of several pictures drawn at once the conversation goes on
 * with the first.
 */
final class BagelSession extends Session {
  private final BagelModel model;
  private final LongFunction<Denoiser.Noise> noise;
  private final BagelPrompt prompt;
  private final List<Entry> conversation = new ArrayList<>();
  private final BagelTrack answering;
  private final BagelTrack drawing;
  private final BagelTrack words;

  BagelSession(BagelModel model) {
    this(model, seed -> new NormalNoise(seed)::draw);
  }

  /**
   * Begins a conversation.
   *
   * @param noise what pictures begin as, by the seed
   */
  BagelSession(BagelModel model, LongFunction<Denoiser.Noise> noise) {
    super(model, model.lifetime());
    this.model = model;
    this.noise = noise;
    this.prompt = model.prompt();
    this.answering = new BagelTrack(model, Tells.SIGHT);
    this.drawing = new BagelTrack(model, Tells.LATENTS_AND_SIGHT);
    this.words = new BagelTrack(model, Tells.WORDS);
  }

  @Override
  protected GenerationResult run(GenerationRun run) {
    List<BagelTrack> tracks = List.of(answering, drawing, words);
    List<BagelTrack.Mark> marks = tracks.stream().map(BagelTrack::mark).toList();
    int told = conversation.size();
    try {
      return run.request().output() == Output.IMAGE ? draw(run) : answer(run);
    } catch (RuntimeException | Error e) {
      for (int i = 0; i < tracks.size(); i++) {
        tracks.get(i).back(marks.get(i));
      }
      conversation.subList(told, conversation.size()).clear();
      throw e;
    }
  }

  /** Adds the turn to the conversation. */
  private void hear(GenerationRun run) {
    if (run.options().think().orElse(false)) {
      int[] think = prompt.think(run.request().output() == Output.IMAGE);
      boolean known =
          conversation.stream()
              .anyMatch(e -> e instanceof Entry.Words w && Arrays.equals(w.ids(), think));
      if (!known) {
        conversation.add(new Entry.Words(think));
      }
    }
    for (Part part : run.request().parts()) {
      conversation.add(
          part instanceof Part.Text text
              ? new Entry.Words(prompt.words(text.text()))
              : new Entry.Picture(model.imageProcessor().fit(((Part.Picture) part).image())));
    }
  }

  private GenerationResult answer(GenerationRun run) {
    hear(run);
    Context context = answering.context();
    int turn = context.length();
    answering.take(run, conversation);
    require(context.length(), 2, "of the answer at least");
    int[] read = Arrays.copyOfRange(context.ids(), turn, context.length());
    Answer answer = new Answer(run, model.tokenizer());
    boolean stopped = say(run, answering, answer, turn, limit() - context.length() - 2);
    return answer.result(
        read, stopped ? FinishReason.STOP : FinishReason.LENGTH, model.name());
  }

  private int limit() {
    return model.capabilities().maxSequenceLength();
  }

  private void require(int length, int needed, String what) {
    if ((long) length + needed > limit()) {
      throw new InvalidRequestException(
          "The request does not fit the context\n  expected at most "
              + limit()
              + " tokens\n  found    "
              + length
              + " of the conversation with this turn and "
              + needed
              + " "
              + what
              + "\n  remedy   begin a new session, say less, or use a smaller picture");
    }
  }

  /**
   * Writes words behind a track and makes them a part of the conversation.
   *
   * @param turn row from which on the repetition penalty counts
   * @param room most words that the context has room for
   * @return whether the model ended them itself
   */
  private boolean say(GenerationRun run, BagelTrack track, Answer answer, int turn, int room) {
    Context context = track.context();
    int most = Math.min(room, run.options().maxTokens().orElse(room));
    int begin = context.length();
    CounterRandom random = new CounterRandom(run.options().seed().orElseThrow());
    List<Integer> said = new ArrayList<>();
    boolean stopped = false;
    context.add(prompt.begin());
    try (DenoisingTransformer.Sampling sampling =
        model.transformer().decoder().new Sampling(run.options(), run.request().probe())) {
      while (!stopped && answer.words() < most) {
        long bits = random.bits(0, answer.ids());
        int id = answer.finite(context.next(run::step, sampling, turn, false, bits));
        run.token();
        stopped = id == prompt.end();
        if (stopped) {
          answer.end(id);
        } else {
          answer.say(id);
          said.add(id);
          context.add(id);
        }
      }
    }
    answer.endText();
    int[] written = said.stream().mapToInt(Integer::intValue).toArray();
    int[] again = prompt.again(written);
    int[] own = prompt.framed(written);
    // As the reference goes on, unless it has no room for that.
    boolean anew = !Arrays.equals(again, own) && again.length <= room + 2;
    if (anew) {
      context.truncate(begin);
      context.add(again);
    } else {
      context.add(prompt.end());
    }
    conversation.add(new Entry.Words(anew ? again : own));
    track.written();
    return stopped;
  }

  private GenerationResult draw(GenerationRun run) {
    GenerationOptions options = run.options();
    hear(run);
    int[] size = size(options);
    int cell = model.config().cell();
    int rows = size[1] / cell;
    int columns = size[0] / cell;
    Denoiser.Noise begin = noise.apply(options.seed().orElseThrow());
    BagelDrawer drawer = new BagelDrawer(model, run, begin, rows, columns);
    Context context = drawing.context();
    int turn = context.length();
    drawing.take(run, conversation);
    boolean thinks = options.think().orElse(false);
    int needed = drawer.layout().rows() + (thinks ? 2 : 0);
    require(context.length(), needed, "of the picture");
    int[] read = Arrays.copyOfRange(context.ids(), turn, context.length());
    int before = drawing.beforeWords();
    int heard = context.length();
    // What is thought steers the picture, and is no words of the user's to compare without.
    words.take(run, conversation);
    boolean pictures =
        conversation.stream().anyMatch(Entry.Picture.class::isInstance);
    Context blind = pictures ? words.context() : null;
    int room = limit() - context.length() - needed;
    int thoughts = thinks ? 2 + Math.min(room, options.maxTokens().orElse(room)) : 0;
    drawer.requireMemory(context, before, blind, heard, thoughts);
    context.reserve(context.length() + thoughts + drawer.layout().rows());
    Answer answer = new Answer(run, model.tokenizer());
    if (thinks) {
      say(run, drawing, answer, turn, room);
    }
    float[][] cells = drawer.draw(context, before, blind, heard);
    List<Image> drawn = drawer.develop(cells, answer);
    conversation.add(new Entry.Picture(model.imageProcessor().fit(drawn.get(0))));
    return answer.result(read, FinishReason.STOP, model.name());
  }

  /**
   * Width and height of what is drawn: those that the request names, else of the conversation's last
   * picture, else the largest square.
   */
  private int[] size(GenerationOptions options) {
    int side = model.config().maxImageSide();
    int[] size = {side, side};
    for (Entry entry : conversation) {
      if (entry instanceof Entry.Picture picture) {
        size = new int[] {picture.image().width(), picture.image().height()};
      }
    }
    size[0] = options.imageWidth().orElse(size[0]);
    size[1] = options.imageHeight().orElse(size[1]);
    int cell = model.config().cell();
    if (size[0] % cell != 0 || size[1] % cell != 0 || Math.max(size[0], size[1]) > side) {
      throw new InvalidRequestException(
          "The size of the picture is not one that this model draws\n  expected multiples of "
              + cell
              + " up to "
              + side
              + "\n  found    "
              + size[0]
              + "x"
              + size[1]
              + "\n  remedy   a size on that grid, or leave it open");
    }
    return size;
  }

  @Override
  protected void release() {
    answering.close();
    drawing.close();
    words.close();
  }
}
