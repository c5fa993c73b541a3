package dev.diptych.models.transfusion;

import dev.diptych.core.CounterRandom;
import dev.diptych.core.FinishReason;
import dev.diptych.core.GenerationOptions;
import dev.diptych.core.GenerationResult;
import dev.diptych.core.GenerationRun;
import dev.diptych.core.Image;
import dev.diptych.core.InvalidRequestException;
import dev.diptych.core.Output;
import dev.diptych.core.Part;
import dev.diptych.core.Session;
import dev.diptych.core.engine.Scope;
import dev.diptych.core.engine.Value;
import dev.diptych.models.denoising.Answer;
import dev.diptych.models.denoising.Batch;
import dev.diptych.models.denoising.Context;
import dev.diptych.models.denoising.Denoiser;
import dev.diptych.models.denoising.DenoisingTransformer;
import dev.diptych.models.denoising.NoiseTable;
import dev.diptych.models.denoising.SpanLayout;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.LongFunction;

/**
 * A conversation in which words and pictures are one sequence. A picture is denoised behind all that
 * was said before; what it was while it was noisy is never kept, and when it is done it is read once
 * as it is. Of several pictures drawn at once the conversation goes on with the first.
 */
final class TransfusionSession extends Session {
  private final TransfusionModel model;
  private final TransfusionConfig config;
  private final LongFunction<Denoiser.Noise> noise;
  private final Context full;
  // The conversation without its words, for guidance; read only when a picture is drawn.
  private final Context images;

  /**
   * Begins a conversation.
   *
   * @param noise of a seed
   */
  TransfusionSession(TransfusionModel model, LongFunction<Denoiser.Noise> noise) {
    super(model, model.lifetime());
    this.model = model;
    this.noise = noise;
    this.config = model.config();
    this.full = newContext();
    this.images = newContext();
  }

  private Context newContext() {
    return new Context(
        model.transformer(),
        config.decoder().maxPositionEmbeddings(),
        bytes -> model.requireMemory("the cache of a conversation", bytes));
  }

  @Override
  protected GenerationResult run(GenerationRun run) {
    int mark = full.length();
    int imagesMark = images.length();
    try {
      Turn turn = new Turn(run);
      turn.begin();
      return turn.go();
    } catch (RuntimeException | Error e) {
      full.truncate(mark);
      images.truncate(imagesMark);
      throw e;
    }
  }

  /** One turn as its answer grows. */
  private final class Turn {
    private final GenerationRun run;
    private final GenerationOptions options;
    private final Output output;
    // Whether pictures are read, and the turn is laid out, as the LLaVA did that this was made from.
    private final boolean looks;
    private final CounterRandom random;
    private final Answer answer;
    private final Drawing drawing;
    private int begin;
    private int[] prompt;
    private int pictures;

    Turn(GenerationRun run) {
      this.run = run;
      this.options = run.options();
      this.output = run.request().output();
      this.looks = output == Output.TEXT && config.vision().isPresent();
      this.random = new CounterRandom(options.seed().orElseThrow());
      this.answer = new Answer(run, model.tokenizer());
      this.drawing = output == Output.TEXT ? null : new Drawing(this);
    }

    /** Adds what the user says; refuses what cannot fit before anything is computed with it. */
    void begin() {
      List<Object> said = said();
      int[] end = looks ? new int[0] : config.sep().stream().toArray();
      int picture = looks ? config.vision().orElseThrow().rows() : 2 + config.patches();
      boolean first = full.length() == 0;
      int rows = end.length + (first ? 1 : 0);
      for (Object piece : said) {
        rows += piece instanceof int[] words ? words.length : picture;
      }
      int needed = output == Output.IMAGE ? drawing.rows() + 1 : 1;
      requireRoom(rows, needed);
      int cached = full.cached();
      if (first) {
        full.add(config.bos());
        images.add(config.bos());
      }
      begin = full.length();
      for (Object piece : said) {
        if (piece instanceof int[] words) {
          full.add(words);
        } else if (looks) {
          VisionTower.Picture seen = model.look((Image) piece, run);
          full.add(seen);
          images.add(seen);
        } else {
          stand(model.read((Image) piece, run));
        }
      }
      full.add(end);
      // What the last answer left unread is read with this turn. Pictures have no ids.
      prompt =
          Arrays.stream(full.ids()).skip(cached).filter(id -> id != Context.NO_WORD).toArray();
    }

    /**
     * Words that follow each other are encoded in one piece. Around what is asked of a LLaVAFusion
     * stands the chat form of LLaVA 1.5 (llava-hf/llava-1.5-7b-hf, chat_template.json).
     */
    private List<Object> said() {
      List<Object> said = new ArrayList<>();
      StringBuilder words = new StringBuilder(looks ? "USER: " : "");
      for (Part part : run.request().parts()) {
        if (part instanceof Part.Text text) {
          words.append(text.text());
        } else {
          flush(words, said);
          said.add(((Part.Picture) part).image());
          words.append(looks ? "\n" : "");
        }
      }
      words.append(looks ? " ASSISTANT:" : "");
      flush(words, said);
      return said;
    }

    private void flush(StringBuilder words, List<Object> said) {
      if (words.length() > 0) {
        said.add(model.tokenizer().encodeTextBehindControl(words.toString()));
        words.setLength(0);
      }
    }

    private void requireRoom(int rows, int needed) {
      int context = config.decoder().maxPositionEmbeddings();
      if ((long) full.length() + rows + needed > context) {
        throw new InvalidRequestException(
            "The request does not fit the context\n  expected at most "
                + context
                + " tokens\n  found    "
                + full.length()
                + " in the session, "
                + rows
                + " in this turn and "
                + needed
                + (output == Output.IMAGE ? " of the picture" : " of the answer at least")
                + "\n  remedy   begin a new session, or say less");
      }
    }

    /** A picture between the tokens that open and close it, in both contexts. */
    private void stand(TransfusionNetwork.Picture picture) {
      for (Context context : List.of(full, images)) {
        context.add(config.boi());
        context.add(picture);
        context.add(config.eoi());
      }
    }

    GenerationResult go() {
      if (output == Output.IMAGE) {
        if (options.think().orElse(false)) {
          think();
        }
        draw(options.pictures().orElse(1));
        full.add(config.eos());
        return result(FinishReason.STOP);
      }
      int context = config.decoder().maxPositionEmbeddings();
      int mostWords = options.maxTokens().orElse(context);
      int mostPictures =
          output == Output.INTERLEAVED ? options.pictures().orElse(Integer.MAX_VALUE) : 0;
      try (DenoisingTransformer.Sampling sampling =
          model.transformer().new Sampling(options, run.request().probe())) {
        while (answer.words() < mostWords && full.length() < context) {
          boolean mayDraw =
              pictures < mostPictures && full.length() + drawing.rows() < context;
          long bits = random.bits(0, answer.ids());
          int id = answer.finite(full.next(run::step, sampling, begin, mayDraw, bits));
          run.token();
          if (mayDraw && id == config.boi()) {
            draw(1);
            answer.stand(config.boi(), config.eoi());
            continue;
          }
          full.add(id);
          if (id == config.eos()) {
            answer.end(id);
            return result(FinishReason.STOP);
          }
          answer.say(id);
        }
      }
      // An answer that was cut off is ended all the same, as the model was trained. LLaVA's chat form
      // has nothing there (llava-hf/llava-1.5-7b-hf, chat_template.json).
      if (!looks && full.length() < context) {
        full.add(config.eos());
      }
      return result(FinishReason.LENGTH);
    }

    /** Says what is to be drawn, until the model opens the picture or has no more to say. */
    private void think() {
      int room = config.decoder().maxPositionEmbeddings() - full.length() - drawing.rows() - 1;
      int most = Math.min(options.maxTokens().orElse(room), room);
      try (DenoisingTransformer.Sampling sampling =
          model.transformer().new Sampling(options, run.request().probe())) {
        while (answer.words() < most) {
          long bits = random.bits(0, answer.ids());
          int id = answer.finite(full.next(run::step, sampling, begin, true, bits));
          run.token();
          if (id == config.boi() || id == config.eos()) {
            return;
          }
          full.add(id);
          answer.say(id);
        }
      }
    }

    private GenerationResult result(FinishReason reason) {
      return answer.result(prompt, reason, model.name());
    }

    private void draw(int count) {
      answer.endText();
      float[][] latents = drawing.latents(count, pictures);
      pictures += count;
      stand(drawing.picture(latents[0]));
      for (float[] one : latents) {
        run.step();
        answer.add(Part.of(drawing.pixels(one)));
      }
    }
  }

  /** How the pictures of an answer are made. */
  private final class Drawing {
    private final GenerationRun run;
    private final GenerationOptions options;
    private final int latentRows;
    private final int latentColumns;
    private final NoiseTable table;
    private final SpanLayout layout;

    /** Refuses sizes and steps that there are not. */
    Drawing(Turn turn) {
      this.run = turn.run;
      this.options = turn.options;
      int[] size = model.latentSize(options);
      this.latentRows = size[0];
      this.latentColumns = size[1];
      this.layout = model.network().layout(latentRows, latentColumns);
      // Known before a picture is begun, although its pixels come last.
      model.requireMemory(
          "the picture decoder's features", model.coder().leastWork(latentRows, latentColumns));
      this.table =
          model
              .sampler()
              .table(options.inferenceSteps().orElseThrow(), options.timestepShift(), layout.rows());
    }

    /** {@return rows of a picture with the tokens around it} */
    int rows() {
      return layout.rows() + 2;
    }

    TransfusionNetwork.Picture picture(float[] latents) {
      return model.network().new Picture(latents, latentRows, latentColumns);
    }

    /**
     * Denoises pictures behind the conversation, which stays as it is.
     *
     * @param first how many pictures the answer has already
     * @return [N, C * y * x]
     */
    float[][] latents(int count, int first) {
      Denoiser denoiser = new Denoiser(model.transformer(), table, run.request().probe());
      int mark = full.length();
      int imagesMark = images.length();
      full.add(config.boi());
      images.add(ending());
      int[] sides = {config.latentChannels(), latentRows, latentColumns};
      try (Scope scope = new Scope()) {
        List<Context> contexts = contexts(scope);
        model.requireMemory(
            "the cache of " + count + " pictures",
            denoiser.bytes(contexts, layout, count, sides)
                + model.workBytes((long) contexts.size() * count * layout.rows()));
        Value scales = scope.add(scales(contexts));
        Batch batch = scope.add(denoiser.open(run::step, contexts, layout, count));
        return denoiser.draw(
            run::step,
            noise.apply(options.seed().orElseThrow()),
            first,
            count,
            sides,
            (latents, added, i) ->
                model.network().step(latents, added, table.steps().get(i), batch, scales),
            (done, latents) -> tell(done, latents, count, first));
      } finally {
        full.truncate(mark);
        images.truncate(imagesMark);
      }
    }

    private int[] ending() {
      return config.sep().isPresent()
          ? new int[] {config.sep().getAsInt(), config.boi()}
          : new int[] {config.boi()};
    }

    /** The contexts that guidance compares; those that would count for nothing are left out. */
    private List<Context> contexts(Scope scope) {
      double text = text();
      double image = image();
      boolean pictured = images.hasPieces();
      if (text == 1 && (image == 1 || !pictured)) {
        return List.of(full);
      }
      if (pictured && image == 1) {
        return List.of(full, images);
      }
      Context none = scope.add(newContext());
      none.add(config.bos());
      none.add(ending());
      return pictured && image != text ? List.of(full, images, none) : List.of(full, none);
    }

    private Value scales(List<Context> contexts) {
      return model.network().scales(text(), contexts.size() == 3 ? image() : 1);
    }

    private double text() {
      return options.guidanceScale().orElse(1);
    }

    private double image() {
      return options.imageGuidanceScale().orElse(1);
    }

    private void tell(int done, Denoiser.Latents latents, int count, int first) {
      run.token();
      run.listener().onImageProgress(done, table.size());
      if (done < table.size() && run.previewDue()) {
        float[] all = latents.seen();
        int size = all.length / count;
        for (int n = 0; n < count; n++) {
          float[] one = Arrays.copyOfRange(all, n * size, (n + 1) * size);
          run.listener().onPreview(first + n, pixels(one));
        }
      }
    }

    Image pixels(float[] latents) {
      long begin = System.nanoTime();
      Image image = model.coder().draw(latents, latentRows, latentColumns, run::step);
      run.imageDecoding(Duration.ofNanos(System.nanoTime() - begin));
      return image;
    }
  }

  @Override
  protected void release() {
    full.close();
    images.close();
  }
}
