package dev.diptych.core.weights;

import dev.diptych.core.CheckpointException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;

/**
 * An object of a JSON file (config.json, tokenizer_config.json ...), asked for values by type and
 * range. Every complaint is a {@link CheckpointException} that names the file, the path inside it,
 * what was expected and what was found. A member that is null counts as absent, as in the files
 * that transformers writes.
 */
public final class JsonMap {
  private final String file;
  private final String path;
  private final Map<String, Object> members;

  private JsonMap(String file, String path, Map<String, Object> members) {
    this.file = file;
    this.path = path;
    this.members = members;
  }

  /** What kind of value stands under a key. */
  public enum Kind {
    /** No member of that name. */
    ABSENT,
    /** null. */
    NULL,
    /** An object. */
    OBJECT,
    /** An array. */
    ARRAY,
    /** A string. */
    STRING,
    /** A number. */
    NUMBER,
    /** true or false. */
    BOOL
  }

  /**
   * Reads a file that holds one JSON object.
   *
   * @param file the file
   * @param maxBytes the largest file that is read, in bytes
   * @throws CheckpointException if the file is absent, too large, not UTF-8, not strict JSON, has a
   *     duplicate key, or is nested more than 64 levels deep
   */
  public static JsonMap read(Path file, long maxBytes) {
    String where = Shown.file(file);
    byte[] bytes;
    try (InputStream in = Files.newInputStream(file)) {
      long size = Files.size(file);
      if (size > maxBytes) {
        throw new CheckpointException(
            where + " is " + size + " bytes; at most " + maxBytes + " are read: " + file);
      }
      bytes = in.readNBytes(Math.toIntExact(Math.min(maxBytes + 1, Integer.MAX_VALUE - 16)));
    } catch (NoSuchFileException e) {
      throw new CheckpointException(where + " is missing: " + file, e);
    } catch (IOException e) {
      throw new CheckpointException("Cannot read " + file + ": " + e.getMessage(), e);
    }
    if (bytes.length > maxBytes) {
      throw new CheckpointException(
          where + " grew beyond " + maxBytes + " bytes, the most that is read: " + file);
    }
    FileKind.refuseStandIns(file, bytes);
    return parse(where, bytes);
  }

  /**
   * Reads JSON text that is at hand.
   *
   * @param name what messages call it, for example the name of its file
   * @param utf8 the text of one JSON object
   */
  public static JsonMap parse(String name, byte[] utf8) {
    return new JsonMap(name, "", StrictJson.object(name, utf8));
  }

  /** {@return the names of the members, in file order, those that are null as well} */
  public Set<String> keys() {
    return members.keySet();
  }

  /** {@return whether the member is there and not null} */
  public boolean has(String key) {
    return members.get(key) != null;
  }

  /** {@return what stands under the key} */
  public Kind kind(String key) {
    Object value = members.get(key);
    if (value == null) {
      return members.containsKey(key) ? Kind.NULL : Kind.ABSENT;
    }
    return kindOf(value);
  }

  /** {@return the object under the key} */
  public JsonMap object(String key) {
    return new JsonMap(file, pathOf(key), members(value(key, "an object"), key, "an object"));
  }

  /** {@return the integer under the key, refused outside min to max} */
  public int integer(String key, int min, int max) {
    return (int) integer(key, (long) min, (long) max);
  }

  /** {@return the integer under the key, or the default if it is absent or null} */
  public int integerOr(String key, int orElse, int min, int max) {
    return has(key) ? integer(key, min, max) : orElse;
  }

  /** {@return the integer under the key, refused outside min to max} */
  public long integer(String key, long min, long max) {
    return integer(value(key, range("an integer", min, max)), key, min, max);
  }

  /** {@return the integer under the key, or the default if it is absent or null} */
  public long integerOr(String key, long orElse, long min, long max) {
    return has(key) ? integer(key, min, max) : orElse;
  }

  /** {@return the number under the key, refused outside min to max, and if it is not finite} */
  public double number(String key, double min, double max) {
    return number(value(key, range("a number", min, max)), key, min, max);
  }

  /** {@return the number under the key, or the default if it is absent or null} */
  public double numberOr(String key, double orElse, double min, double max) {
    return has(key) ? number(key, min, max) : orElse;
  }

  /** {@return the string under the key} */
  public String string(String key) {
    return string(value(key, "a string"), key);
  }

  /** {@return the string under the key, or the default if it is absent or null} */
  public String stringOr(String key, String orElse) {
    return has(key) ? string(key) : orElse;
  }

  /** {@return the boolean under the key} */
  public boolean bool(String key) {
    Object value = value(key, "true or false");
    if (value instanceof Boolean) {
      return (Boolean) value;
    }
    throw wrong(key, value, "true or false");
  }

  /** {@return the boolean under the key, or the default if it is absent or null} */
  public boolean boolOr(String key, boolean orElse) {
    return has(key) ? bool(key) : orElse;
  }

  /** {@return the array of strings under the key} */
  public List<String> strings(String key) {
    List<String> strings = new ArrayList<>();
    for (Object element : array(key, "an array of strings")) {
      strings.add(string(element, key + "[" + strings.size() + "]"));
    }
    return List.copyOf(strings);
  }

  /** {@return the array of integers under the key, each refused outside min to max} */
  public List<Long> integers(String key, long min, long max) {
    List<Long> integers = new ArrayList<>();
    for (Object element : array(key, "an array of integers")) {
      integers.add(integer(element, key + "[" + integers.size() + "]", min, max));
    }
    return List.copyOf(integers);
  }

  /** {@return the array of numbers under the key, each refused outside min to max} */
  public List<Double> numbers(String key, double min, double max) {
    List<Double> numbers = new ArrayList<>();
    for (Object element : array(key, "an array of numbers")) {
      numbers.add(number(element, key + "[" + numbers.size() + "]", min, max));
    }
    return List.copyOf(numbers);
  }

  /** {@return the array of objects under the key} */
  public List<JsonMap> objects(String key) {
    List<JsonMap> objects = new ArrayList<>();
    for (Object element : array(key, "an array of objects")) {
      String name = key + "[" + objects.size() + "]";
      objects.add(new JsonMap(file, pathOf(name), members(element, name, "an object")));
    }
    return List.copyOf(objects);
  }

  /**
   * The error for a value that is well-formed but wrong for another reason, in the same words.
   *
   * @param key the member
   * @param expected what was expected, for example {@code "a divisor of hidden_size 4096"}
   */
  public CheckpointException refuse(String key, String expected) {
    return wrong(key, members.get(key), expected);
  }

  /** {@return the file and the path inside it, as messages show them} */
  @Override
  public String toString() {
    return path.isEmpty() ? file : file + ": " + path;
  }

  private Object value(String key, String expected) {
    Object value = members.get(Objects.requireNonNull(key, "key"));
    if (value == null) {
      String state = members.containsKey(key) ? " is null" : " is missing";
      throw new CheckpointException(file + ": " + pathOf(key) + state + "; expected " + expected);
    }
    return value;
  }

  private List<?> array(String key, String expected) {
    Object value = value(key, expected);
    if (value instanceof List) {
      return (List<?>) value;
    }
    throw wrong(key, value, expected);
  }

  @SuppressWarnings("unchecked")
  private Map<String, Object> members(Object value, String key, String expected) {
    if (value instanceof Map) {
      return (Map<String, Object>) value;
    }
    throw wrong(key, value, expected);
  }

  private String string(Object value, String key) {
    if (value instanceof String) {
      return (String) value;
    }
    throw wrong(key, value, "a string");
  }

  private long integer(Object value, String key, long min, long max) {
    if (value instanceof Long && (Long) value >= min && (Long) value <= max) {
      return (Long) value;
    }
    throw wrong(key, value, range(value instanceof Long ? "" : "an integer", min, max));
  }

  private double number(Object value, String key, double min, double max) {
    double number = Double.NaN;
    if (value instanceof Long) {
      number = ((Long) value).doubleValue();
    } else if (value instanceof StrictJson.Decimal) {
      number = ((StrictJson.Decimal) value).value();
    }
    if (Double.isFinite(number) && number >= min && number <= max) {
      return number;
    }
    throw wrong(key, value, range(Double.isNaN(number) ? "a number" : "", min, max));
  }

  private CheckpointException wrong(String key, Object value, String expected) {
    return new CheckpointException(
        file + ": " + pathOf(key) + " is " + shown(value) + "; expected " + expected);
  }

  private String pathOf(String key) {
    return path.isEmpty() ? Shown.name(key) : path + "." + Shown.name(key);
  }

  private static String range(String what, Object min, Object max) {
    return what + (what.isEmpty() ? "" : " from ") + min + " to " + max;
  }

  private static String shown(Object value) {
    if (value == null) {
      return "null";
    }
    switch (kindOf(value)) {
      case OBJECT:
        return "an object";
      case ARRAY:
        return "an array of " + ((List<?>) value).size();
      case STRING:
        return '"' + Shown.name((String) value) + '"';
      case NUMBER:
        return value instanceof StrictJson.Decimal
            ? Shown.name(((StrictJson.Decimal) value).literal())
            : value.toString();
      default:
        return value.toString();
    }
  }

  private static Kind kindOf(Object value) {
    if (value instanceof Map) {
      return Kind.OBJECT;
    }
    if (value instanceof List) {
      return Kind.ARRAY;
    }
    if (value instanceof String) {
      return Kind.STRING;
    }
    return value instanceof Boolean ? Kind.BOOL : Kind.NUMBER;
  }
}
