package dev.diptych.testing;

import com.google.gson.JsonElement;
import dev.diptych.core.engine.OnnxWeights;
import dev.diptych.core.vq.VqConfig;
import dev.diptych.core.weights.Checkpoint;
import java.util.stream.StreamSupport;

/** The VQ coder of a tiny checkpoint, and what the reference computed with it. */
public final class VqGolden implements AutoCloseable {
  private final String layout;
  private final Checkpoint checkpoint;
  private final Golden golden;

  private VqGolden(String layout) {
    this.layout = layout;
    this.checkpoint = Checkpoint.open(Golden.folder("janus/" + layout + "/checkpoint"));
    this.golden = Golden.open("janus/" + layout + "/vq");
  }

  /** Opens a folder below {@code golden/janus}. */
  public static VqGolden open(String layout) {
    return new VqGolden(layout);
  }

  /** {@return the checkpoint} */
  public Checkpoint checkpoint() {
    return checkpoint;
  }

  /** {@return what stands before the coder's tensors} */
  public String prefix() {
    return layout.equals("hf") ? "model.vqmodel." : "gen_vision_model.";
  }

  /** {@return the sizes, read off the shapes} */
  public VqConfig config() {
    long[] latents = golden.shape("encode.latents");
    return VqConfig.infer(checkpoint, prefix(), (int) latents[2]);
  }

  /** {@return the coder's tensors} */
  public OnnxWeights weights() {
    return OnnxWeights.of(checkpoint, prefix());
  }

  /** {@return the codes of the case's picture} */
  public int[] codes() {
    return StreamSupport.stream(
            Golden.facts("janus/" + layout + "/vq").getAsJsonArray("codes").spliterator(), false)
        .mapToInt(JsonElement::getAsInt)
        .toArray();
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
