package dev.diptych.models.deepseek;

import dev.diptych.core.CheckpointException;
import dev.diptych.core.UnsupportedModelException;
import dev.diptych.core.engine.WeightLoader.Slice;
import dev.diptych.core.weights.Checkpoint;
import dev.diptych.core.weights.JsonMap;
import dev.diptych.core.weights.TensorSpec;
import dev.diptych.core.weights.Weights;
import java.util.List;
import java.util.Map;

/**
 * A SigLIP tower as timm names it, the {@code CLIPVisionTower} of deepseek-ai/Janus@1daa72f
 * (janus/models/siglip_vit.py). No key tells its sizes: all but the number of heads are read off the
 * tensors' shapes. The script {@code core/nn/siglip} knows transformers' names, so the tensors get
 * those here, and the fused attention weights become slices of rows.
 *
 * @param imageSize pixels across what it reads
 * @param patchSize pixels across a patch
 * @param hiddenSize D, a multiple of 64, the width of every head
 * @param numHiddenLayers L
 * @param intermediateSize F
 */
public record TimmSiglip(
    int imageSize, int patchSize, int hiddenSize, int numHiddenLayers, int intermediateSize) {

  /** Added to the variance by every normalisation. */
  public static final double LAYER_NORM_EPS = 1e-6;

  // SigLIP-B, -L and -SO400M/14 in janus/models/siglip_vit.py: width / heads
  private static final int HEAD_DIM = 64;

  /**
   * Reads the sizes.
   *
   * @param params what config.json says of the tower
   * @param tower what stands before its tensors, the last dot included
   * @throws CheckpointException if the shapes are not a tower's
   * @throws UnsupportedModelException if it is another tower, or not its last layer is read
   */
  public static TimmSiglip infer(JsonMap params, Checkpoint checkpoint, String tower) {
    List<Long> patch = checkpoint.spec(tower + "patch_embed.proj.weight").shape();
    List<Long> fc1 = checkpoint.spec(tower + "blocks.0.mlp.fc1.weight").shape();
    if (patch.size() != 4 || fc1.size() != 2) {
      throw new CheckpointException(
          "Cannot read the sizes of the vision tower off its tensors\n  expected"
              + " patch_embed.proj.weight [D, 3, Y, X] and blocks.0.mlp.fc1.weight [F, D]\n"
              + "  found    "
              + patch
              + " and "
              + fc1);
    }
    int hidden = Math.toIntExact(patch.get(0));
    if (hidden % HEAD_DIM != 0) {
      throw new UnsupportedModelException(
          "The vision tower is "
              + hidden
              + " wide; expected a multiple of "
              + HEAD_DIM
              + ", the head width of every SigLIP in this layout");
    }
    if (!params.stringOr("select_feature", "same").equals("same")) {
      throw new UnsupportedModelException(
          params
              + ": select_feature is "
              + params.string("select_feature")
              + "; this library runs same");
    }
    if (params.integerOr("select_layer", -1, -4096, 4096) != -1) {
      throw params.refuse("select_layer", "-1, the last layer");
    }
    int layers = 0;
    while (checkpoint.names().contains(tower + "blocks." + layers + ".norm1.weight")) {
      layers++;
    }
    return new TimmSiglip(
        params.integerOr("image_size", 384, 1, 1 << 16),
        Math.toIntExact(patch.get(2)),
        hidden,
        layers,
        Math.toIntExact(fc1.get(0)));
  }

  /** {@return patches across a picture} */
  public int grid() {
    return imageSize / patchSize;
  }

  /** {@return patches of a picture} */
  public int patches() {
    return grid() * grid();
  }

  /** {@return K, the width of a head} */
  public int headDim() {
    return HEAD_DIM;
  }

  /**
   * Asks for every tensor of the tower.
   *
   * @param tower what stands before its tensors in the file, the last dot included
   * @param p what stands before them in the script, the last dot included
   * @param out what the script calls the projection behind the attention
   * @param slices gets what was found, by the names that the script knows
   */
  public void bind(
      Weights weights, String tower, String p, String out, Map<String, Slice> slices) {
    long d = hiddenSize;
    String patch = "embeddings.patch_embedding";
    Binding binding = new Binding(weights.at(tower), slices);
    binding.bind("patch_embed.proj.weight", p + patch + ".weight", d, 3, patchSize, patchSize);
    binding.bind("patch_embed.proj.bias", p + patch + ".bias", d);
    binding.bind("pos_embed", p + "embeddings.position_embedding.weight", 1, patches(), d);
    for (int i = 0; i < numHiddenLayers; i++) {
      String block = "blocks." + i + ".";
      String layer = p + "encoder.layers." + i + ".";
      binding.norm(block + "norm1", layer + "layer_norm1", d);
      binding.attention(block + "attn.qkv", layer + "self_attn.", d);
      binding.linear(block + "attn.proj", layer + "self_attn." + out, d, d);
      binding.norm(block + "norm2", layer + "layer_norm2", d);
      binding.linear(block + "mlp.fc1", layer + "mlp.fc1", intermediateSize, d);
      binding.linear(block + "mlp.fc2", layer + "mlp.fc2", d, intermediateSize);
    }
    binding.norm("norm", p + "post_layernorm", d);
    weights.ignore(
        tower + "attn_pool.*", "the pooling head; the model reads the tokens before it");
  }

  private record Binding(Weights tower, Map<String, Slice> slices) {
    void bind(String timm, String name, long... shape) {
      slices.put(name, Slice.of(tower.require(timm, shape)));
    }

    void norm(String timm, String name, long d) {
      bind(timm + ".weight", name + ".weight", d);
      bind(timm + ".bias", name + ".bias", d);
    }

    void linear(String timm, String name, long outputs, long inputs) {
      bind(timm + ".weight", name + ".weight", outputs, inputs);
      bind(timm + ".bias", name + ".bias", outputs);
    }

    /** Rows of one fused linear: queries, keys, values. */
    void attention(String timm, String name, long d) {
      TensorSpec weight = tower.require(timm + ".weight", 3 * d, d);
      TensorSpec bias = tower.require(timm + ".bias", 3 * d);
      List<String> parts = List.of("q_proj", "k_proj", "v_proj");
      for (int i = 0; i < parts.size(); i++) {
        String part = name + parts.get(i);
        slices.put(part + ".weight", new Slice(weight.name(), i * d, List.of(d, d)));
        slices.put(part + ".bias", new Slice(bias.name(), i * d, List.of(d)));
      }
    }
  }
}
