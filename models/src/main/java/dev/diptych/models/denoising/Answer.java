package dev.diptych.models.denoising;

import dev.diptych.core.EngineException;
import dev.diptych.core.FinishReason;
import dev.diptych.core.GenerationResult;
import dev.diptych.core.GenerationRun;
import dev.diptych.core.Part;
import dev.diptych.tokenizers.TextTokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** An answer as it grows: words, told as they come, and pictures between them. */
public final class Answer {
  private final GenerationRun run;
  private final TextTokenizer.Incremental decoder;
  private final StringBuilder text = new StringBuilder();
  private final List<Part> parts = new ArrayList<>();
  private final List<Integer> ids = new ArrayList<>();
  private int words;

  /** Begins an answer. */
  public Answer(GenerationRun run, TextTokenizer tokenizer) {
    this.run = run;
    this.decoder = tokenizer.newDecoder();
  }

  /** {@return how many words were said, the end among them} */
  public int words() {
    return words;
  }

  /** {@return how many ids the answer has so far, those of pictures too} */
  public int ids() {
    return ids.size();
  }

  /**
   * {@return an id that a native call gave}
   *
   * @throws EngineException if it is negative: the logits were not finite
   */
  public int finite(int id) {
    if (id < 0) {
      throw new EngineException(
          "The logits are not finite at token "
              + ids.size()
              + ": the weights hold NaN or infinity, or the numbers overflowed; try dtype"
              + " FLOAT32, and check the checkpoint's files");
    }
    return id;
  }

  /** Takes a word and tells what is now certain of the text. */
  public void say(int id) {
    words++;
    ids.add(id);
    tell(decoder.push(id));
  }

  /** Takes the token that ends the answer; it is told to nobody. */
  public void end(int id) {
    words++;
    ids.add(id);
  }

  /** Takes what stands for a picture. */
  public void stand(int... more) {
    Arrays.stream(more).forEach(ids::add);
  }

  private void tell(String piece) {
    if (!piece.isEmpty()) {
      text.append(piece);
      run.listener().onText(piece);
    }
  }

  /** Makes a part of the words since the last picture, if there are any. */
  public void endText() {
    tell(decoder.flush());
    if (text.length() > 0) {
      add(Part.of(text.toString()));
      text.setLength(0);
    }
  }

  /** Adds a finished part. */
  public void add(Part part) {
    parts.add(part);
    run.listener().onPart(part);
  }

  /**
   * Ends the answer.
   *
   * @param prompt ids that were read in this turn, {@link Context#NO_WORD} for rows of pictures
   * @param reason why it ended
   */
  public GenerationResult result(int[] prompt, FinishReason reason, String modelName) {
    endText();
    if (parts.isEmpty()) {
      add(Part.of(""));
    }
    return new GenerationResult(
        parts,
        Arrays.stream(prompt).boxed().toList(),
        ids,
        List.of(),
        reason,
        run.options().seed().orElseThrow(),
        run.options(),
        modelName,
        run.timings());
  }
}
