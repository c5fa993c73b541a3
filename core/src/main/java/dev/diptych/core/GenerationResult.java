package dev.diptych.core;

import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Collectors;

/**
 * A finished answer.
 *
 * @param parts text and pictures in the order in which they came
 * @param promptTokenIds the ids that the model read in this turn, picture placeholders included
 * @param tokenIds the ids of the answer's text, the end token included when it came; of an
 *     interleaved answer all ids, those of its pictures too
 * @param imageCodes for every picture its codebook indices, row by row
 * @param finishReason why it ended
 * @param seed the seed that was used; the same seed gives the same answer
 * @param options every option as it was used, defaults filled in
 * @param modelName the model's name
 * @param timings where the time went
 */
public record GenerationResult(
    List<Part> parts,
    List<Integer> promptTokenIds,
    List<Integer> tokenIds,
    List<List<Integer>> imageCodes,
    FinishReason finishReason,
    long seed,
    GenerationOptions options,
    String modelName,
    Timings timings) {

  /**
   * Where the time of a request went.
   *
   * @param firstToken from the call to the first token: pictures encoded, prompt read
   * @param tokens from the first token to the last
   * @param imageEncoding pixels to what the model reads, within the time to the first token
   * @param imageDecoding codes to pixels, previews included
   * @param total the whole call
   */
  public record Timings(
      Duration firstToken,
      Duration tokens,
      Duration imageEncoding,
      Duration imageDecoding,
      Duration total) {}

  /** Copies the lists. */
  public GenerationResult {
    parts = List.copyOf(parts);
    promptTokenIds = List.copyOf(promptTokenIds);
    tokenIds = List.copyOf(tokenIds);
    imageCodes = imageCodes.stream().map(List::copyOf).toList();
  }

  /** {@return the text of the answer, empty when it has none} */
  public String text() {
    return parts.stream()
        .filter(Part.Text.class::isInstance)
        .map(p -> ((Part.Text) p).text())
        .collect(Collectors.joining());
  }

  /** {@return the pictures of the answer} */
  public List<Image> images() {
    return parts.stream()
        .filter(Part.Picture.class::isInstance)
        .map(p -> ((Part.Picture) p).image())
        .toList();
  }

  /**
   * What a picture's file may tell of how it came about, for {@code ImageFile.writePng}: prompt,
   * seed, options, model, which picture of how many, and this library's version.
   *
   * @param prompt the words it was drawn from
   * @param picture which of {@link #images()}, from 0
   */
  public Map<String, String> provenance(String prompt, int picture) {
    int pictures = images().size();
    Objects.checkIndex(picture, pictures);
    Map<String, String> text = new LinkedHashMap<>();
    text.put("prompt", prompt);
    text.put("seed", Long.toString(seed));
    text.put("options", options.toJson());
    text.put("model", modelName);
    text.put("picture", picture + 1 + " of " + pictures);
    text.put("Software", "Diptych " + LibraryVersion.VERSION);
    return text;
  }
}
