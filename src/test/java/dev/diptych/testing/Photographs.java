package dev.diptych.testing;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.gson.Gson;
import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import dev.diptych.core.Image;
import dev.diptych.core.weights.JsonMap;
import dev.diptych.tokenizers.ImageFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.Map;
import java.util.function.BiConsumer;
import java.util.function.Function;
import java.util.stream.StreamSupport;

/** The photographs, and what a preprocessing golden says of them. */
public final class Photographs {
  private Photographs() {}

  /** {@return a photograph of {@code golden/image}} */
  public static Image read(String name) {
    return ImageFile.read(Golden.folder("image/photographs").resolve(name + ".png"));
  }

  /**
   * Holds every photograph's pixel values against the golden's digests: equal to the last bit.
   *
   * @param expected shape and sha256 by photograph
   * @param pixelValues what our code makes of one
   */
  public static void check(JsonObject expected, Function<Image, float[]> pixelValues) {
    assertThat(expected.keySet()).hasSize(6);
    for (String name : expected.keySet()) {
      JsonObject facts = expected.getAsJsonObject(name);

      float[] found = pixelValues.apply(read(name));

      int count = 1;
      for (var size : facts.getAsJsonArray("shape")) {
        count *= size.getAsInt();
      }
      assertThat(found).as(name).hasSize(count);
      assertThat(sha256(found)).as(name).isEqualTo(facts.get("sha256").getAsString());
    }
  }

  /** Goes through the rows of a golden's table of sizes. */
  public static void forEachRow(JsonObject golden, BiConsumer<String, int[]> check) {
    JsonArray rows = golden.getAsJsonArray("sizes");
    assertThat(rows).hasSizeGreaterThan(100);
    for (var row : rows) {
      int[] numbers =
          StreamSupport.stream(row.getAsJsonArray().spliterator(), false)
              .mapToInt(number -> number.getAsInt())
              .toArray();
      check.accept(numbers[0] + " x " + numbers[1], numbers);
    }
  }

  /** {@return a preprocessor_config.json of a golden, with other members} */
  public static JsonMap config(JsonObject json, Map<String, ?> others) {
    JsonObject copy = json.deepCopy();
    Gson gson = new Gson();
    others.forEach((key, value) -> copy.add(key, gson.toJsonTree(value)));
    return JsonMap.parse(
        "preprocessor_config.json", copy.toString().getBytes(StandardCharsets.UTF_8));
  }

  private static String sha256(float[] values) {
    ByteBuffer bytes =
        ByteBuffer.allocate(Float.BYTES * values.length).order(ByteOrder.LITTLE_ENDIAN);
    bytes.asFloatBuffer().put(values);
    try {
      return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes.array()));
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError(e);
    }
  }
}
