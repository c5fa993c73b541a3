package dev.diptych.testing;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import dev.diptych.core.engine.OnnxWeights;
import dev.diptych.core.vq.VqConfig;
import dev.diptych.core.vq.VqLayout;
import dev.diptych.core.weights.Checkpoint;
import java.nio.FloatBuffer;
import java.util.Optional;
import java.util.stream.StreamSupport;

/** The VQ coder of a tiny checkpoint, and what the reference computed with it for one picture. */
public final class VqGolden implements AutoCloseable {
  private final Checkpoint checkpoint;
  private final String prefix;
  private final Golden golden;
  private final JsonObject facts;
  private final String tensorPrefix;
  private final Optional<VqLayout> layout;

  private VqGolden(
      Checkpoint checkpoint,
      String prefix,
      String folder,
      Optional<VqLayout> layout,
      Optional<String> picture) {
    this.checkpoint = checkpoint;
    this.prefix = prefix;
    this.golden = Golden.open(folder);
    this.layout = layout;
    this.tensorPrefix = picture.map(name -> name + ".").orElse("");
    JsonObject whole = Golden.facts(folder);
    this.facts = picture.map(whole::getAsJsonObject).orElse(whole);
  }

  /** Opens a Janus: a folder below {@code golden/janus}. */
  public static VqGolden open(String folder) {
    return new VqGolden(
        Checkpoint.open(Golden.folder("janus/" + folder + "/checkpoint")),
        folder.equals("hf") ? "model.vqmodel." : "gen_vision_model.",
        "janus/" + folder + "/vq",
        Optional.empty(),
        Optional.empty());
  }

  /**
   * Opens a Chameleon.
   *
   * @param kind {@code meta} (with a decoder, in a pickle) or {@code hf} (without, below a prefix)
   * @param picture {@code square}, or {@code wide} of meta, or {@code tall} of hf
   */
  public static VqGolden chameleon(String kind, String picture) {
    String folder = "chameleon/vq/" + kind;
    boolean meta = kind.equals("meta");
    return new VqGolden(
        Checkpoint.openFile(
            Golden.folder(folder).resolve(meta ? "vqgan.ckpt" : "model.safetensors")),
        meta ? "" : "model.vqmodel.",
        folder,
        Optional.of(VqLayout.TAMING),
        Optional.of(picture));
  }

  /** {@return the checkpoint} */
  public Checkpoint checkpoint() {
    return checkpoint;
  }

  /** {@return what stands before the coder's tensors} */
  public String prefix() {
    return prefix;
  }

  /** {@return the sizes, read off the shapes} */
  public VqConfig config() {
    return layout
        .map(known -> VqConfig.infer(checkpoint, prefix, 6, known))
        .orElseGet(
            () ->
                VqConfig.infer(checkpoint, prefix, (int) golden.shape("encode.latents")[2]));
  }

  /** {@return the coder's tensors} */
  public OnnxWeights weights() {
    return OnnxWeights.of(checkpoint, prefix);
  }

  /** {@return the codes of the case's picture} */
  public int[] codes() {
    return StreamSupport.stream(facts.getAsJsonArray("codes").spliterator(), false)
        .mapToInt(JsonElement::getAsInt)
        .toArray();
  }

  /** {@return rows of codes of the case's picture} */
  public int rows() {
    return facts.has("rows") ? facts.get("rows").getAsInt() : config().gridSize();
  }

  /** {@return columns of codes of the case's picture} */
  public int columns() {
    return facts.has("columns") ? facts.get("columns").getAsInt() : config().gridSize();
  }

  /** {@return [1, 3, Y, X] float32, what was encoded} */
  public FloatBuffer pixels() {
    return FloatBuffer.wrap(golden.floats(tensorPrefix + "encode.pixels"));
  }

  /** {@return [1, 3, Y, X] float32, what the codes decode to} */
  public float[] decoded() {
    return golden.floats(tensorPrefix + "decode.pixels");
  }

  /** {@return [Y, X, 3] uint8, the picture of the codes} */
  public byte[] rgb() {
    return golden.bytes(tensorPrefix + "decode.rgb");
  }

  /** {@return the case's tensors} */
  public Golden tensors() {
    return golden;
  }

  @Override
  public void close() {
    golden.close();
    checkpoint.close();
  }
}
