package dev.diptych.examples.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.diptych.core.Image;
import dev.diptych.tokenizers.ImageFile;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Deque;
import java.util.List;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What a page says, read strictly: only the elements that a story has, every one closed in order,
 * attributes in double quotes, the five named characters and no other.
 *
 * @param title of the document
 * @param content headings, paragraphs and pictures (by their alt) in order
 * @param footer names and values
 * @param references every src
 */
record Html(String title, List<String> content, List<String> footer, List<String> references) {
  private static final Pattern TOKEN =
      Pattern.compile("<(/?)([a-z][a-z0-9]*)((?: [a-z-]+=\"[^\"<>]*\")*)>|([^<>]+)");
  private static final Pattern ATTRIBUTE = Pattern.compile(" ([a-z-]+)=\"([^\"]*)\"");
  private static final Set<String> VOID = Set.of("meta", "img");
  private static final Set<String> KNOWN =
      Set.of(
          "html", "head", "meta", "title", "style", "body", "header", "main", "footer", "h1", "p",
          "figure", "img", "dl", "dt", "dd");

  static Html of(String page) {
    String doctype = "<!DOCTYPE html>\n";
    assertThat(page).startsWith(doctype);
    String rest = page.substring(doctype.length());
    Html html = new Html("", new ArrayList<>(), new ArrayList<>(), new ArrayList<>());
    String title = "";
    String term = "";
    StringBuilder text = new StringBuilder();
    Deque<String> open = new ArrayDeque<>();
    Matcher matcher = TOKEN.matcher(rest);
    int end = 0;
    while (end < rest.length()) {
      assertThat(matcher.find(end) && matcher.start() == end)
          .as("markup at: " + rest.substring(end, Math.min(rest.length(), end + 80)))
          .isTrue();
      end = matcher.end();
      if (matcher.group(4) != null) {
        text.append(matcher.group(4));
        continue;
      }
      String name = matcher.group(2);
      assertThat(KNOWN).contains(name);
      if (matcher.group(1).isEmpty()) {
        text.setLength(0);
        html.attributes(name, matcher.group(3));
        if (!VOID.contains(name)) {
          open.push(name);
        }
        continue;
      }
      assertThat(open.pop()).isEqualTo(name);
      String said = plain(text.toString());
      switch (name) {
        case "title" -> title = said;
        case "h1", "p" -> html.content.add(name + " " + said);
        case "dt" -> term = said;
        case "dd" -> html.footer.add(term + " " + said);
        default -> assertThat(name.equals("style") || said.isBlank()).as(said).isTrue();
      }
      text.setLength(0);
    }
    assertThat(open).isEmpty();
    return new Html(title, html.content, html.footer, html.references);
  }

  private void attributes(String element, String attributes) {
    Matcher matcher = ATTRIBUTE.matcher(attributes);
    String alt = null;
    while (matcher.find()) {
      if (matcher.group(1).equals("src") || matcher.group(1).equals("href")) {
        references.add(matcher.group(2));
      } else if (matcher.group(1).equals("alt")) {
        alt = plain(matcher.group(2));
      }
    }
    if (element.equals("img")) {
      assertThat(alt).isNotBlank();
      content.add("img " + alt);
    }
  }

  /** {@return the pictures inside the page} */
  List<Image> images() {
    return references.stream()
        .map(r -> ImageFile.read(Base64.getDecoder().decode(r.substring(r.indexOf(',') + 1))))
        .toList();
  }

  private static String plain(String text) {
    assertThat(text.replaceAll("&(amp|lt|gt|quot|#39);", "")).doesNotContain("&");
    return text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&amp;", "&");
  }
}
