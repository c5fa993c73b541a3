package dev.diptych.testing;

import com.google.gson.Gson;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import dev.diptych.core.engine.OnnxWeights;
import dev.diptych.core.vq.Emu3VqConfig;
import dev.diptych.core.weights.Checkpoint;
import dev.diptych.core.weights.JsonMap;
import java.nio.FloatBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.stream.StreamSupport;

/** A tiny coder of Emu3, and what transformers computed with it for one picture. */
public final class Emu3VqGolden implements AutoCloseable {
  private final JsonObject facts;
  private final String picture;
  private final Checkpoint checkpoint;
  private final Golden golden;

  private Emu3VqGolden(String kind, String picture) {
    String folder = "emu3/vq/" + kind;
    this.facts = Golden.facts(folder);
    this.picture = picture;
    this.checkpoint = Checkpoint.openFile(Golden.folder(folder).resolve("model.safetensors"));
    this.golden = Golden.open(folder);
  }

  /**
   * Opens a coder.
   *
   * @param kind {@code long} (four frames a code) or {@code plain} (one)
   * @param picture {@code square}; {@code wide} of long; {@code tall} and {@code lots} of plain
   */
  public static Emu3VqGolden open(String kind, String picture) {
    return new Emu3VqGolden(kind, picture);
  }

  /** {@return the checkpoint} */
  public Checkpoint checkpoint() {
    return checkpoint;
  }

  /** {@return what stands before the coder's tensors} */
  public String prefix() {
    return facts.get("prefix").getAsString();
  }

  /** {@return the sizes of its vq_config} */
  public Emu3VqConfig config() {
    return config(Map.of());
  }

  /** {@return the sizes of its vq_config with other members} */
  public Emu3VqConfig config(Map<String, ?> others) {
    JsonObject vq = facts.getAsJsonObject("vq_config").deepCopy();
    Gson gson = new Gson();
    others.forEach((key, value) -> vq.add(key, gson.toJsonTree(value)));
    return Emu3VqConfig.read(
        JsonMap.parse("config.json", vq.toString().getBytes(StandardCharsets.UTF_8)));
  }

  /** {@return the coder's tensors} */
  public OnnxWeights weights() {
    return OnnxWeights.of(checkpoint, prefix());
  }

  /** {@return the codes of the picture} */
  public int[] codes() {
    return StreamSupport.stream(
            facts.getAsJsonObject(picture).getAsJsonArray("codes").spliterator(), false)
        .mapToInt(JsonElement::getAsInt)
        .toArray();
  }

  /** {@return rows of codes} */
  public int rows() {
    return facts.getAsJsonObject(picture).get("rows").getAsInt();
  }

  /** {@return columns of codes} */
  public int columns() {
    return facts.getAsJsonObject(picture).get("columns").getAsInt();
  }

  /** {@return three values of the case, such as {@code image_mean}} */
  public double[] three(String key) {
    return StreamSupport.stream(facts.getAsJsonArray(key).spliterator(), false)
        .mapToDouble(JsonElement::getAsDouble)
        .toArray();
  }

  /** {@return [1, 3, Y, X] float32, what was encoded} */
  public FloatBuffer pixels() {
    return FloatBuffer.wrap(golden.floats(picture + ".encode.pixels"));
  }

  /** {@return [1, 3, Y, X] float32, what the codes decode to} */
  public float[] decoded() {
    return golden.floats(picture + ".decode.pixels");
  }

  /** {@return [Y, X, 3] uint8, the picture of the codes} */
  public byte[] rgb() {
    return golden.bytes(picture + ".decode.rgb");
  }

  @Override
  public void close() {
    golden.close();
    checkpoint.close();
  }
}
