package dev.diptych.core.weights;

import com.google.gson.Strictness;
import com.google.gson.stream.JsonReader;
import com.google.gson.stream.JsonToken;
import com.google.gson.stream.MalformedJsonException;
import dev.diptych.core.CheckpointException;
import java.io.EOFException;
import java.io.IOException;
import java.io.StringReader;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * JSON as RFC 8259 has it and nothing more, into {@code Map}, {@code List}, {@code String}, {@code
 * Boolean}, {@code Long}, {@link Decimal} and null. Two keys of one name are an error, because two
 * readers of one file would see different models.
 */
final class StrictJson {
  static final int MAX_DEPTH = 64;
  static final int MAX_VALUES = 2_000_000;

  private static final Pattern POSITION = Pattern.compile("line (\\d+) column (\\d+)");

  private final String where;
  private final JsonReader reader;
  private final int maxMembers;
  private int values;

  /** A number that is not a 64-bit integer, as it stands in the file. */
  record Decimal(String literal) {
    double value() {
      return Double.parseDouble(literal);
    }
  }

  private StrictJson(String where, JsonReader reader, int maxMembers) {
    this.where = where;
    this.reader = reader;
    this.maxMembers = maxMembers;
  }

  /** Reads one object. {@code where} begins every message. */
  static Map<String, Object> object(String where, byte[] utf8) {
    return object(where, utf8, MAX_VALUES);
  }

  /** Reads one object of at most so many members; those inside it have no limit of their own. */
  static Map<String, Object> object(String where, byte[] utf8, int maxMembers) {
    String text = decode(where, utf8);
    try (JsonReader reader = new JsonReader(new StringReader(text))) {
      reader.setStrictness(Strictness.STRICT);
      StrictJson json = new StrictJson(where, reader, maxMembers);
      if (reader.peek() != JsonToken.BEGIN_OBJECT) {
        throw new CheckpointException(where + " is not a JSON object; it must begin with {");
      }
      Map<String, Object> root = json.object(1);
      if (reader.peek() != JsonToken.END_DOCUMENT) {
        throw new CheckpointException(where + " has more text after its JSON object");
      }
      return root;
    } catch (MalformedJsonException e) {
      throw malformed(where, e);
    } catch (EOFException e) {
      throw new CheckpointException(where + " ends in the middle of its JSON: is it complete?", e);
    } catch (IOException | NumberFormatException | IllegalStateException e) {
      throw malformed(where, e);
    }
  }

  private static String decode(String where, byte[] utf8) {
    try {
      String text =
          StandardCharsets.UTF_8
              .newDecoder()
              .onMalformedInput(CodingErrorAction.REPORT)
              .onUnmappableCharacter(CodingErrorAction.REPORT)
              .decode(ByteBuffer.wrap(utf8))
              .toString();
      if (text.startsWith("\ufeff")) {
        throw new CheckpointException(
            where + " begins with a byte order mark; save it as UTF-8 without one");
      }
      return text;
    } catch (CharacterCodingException e) {
      throw new CheckpointException(where + " is not UTF-8 text", e);
    }
  }

  private static CheckpointException malformed(String where, Exception e) {
    String message = String.valueOf(e.getMessage());
    Matcher position = POSITION.matcher(message);
    String at =
        position.find() ? " at line " + position.group(1) + ", column " + position.group(2) : "";
    return new CheckpointException(
        where + " is not valid JSON" + at
            + " (comments, trailing commas, NaN and unquoted names are not JSON)", e);
  }

  private Object value(int depth) throws IOException {
    if (++values > MAX_VALUES) {
      throw new CheckpointException(
          where + " has more than " + MAX_VALUES + " values, the most that is read");
    }
    JsonToken token = reader.peek();
    switch (token) {
      case BEGIN_OBJECT:
        return object(deeper(depth));
      case BEGIN_ARRAY:
        return array(deeper(depth));
      case STRING:
        return reader.nextString();
      case NUMBER:
        return number(reader.nextString());
      case BOOLEAN:
        return reader.nextBoolean();
      case NULL:
        reader.nextNull();
        return null;
      default:
        throw new CheckpointException(where + " is not valid JSON: a value is missing");
    }
  }

  private int deeper(int depth) {
    if (depth == MAX_DEPTH) {
      throw new CheckpointException(
          where + " is nested more than " + MAX_DEPTH + " levels deep, the most that is read");
    }
    return depth + 1;
  }

  private Map<String, Object> object(int depth) throws IOException {
    Map<String, Object> members = new LinkedHashMap<>();
    reader.beginObject();
    while (reader.hasNext()) {
      String key = reader.nextName();
      Object member = value(depth);
      if (members.containsKey(key)) {
        throw new CheckpointException(
            where + " has a duplicate key: " + Shown.name(key) + " stands twice in one object");
      }
      members.put(key, member);
      if (depth == 1 && members.size() > maxMembers) {
        throw new CheckpointException(
            where + " has more than " + maxMembers + " entries, the most that is read");
      }
    }
    reader.endObject();
    return Collections.unmodifiableMap(members);
  }

  private List<Object> array(int depth) throws IOException {
    List<Object> elements = new ArrayList<>();
    reader.beginArray();
    while (reader.hasNext()) {
      elements.add(value(depth));
    }
    reader.endArray();
    return Collections.unmodifiableList(elements);
  }

  private static Object number(String literal) {
    boolean integer = literal.length() <= 20 && !literal.equals("-0");
    for (int i = 0; integer && i < literal.length(); i++) {
      char c = literal.charAt(i);
      integer = c >= '0' && c <= '9' || i == 0 && c == '-';
    }
    if (integer) {
      try {
        return Long.valueOf(literal);
      } catch (NumberFormatException beyond64Bits) {
        return new Decimal(literal);
      }
    }
    return new Decimal(literal);
  }
}
