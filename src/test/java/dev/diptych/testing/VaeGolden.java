package dev.diptych.testing;

import dev.diptych.core.engine.OnnxWeights;
import dev.diptych.core.vae.VaeConfig;
import dev.diptych.core.vae.VaeLayout;
import dev.diptych.core.weights.Checkpoint;
import dev.diptych.core.weights.JsonMap;
import java.nio.file.Path;

/** A tiny KL coder, and what the reference computed with it for latents of one size. */
public final class VaeGolden implements AutoCloseable {
  private final Path folder;
  private final Checkpoint checkpoint;
  private final String prefix;
  private final Golden golden;
  private final int rows;
  private final int columns;

  /**
   * Opens a coder.
   *
   * @param coder a folder below {@code golden/vae}, then a file of it where there are two
   * @param size rows x columns of latents, such as {@code 8x8}
   */
  public VaeGolden(String coder, String size) {
    String[] path = coder.split("/");
    this.folder = Golden.folder("vae/" + path[0]);
    boolean original = path.length > 1;
    this.prefix = original ? "first_stage_model." : "";
    String file =
        path[0].equals("flux")
            ? "ae.safetensors"
            : original ? "original.safetensors" : "diffusion_pytorch_model.safetensors";
    this.checkpoint = Checkpoint.openFile(folder.resolve(file));
    this.golden = Golden.open("vae/" + path[0]);
    this.rows = Integer.parseInt(size.split("x")[0]);
    this.columns = Integer.parseInt(size.split("x")[1]);
  }

  /** {@return what config.json says} */
  public VaeConfig config() {
    return VaeConfig.read(JsonMap.read(folder.resolve("config.json"), 1 << 16));
  }

  /** {@return how the tensors are named} */
  public VaeLayout layout() {
    return VaeLayout.of(checkpoint, prefix);
  }

  /** {@return the tensors} */
  public OnnxWeights weights() {
    return OnnxWeights.of(checkpoint, prefix);
  }

  /** {@return the file of the tensors} */
  public Checkpoint checkpoint() {
    return checkpoint;
  }

  /** {@return what stands before the tensors' names} */
  public String prefix() {
    return prefix;
  }

  /** {@return the folder} */
  public Path folder() {
    return folder;
  }

  /** {@return rows of latents} */
  public int rows() {
    return rows;
  }

  /** {@return columns of latents} */
  public int columns() {
    return columns;
  }

  /** {@return a float32 tensor of this size of latents} */
  public float[] floats(String name) {
    return golden.floats(rows + "x" + columns + "." + name);
  }

  /** {@return [Y, X, 3] uint8, the picture} */
  public byte[] rgb() {
    return golden.bytes(rows + "x" + columns + ".rgb");
  }

  @Override
  public void close() {
    golden.close();
    checkpoint.close();
  }
}
