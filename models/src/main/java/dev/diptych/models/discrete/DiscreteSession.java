package dev.diptych.models.discrete;

import dev.diptych.core.CounterRandom;
import dev.diptych.core.EngineException;
import dev.diptych.core.FinishReason;
import dev.diptych.core.GenerationOptions;
import dev.diptych.core.GenerationResult;
import dev.diptych.core.GenerationRun;
import dev.diptych.core.Image;
import dev.diptych.core.InvalidRequestException;
import dev.diptych.core.Lifetime;
import dev.diptych.core.Output;
import dev.diptych.core.Part;
import dev.diptych.core.Session;
import dev.diptych.core.UnifiedModel;
import dev.diptych.core.engine.Scope;
import dev.diptych.tokenizers.TextTokenizer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * A conversation in which words and pictures are one stream: what was read, said and drawn stays in
 * one cache, so that a drawing can be talked about without being read again. Of several pictures
 * drawn at once the conversation goes on with the first.
 */
public final class DiscreteSession extends Session {
  private final UnifiedModel model;
  private final DiscreteFamily family;
  private final DiscreteTransformer transformer;
  private final DiscreteVocabulary vocabulary;
  private final Context full;
  // The conversation without its words, for guidance; read only when a picture is drawn.
  private final Context images;

  /** Begins a conversation. */
  public DiscreteSession(UnifiedModel model, DiscreteFamily family, Lifetime lifetime) {
    super(model, lifetime);
    this.model = model;
    this.family = family;
    this.transformer = family.transformer();
    this.vocabulary = family.vocabulary();
    this.full = newContext();
    this.images = newContext();
  }

  private Context newContext() {
    return new Context(
        transformer,
        family.maxSequenceLength(),
        bytes -> family.requireMemory("the cache of a conversation", bytes));
  }

  @Override
  protected GenerationResult run(GenerationRun run) {
    int mark = full.length();
    int imagesMark = images.length();
    try {
      Answer answer = new Answer(run);
      answer.begin();
      answer.go();
      return answer.result();
    } catch (RuntimeException | Error e) {
      full.truncate(mark);
      images.truncate(imagesMark);
      throw e;
    }
  }

  /** One answer as it grows. */
  private final class Answer {
    private final GenerationRun run;
    private final GenerationOptions options;
    private final Output output;
    private final PictureLayouts layouts;
    private final ModalitySwitch modality;
    private final CounterRandom random;
    private final TextTokenizer.Incremental decoder = family.tokenizer().newDecoder();
    private final StringBuilder text = new StringBuilder();
    private final List<Part> parts = new ArrayList<>();
    private final List<Integer> ids = new ArrayList<>();
    private final List<List<Integer>> codes = new ArrayList<>();
    private int[] prompt;
    private int turnBegin;
    private int words;

    Answer(GenerationRun run) {
      this.run = run;
      this.options = run.options();
      this.output = run.request().output();
      List<PictureGrammar> all = output == Output.TEXT ? List.of() : family.layouts(run);
      this.layouts = all.isEmpty() ? null : new PictureLayouts(all);
      int most = output == Output.INTERLEAVED ? options.pictures().orElse(Integer.MAX_VALUE) : 1;
      boolean thinks = options.think().orElse(false);
      this.modality =
          new ModalitySwitch(vocabulary, layouts, output, family.maxSequenceLength(), most, thinks);
      this.random = new CounterRandom(options.seed().orElseThrow());
    }

    /** Adds the turn; refuses what cannot fit before anything is computed with it. */
    void begin() {
      int[] turn = family.turn(run, full.length() == 0);
      int needed = output == Output.IMAGE ? 1 + layouts.longest() : 1;
      int context = family.maxSequenceLength();
      if ((long) full.length() + turn.length + needed > context) {
        throw new InvalidRequestException(
            "The request does not fit the context\n  expected at most "
                + context
                + " tokens\n  found    "
                + full.length()
                + " in the session, "
                + turn.length
                + " in this turn and "
                + needed
                + (output == Output.IMAGE ? " of the picture" : " of the answer at least")
                + "\n  remedy   begin a new session, or say less");
      }
      int cached = full.cached();
      turnBegin = full.length();
      append(turn);
      // What the last answer left unread is read with this turn.
      prompt = Arrays.copyOfRange(full.ids(), Math.min(cached, full.length()), full.length());
    }

    private void append(int... more) {
      full.add(more);
      for (int id : more) {
        if (vocabulary.ofPicture(id) || images.length() == 0) {
          images.add(id);
        }
      }
    }

    void go() {
      int context = family.maxSequenceLength();
      int mostWords = options.maxTokens().orElse(context);
      Guidance guidance = family.guidance(options);
      try (DiscreteTransformer.Sampling sayings =
              transformer
                  .new Sampling(family.words(options), guidance, run.request().probe());
          DiscreteTransformer.Sampling drawings =
              transformer
                  .new Sampling(family.codes(options), guidance, run.request().probe())) {
        while (true) {
          switch (modality.allowed(full.length())) {
            case NOTHING -> {
              return;
            }
            case FORCED -> draw(drawings);
            case TEXT, TEXT_OR_PICTURE -> {
              if (words == mostWords && modality.thinking()) {
                modality.ceaseThinking();
              } else if (words == mostWords || full.length() == context) {
                return;
              } else if (say(sayings)) {
                draw(drawings);
              }
            }
            case CHOICE, CODE -> throw new IllegalStateException("A picture is drawn as a whole");
          }
        }
      }
    }

    /** {@return whether the model opens a picture in place of a word} */
    private boolean say(DiscreteTransformer.Sampling sampling) {
      boolean mayDraw =
          modality.allowed(full.length()) == ModalitySwitch.Allowed.TEXT_OR_PICTURE;
      // Codes count from 0 in a drawing; the words before it must not share their numbers.
      long bits = random.bits(modality.thinking() ? -2 : 0, ids.size());
      int id = finite(full.next(run, sampling, mayDraw, turnBegin, bits));
      run.token();
      if (id == vocabulary.beginOfImage()) {
        return true;
      }
      if (id == vocabulary.endOfText() && modality.thinking()) {
        modality.ceaseThinking();
        return false;
      }
      words++;
      ids.add(id);
      append(id);
      modality.accept(id);
      if (id != vocabulary.endOfText()) {
        tell(decoder.push(id));
      }
      return false;
    }

    private int finite(int id) {
      if (id < 0) {
        throw new EngineException(
            "The logits are not finite at token "
                + ids.size()
                + ": the weights hold NaN or infinity, or the numbers overflowed; try dtype"
                + " FLOAT32, and check the checkpoint's files");
      }
      return id;
    }

    private void tell(String piece) {
      if (!piece.isEmpty()) {
        text.append(piece);
        run.listener().onText(piece);
      }
    }

    private void endText() {
      tell(decoder.flush());
      if (text.length() > 0) {
        add(Part.of(text.toString()));
        text.setLength(0);
      }
    }

    private void add(Part part) {
      parts.add(part);
      run.listener().onPart(part);
    }

    private void draw(DiscreteTransformer.Sampling sampling) {
      endText();
      int pictures = output == Output.IMAGE ? options.pictures().orElse(1) : 1;
      int begin = vocabulary.beginOfImage();
      int length = full.length();
      int shown = codes.size();
      append(begin);
      modality.accept(begin);
      int[] header = header(sampling);
      PictureGrammar grammar = modality.grammar();
      int first = ids.size() + 1 + header.length;
      int[][] drawn;
      try (Scope scope = new Scope()) {
        List<Context> contexts = contexts(scope, grammar);
        requireMemory(contexts, pictures, grammar);
        drawn =
            new DiscreteDrawer(transformer, vocabulary, grammar)
                .draw(run, contexts, pictures, sampling, steps(grammar, first, shown));
        if (!contexts.contains(images)) {
          images.add(Arrays.copyOfRange(full.ids(), length + 1, full.length()));
        }
      }
      int[] tokens = Arrays.copyOfRange(full.ids(), length, full.length());
      if (output == Output.INTERLEAVED) {
        Arrays.stream(tokens).forEach(ids::add);
      }
      Arrays.stream(tokens, 1 + header.length, tokens.length).forEach(modality::accept);
      for (int[] one : drawn) {
        run.step();
        codes.add(Arrays.stream(one).boxed().toList());
        add(Part.of(pixels(one, grammar, true)));
      }
    }

    /** All that the drawing will grow by, so that nothing is refused when codes are there. */
    private void requireMemory(List<Context> contexts, int pictures, PictureGrammar grammar) {
      long bytes = 0;
      for (Context context : contexts) {
        int length = context.length() + grammar.length();
        bytes += context.growth(length);
        bytes += pictures == 1 ? 0 : transformer.cacheBytes(pictures, length);
      }
      family.requireMemory("the cache of " + pictures + " pictures", bytes);
    }

    /**
     * The tokens that tell a picture's layout, as the model chooses them, or as they must be. Guidance
     * begins behind them; the drawer reads them in every context.
     */
    private int[] header(DiscreteTransformer.Sampling sampling) {
      int begin = full.length();
      while (modality.inHeader()) {
        int[] choices = modality.choices();
        int id = choices[0];
        if (choices.length > 1) {
          // Codes count from 0 in every picture of a drawing; a header must not share their numbers.
          long bits =
              output == Output.IMAGE
                  ? random.bits(-1, full.length() - begin)
                  : random.bits(0, ids.size() + 1 + full.length() - begin);
          id = finite(full.next(run, sampling, choices, bits));
          run.token();
        }
        full.add(id);
        modality.accept(id);
      }
      int[] header = Arrays.copyOfRange(full.ids(), begin, full.length());
      full.truncate(begin);
      return header;
    }

    /** The contexts that guidance compares; those that would be equal are one. */
    private List<Context> contexts(Scope scope, PictureGrammar grammar) {
      Guidance guidance = family.guidance(options);
      if (guidance.none()) {
        return List.of(full);
      }
      Context none = scope.add(newContext());
      none.add(guidance.unconditional());
      if (none.length() + grammar.length() > family.maxSequenceLength()) {
        throw new InvalidRequestException(
            "What guidance compares with does not fit the context beside a picture\n  expected at"
                + " most "
                + family.maxSequenceLength()
                + " tokens\n  found    "
                + none.length()
                + " and "
                + grammar.length()
                + " of the picture\n  remedy   a smaller picture, or a guidance scale of 1");
      }
      boolean three =
          guidance.image().isPresent()
              && !Arrays.equals(images.ids(), guidance.unconditional());
      return three ? List.of(full, images, none) : List.of(full, none);
    }

    private DiscreteDrawer.Steps steps(PictureGrammar grammar, int first, int shown) {
      boolean stream = output == Output.INTERLEAVED;
      return new DiscreteDrawer.Steps() {
        @Override
        public long bits(int picture, int code) {
          return random.bits(picture, stream ? first + code : code);
        }

        @Override
        public void after(int[][] known, int done) {
          run.listener().onImageProgress(done, grammar.codes());
          if (done < grammar.codes() && run.previewDue()) {
            for (int n = 0; n < known.length; n++) {
              run.listener().onPreview(shown + n, pixels(known[n], grammar, false));
            }
          }
        }
      };
    }

    private Image pixels(int[] one, PictureGrammar grammar, boolean whole) {
      long begin = System.nanoTime();
      Image image = family.pixels(one, grammar, whole, run::step);
      run.imageDecoding(Duration.ofNanos(System.nanoTime() - begin));
      return image;
    }

    GenerationResult result() {
      boolean stopped = modality.allowed(full.length()) == ModalitySwitch.Allowed.NOTHING;
      endText();
      if (parts.isEmpty()) {
        add(Part.of(""));
      }
      return new GenerationResult(
          parts,
          Arrays.stream(prompt).boxed().toList(),
          ids,
          codes,
          stopped ? FinishReason.STOP : FinishReason.LENGTH,
          options.seed().orElseThrow(),
          options,
          model.name(),
          run.timings());
    }
  }

  @Override
  protected void release() {
    full.close();
    images.close();
  }
}
