package dev.diptych.tokenizers;

import com.google.gson.Strictness;
import com.google.gson.stream.JsonReader;
import com.google.gson.stream.JsonToken;
import com.google.gson.stream.JsonWriter;
import com.google.gson.stream.MalformedJsonException;
import dev.diptych.core.CheckpointException;
import java.io.BufferedInputStream;
import java.io.BufferedReader;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.Reader;
import java.math.BigDecimal;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Reads JSON as a stream, because vocabularies run to tens of megabytes, and writes it. Objects
 * become {@link Map}, arrays {@link List}, numbers keep the digits of the file.
 */
final class TokenizerJson {
  private static final int MAX_DEPTH = 64;

  private final Path file;

  TokenizerJson(Path file) {
    this.file = file;
  }

  /** Reads what stands at the reader's position; one object of the file. */
  interface Body<T> {
    T read(JsonReader json) throws IOException;
  }

  /**
   * Opens the file and reads one object from it.
   *
   * @param maxBytes the largest file that is read, in bytes
   * @throws CheckpointException if the file is absent, larger, not UTF-8, or not strict JSON
   */
  <T> T read(long maxBytes, Body<T> body) {
    try {
      long size = Files.size(file);
      if (size > maxBytes) {
        throw wrong(size + " bytes; at most " + maxBytes + " are read");
      }
      try (JsonReader json = new JsonReader(open(maxBytes))) {
        json.setStrictness(Strictness.STRICT);
        json.setNestingLimit(MAX_DEPTH);
        if (json.peek() != JsonToken.BEGIN_OBJECT) {
          throw wrong("expected a JSON object, found " + json.peek());
        }
        T result = body.read(json);
        if (json.peek() != JsonToken.END_DOCUMENT) {
          throw wrong("something follows the JSON object at " + json.getPath());
        }
        return result;
      }
    } catch (NoSuchFileException e) {
      throw new CheckpointException(name() + " is missing: " + file, e);
    } catch (CharacterCodingException e) {
      throw new CheckpointException(name() + " is not UTF-8: " + file, e);
    } catch (EOFException e) {
      throw new CheckpointException(name() + " is cut off: " + file, e);
    } catch (MalformedJsonException | IllegalStateException | NumberFormatException e) {
      throw new CheckpointException(
          name() + " is not the JSON that was expected: " + oneLine(e.getMessage()) + ": " + file, e);
    } catch (IOException e) {
      throw new CheckpointException("Cannot read " + file + ": " + oneLine(e.toString()), e);
    }
  }

  /** Reads an object into a map in file order; a key that comes twice is refused. */
  Map<String, Object> object(JsonReader json) throws IOException {
    Map<String, Object> members = new LinkedHashMap<>();
    json.beginObject();
    while (json.hasNext()) {
      String key = text(json.nextName(), json);
      if (members.put(key, value(json)) != null) {
        throw wrong("the key " + quote(key) + " comes twice at " + json.getPath());
      }
    }
    json.endObject();
    return members;
  }

  /** Reads any value: a map, a list, a string, a number, a boolean, or null. */
  Object value(JsonReader json) throws IOException {
    switch (json.peek()) {
      case BEGIN_OBJECT:
        return object(json);
      case BEGIN_ARRAY:
        List<Object> elements = new ArrayList<>();
        json.beginArray();
        while (json.hasNext()) {
          elements.add(value(json));
        }
        json.endArray();
        return elements;
      case NUMBER:
        return new BigDecimal(json.nextString());
      case BOOLEAN:
        return json.nextBoolean();
      case NULL:
        json.nextNull();
        return null;
      default:
        return text(json.nextString(), json);
    }
  }

  /** Returns the string, refused if it holds half of a surrogate pair: UTF-8 cannot carry that. */
  String text(String string, JsonReader json) {
    for (int i = 0; i < string.length(); i++) {
      char c = string.charAt(i);
      if (Character.isSurrogate(c)) {
        if (Character.isLowSurrogate(c)
            || i + 1 == string.length()
            || !Character.isLowSurrogate(string.charAt(i + 1))) {
          throw wrong("half a surrogate pair in a string at " + json.getPath());
        }
        i++;
      }
    }
    return string;
  }

  /** Writes a value that {@link #value} can read. */
  static void write(JsonWriter json, Object value) throws IOException {
    if (value instanceof Map<?, ?> members) {
      json.beginObject();
      for (Map.Entry<?, ?> member : members.entrySet()) {
        write(json.name((String) member.getKey()), member.getValue());
      }
      json.endObject();
    } else if (value instanceof Iterable<?> elements) {
      json.beginArray();
      for (Object element : elements) {
        write(json, element);
      }
      json.endArray();
    } else if (value instanceof String string) {
      json.value(string);
    } else if (value instanceof Number number) {
      json.value(number);
    } else if (value instanceof Boolean bool) {
      json.value(bool);
    } else {
      json.nullValue();
    }
  }

  /** Returns the error for a file whose content is wrong. */
  CheckpointException wrong(String what) {
    return new CheckpointException(name() + ": " + what + "\n  in " + file);
  }

  /** Returns the id that up to seven digits spell, or -1 for anything else. */
  static int id(String digits) {
    int id = 0;
    for (int i = 0; i < digits.length(); i++) {
      char c = digits.charAt(i);
      if (c < '0' || c > '9' || i == 7) {
        return -1;
      }
      id = 10 * id + c - '0';
    }
    return digits.isEmpty() ? -1 : id;
  }

  /** Returns a string as messages show it: short, on one line, without control characters. */
  static String quote(String string) {
    StringBuilder shown = new StringBuilder("\"");
    for (int i = 0; i < string.length(); i++) {
      if (i == 60) {
        return shown.append("…\" (").append(string.length()).append(" characters)").toString();
      }
      char c = string.charAt(i);
      shown.append(Character.isISOControl(c) ? '\uFFFD' : c);
    }
    return shown.append('"').toString();
  }

  private String name() {
    return String.valueOf(file.getFileName());
  }

  private Reader open(long maxBytes) throws IOException {
    // The limit holds for what is read, so a file that grows meanwhile does not get past it.
    InputStream limited =
        new BufferedInputStream(new LimitedInputStream(Files.newInputStream(file), maxBytes));
    limited.mark(64);
    String start = new String(limited.readNBytes(64), StandardCharsets.ISO_8859_1).stripLeading();
    limited.reset();
    if (start.startsWith("version https://git-lfs")) {
      limited.close();
      throw wrong("this is a Git LFS pointer, not the file itself; fetch it with: git lfs pull");
    }
    if (start.startsWith("<")) {
      limited.close();
      throw wrong("this is a web page, probably of a failed download; download the file again");
    }
    var decoder =
        StandardCharsets.UTF_8
            .newDecoder()
            .onMalformedInput(CodingErrorAction.REPORT)
            .onUnmappableCharacter(CodingErrorAction.REPORT);
    return new BufferedReader(new InputStreamReader(limited, decoder), 1 << 16);
  }

  private static String oneLine(String message) {
    // What gson advises a programmer to do follows on a line of its own or before the place.
    String first = String.valueOf(message).lines().findFirst().orElse("");
    String advice = "Use JsonReader.setStrictness(Strictness.LENIENT) to accept malformed JSON";
    first = first.replace(advice, "found something else");
    return first.length() > 200 ? first.substring(0, 200) + "…" : first;
  }
}
