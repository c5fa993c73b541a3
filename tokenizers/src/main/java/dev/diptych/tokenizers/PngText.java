package dev.diptych.tokenizers;

import dev.diptych.core.InvalidRequestException;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.zip.InflaterInputStream;

/** The text chunks of PNG: {@code tEXt} and {@code iTXt} are written, {@code zTXt} is read, too. */
final class PngText {
  /** What one compressed text may grow to; ours are a few hundred bytes. */
  private static final int MAX_INFLATED = 1 << 22;

  /** A chunk ready to be written. */
  record Encoded(String type, byte[] body) {}

  private PngText() {}

  /** Encodes in the order of the keywords, so that equal maps give equal files. */
  static List<Encoded> encode(Map<String, String> text) {
    return new TreeMap<>(text)
        .entrySet().stream().map(entry -> encode(entry.getKey(), entry.getValue())).toList();
  }

  private static Encoded encode(String keyword, String value) {
    if (!keyword.matches("[!-~\u00a1-\u00ff]([ -~\u00a1-\u00ff]{0,77}[!-~\u00a1-\u00ff])?")) {
      throw new InvalidRequestException(
          "Cannot write the PNG text \""
              + keyword
              + "\"\n"
              + "  expected a keyword of 1 to 79 printable Latin-1 characters, no space at an end\n"
              + "  found    "
              + keyword.length()
              + " characters");
    }
    if (value.indexOf('\0') >= 0) {
      throw new InvalidRequestException(
          "Cannot write the PNG text \""
              + keyword
              + "\"\n  expected text without the character U+0000\n  found    one at index "
              + value.indexOf('\0'));
    }
    ByteArrayOutputStream body = new ByteArrayOutputStream();
    body.writeBytes(keyword.getBytes(StandardCharsets.ISO_8859_1));
    boolean latin = StandardCharsets.ISO_8859_1.newEncoder().canEncode(value);
    if (latin) {
      body.write(0);
    } else {
      // End of keyword, no compression, its method, no language, no translated keyword.
      body.writeBytes(new byte[5]);
    }
    Charset charset = latin ? StandardCharsets.ISO_8859_1 : StandardCharsets.UTF_8;
    body.writeBytes(value.getBytes(charset));
    return new Encoded(latin ? "tEXt" : "iTXt", body.toByteArray());
  }

  /** {@return keywords and texts in file order; of a repeated keyword the last} */
  static Map<String, String> read(byte[] data) throws IOException {
    Map<String, String> text = new LinkedHashMap<>();
    for (PngImage.Chunk chunk : PngImage.chunks(data)) {
      if (List.of("tEXt", "zTXt", "iTXt").contains(chunk.type())) {
        int end = chunk.offset() + chunk.length();
        int keywordEnd = find0(data, chunk.offset(), end);
        String keyword = string(data, chunk.offset(), keywordEnd, StandardCharsets.ISO_8859_1);
        text.put(keyword, value(chunk.type(), data, keywordEnd + 1, end));
      }
    }
    return text;
  }

  private static String value(String type, byte[] data, int start, int end) throws IOException {
    if (type.equals("tEXt")) {
      return string(data, start, end, StandardCharsets.ISO_8859_1);
    }
    if (type.equals("zTXt")) {
      return inflate(data, start + 1, end, StandardCharsets.ISO_8859_1);
    }
    boolean compressed = start < end && data[start] != 0;
    int translated = find0(data, start + 2, end) + 1;
    int body = find0(data, translated, end) + 1;
    return compressed
        ? inflate(data, body, end, StandardCharsets.UTF_8)
        : string(data, body, end, StandardCharsets.UTF_8);
  }

  private static int find0(byte[] data, int start, int end) throws DamagedImageException {
    for (int i = start; i < end; i++) {
      if (data[i] == 0) {
        return i;
      }
    }
    throw new DamagedImageException("a text chunk with its separators", "none up to byte " + end);
  }

  private static String string(byte[] data, int start, int end, Charset charset) {
    return new String(data, start, Math.max(0, end - start), charset);
  }

  private static String inflate(byte[] data, int start, int end, Charset charset)
      throws IOException {
    InputStream deflated = new ByteArrayInputStream(data, start, Math.max(0, end - start));
    try (InputStream inflated = new InflaterInputStream(deflated)) {
      byte[] text = inflated.readNBytes(MAX_INFLATED + 1);
      if (text.length > MAX_INFLATED) {
        throw new DamagedImageException(
            "a text of at most " + MAX_INFLATED + " bytes", "a longer one");
      }
      return new String(text, charset);
    }
  }
}
