package dev.diptych.examples.cli;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import dev.diptych.core.GenerationResult;
import dev.diptych.core.Image;
import dev.diptych.core.LibraryVersion;
import dev.diptych.core.Part;
import dev.diptych.tokenizers.ImageFile;
import dev.diptych.tokenizers.PillowResize;
import dev.diptych.tokenizers.ResizeFilter;
import java.util.Base64;
import java.util.List;
import java.util.Map;

/**
 * An answer in words and pictures as one HTML file that needs no other: pictures are inside it, and
 * the same answer gives the same bytes. Words are data: nothing in them can become markup, and the
 * page's policy would not run it.
 */
final class StoryPage {
  /** Longer sides than this are shown pixel by pixel. */
  private static final int SHOWN = 384;

  /** Longest side of a picture that was given: it is shown for the memory, not kept. */
  private static final int GIVEN = 512;

  private static final int ALT = 160;

  private static final String STYLE =
      """
      :root { color-scheme: light dark;
        --page: #fdfcf9; --ink: #24211d; --soft: #6d675e; --line: #e4dfd5; }
      @media (prefers-color-scheme: dark) {
        :root { --page: #191816; --ink: #ebe6dd; --soft: #a39c90; --line: #3a3732; }
      }
      body { margin: 0; background: var(--page); color: var(--ink);
        font: 1.2rem/1.6 Charter, "Iowan Old Style", Georgia, serif; }
      header, main, footer { max-width: 34rem; margin: 0 auto; padding: 0 1.25rem; }
      header { padding-top: 3rem; }
      h1 { font-size: 1.7rem; line-height: 1.3; margin: 0 0 2rem; }
      h1, p, dd { white-space: pre-wrap; overflow-wrap: anywhere; }
      p { margin: 0 0 1rem; }
      figure { margin: 0 0 2rem; text-align: center; }
      img { display: block; max-width: 100%; height: auto; margin: 0 auto;
        border: 1px solid var(--line); border-radius: 4px; }
      img.pixels { image-rendering: pixelated; }
      .given img { max-width: min(100%, 12rem); }
      footer { margin-top: 3rem; padding-top: 1rem; padding-bottom: 3rem;
        border-top: 1px solid var(--line); color: var(--soft);
        font: 0.85rem/1.5 system-ui, sans-serif; }
      dl { display: grid; grid-template-columns: max-content 1fr; gap: 0 1rem; margin: 0; }
      dd { margin: 0; }
      """;

  private final String prompt;
  private final GenerationResult result;
  private final StringBuilder html = new StringBuilder();

  private StoryPage(String prompt, GenerationResult result) {
    this.prompt = prompt;
    this.result = result;
  }

  /**
   * Writes the page.
   *
   * @param prompt what was asked
   * @param given the pictures that were asked about
   * @param result the answer
   */
  static String html(String prompt, List<Image> given, GenerationResult result) {
    return new StoryPage(prompt, result).write(given);
  }

  private String write(List<Image> given) {
    line("<!DOCTYPE html>");
    line("<html lang=\"en\">");
    line("<head>");
    line("<meta charset=\"utf-8\">");
    line("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">");
    line(
        "<meta http-equiv=\"Content-Security-Policy\""
            + " content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">");
    line("<meta name=\"generator\" content=\"" + escaped(software()) + "\">");
    line("<title>" + escaped(shortened(prompt)) + "</title>");
    line("<style>");
    html.append(STYLE);
    line("</style>");
    line("</head>");
    line("<body>");
    line("<header>");
    // The language of the words is not known.
    line("<h1 lang=\"\" dir=\"auto\">" + escaped(prompt.strip()) + "</h1>");
    for (int i = 0; i < given.size(); i++) {
      String alt = "Picture " + (i + 1) + " of " + given.size() + " of the question";
      figure("given", atMost(given.get(i)), Map.of(), alt);
    }
    line("</header>");
    line("<main lang=\"\">");
    parts();
    line("</main>");
    footer();
    line("</body>");
    line("</html>");
    return html.toString();
  }

  private void parts() {
    int picture = 0;
    int pictures = result.images().size();
    String said = "";
    for (Part part : result.parts()) {
      if (part instanceof Part.Text text) {
        said = text.text().strip();
        for (String paragraph : said.split("\\R\\s*\\R")) {
          if (!paragraph.isBlank()) {
            line("<p dir=\"auto\">" + escaped(paragraph.strip()) + "</p>");
          }
        }
      } else if (part instanceof Part.Picture one) {
        String alt = "Picture " + (picture + 1) + " of " + pictures;
        String words = shortened(said);
        figure(
            "drawn",
            one.image(),
            result.provenance(prompt, picture),
            words.isEmpty() ? alt : alt + ": " + words);
        said = "";
        picture++;
      }
    }
  }

  private void figure(String kind, Image image, Map<String, String> provenance, String alt) {
    int scale = Math.max(1, SHOWN / Math.max(image.width(), image.height()));
    String data = Base64.getEncoder().encodeToString(ImageFile.toPng(image, provenance));
    line(
        "<figure class=\""
            + kind
            + "\"><img"
            + (scale > 1 ? " class=\"pixels\"" : "")
            + " width=\""
            + scale * image.width()
            + "\" height=\""
            + scale * image.height()
            + "\" alt=\""
            + escaped(alt)
            + "\" src=\"data:image/png;base64,"
            + data
            + "\"></figure>");
  }

  private static Image atMost(Image image) {
    int longest = Math.max(image.width(), image.height());
    if (longest <= GIVEN) {
      return image;
    }
    return PillowResize.resize(
        image,
        Math.max(1, Math.round((float) image.width() * GIVEN / longest)),
        Math.max(1, Math.round((float) image.height() * GIVEN / longest)),
        ResizeFilter.LANCZOS);
  }

  private void footer() {
    line("<footer>");
    line("<dl>");
    entry("Prompt", prompt);
    entry("Model", result.modelName());
    entry("Seed", Long.toString(result.seed()));
    JsonObject options = JsonParser.parseString(result.options().toJson()).getAsJsonObject();
    options.remove("seed");
    options.entrySet().forEach(o -> entry(o.getKey(), o.getValue().getAsString()));
    entry("Made by", software());
    line("</dl>");
    line("</footer>");
  }

  private void entry(String name, String value) {
    line("<dt>" + escaped(name) + "</dt><dd dir=\"auto\">" + escaped(value) + "</dd>");
  }

  private static String software() {
    return "Diptych " + LibraryVersion.VERSION;
  }

  private void line(String text) {
    html.append(text).append('\n');
  }

  private static String shortened(String text) {
    String line = text.strip().replaceAll("\\s+", " ");
    if (line.codePointCount(0, line.length()) <= ALT) {
      return line;
    }
    return line.substring(0, line.offsetByCodePoints(0, ALT)).strip() + "…";
  }

  /** Text for an element or a quoted attribute; what HTML has no place for becomes U+FFFD. */
  static String escaped(String text) {
    StringBuilder escaped = new StringBuilder(text.length());
    text.codePoints()
        .forEach(
            c -> {
              switch (c) {
                case '&' -> escaped.append("&amp;");
                case '<' -> escaped.append("&lt;");
                case '>' -> escaped.append("&gt;");
                case '"' -> escaped.append("&quot;");
                case '\'' -> escaped.append("&#39;");
                default -> escaped.appendCodePoint(hasPlace(c) ? c : 0xFFFD);
              }
            });
    return escaped.toString();
  }

  /** HTML Living Standard, section 13.1.4: no controls but white space, no noncharacters. */
  private static boolean hasPlace(int c) {
    boolean space = c == '\t' || c == '\n' || c == '\f' || c == '\r';
    boolean surrogate = c >= 0xD800 && c <= 0xDFFF;
    boolean none = (c & 0xFFFE) == 0xFFFE || (c >= 0xFDD0 && c <= 0xFDEF);
    return space || !(Character.isISOControl(c) || surrogate || none);
  }
}
