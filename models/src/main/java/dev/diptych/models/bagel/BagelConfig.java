package dev.diptych.models.bagel;

import dev.diptych.core.CheckpointException;
import dev.diptych.core.UnsupportedModelException;
import dev.diptych.core.vae.VaeConfig;
import dev.diptych.core.weights.Checkpoint;
import dev.diptych.core.weights.JsonMap;
import java.util.List;

/**
 * What llm_config.json, vit_config.json and config.json say, with what the reference's program
 * changes of it (ByteDance-Seed/Bagel@056b5fd, app.py): queries and keys are normalised, the output
 * head is not tied, and the vision tower's last layer is not run. Sizes of tables are read off the
 * tensors: the program has them in its text, and config.json is not asked there.
 *
 * @param text the language model, twice
 * @param vision the vision tower
 * @param latentPatchSize latents a side of one token that is drawn
 * @param maxLatentSize tokens a side of the largest picture that is drawn
 * @param maxVisionPatches patches a side of the largest picture that the tower reads
 * @param vae the picture coder
 */
record BagelConfig(
    Text text,
    Vision vision,
    int latentPatchSize,
    int maxLatentSize,
    int maxVisionPatches,
    VaeConfig vae) {
  /** Pixels across a picture of FLUX's training, which no tensor tells; tiles are as large. */
  private static final int VAE_SAMPLE_SIZE = 256;

  /** Qwen2, in which queries, keys and values have biases. */
  record Text(
      int vocabSize,
      int hiddenSize,
      int intermediateSize,
      int numHiddenLayers,
      int numAttentionHeads,
      int numKeyValueHeads,
      int maxPositionEmbeddings,
      double rmsNormEps,
      double ropeTheta) {

    int headDim() {
      return hiddenSize / numAttentionHeads;
    }

    static Text read(JsonMap json) {
      int hidden = json.integer("hidden_size", 1, 1 << 20);
      int heads = json.integer("num_attention_heads", 1, 1 << 16);
      if (hidden % (2 * heads) != 0) {
        throw json.refuse(
            "hidden_size", "an even multiple of num_attention_heads " + heads + ", for rotary positions");
      }
      int kvHeads = json.integerOr("num_key_value_heads", heads, 1, 1 << 16);
      if (heads % kvHeads != 0) {
        throw json.refuse("num_key_value_heads", "a divisor of num_attention_heads " + heads);
      }
      if (json.has("rope_scaling")) {
        throw new UnsupportedModelException(
            json + ": rope_scaling is set; this library runs BAGEL without");
      }
      requireName(json, "hidden_act", "silu");
      return new Text(
          json.integer("vocab_size", 1, 1 << 24),
          hidden,
          json.integer("intermediate_size", 1, 1 << 22),
          json.integer("num_hidden_layers", 1, 4096),
          heads,
          kvHeads,
          json.integerOr("max_position_embeddings", 32768, 1, 1 << 24),
          json.numberOr("rms_norm_eps", 1e-6, 1e-12, 1),
          json.numberOr("rope_theta", 10000, 1, 1e12));
    }
  }

  /**
   * SigLIP without a pooling head, whose patches are a linear's input.
   *
   * @param numHiddenLayers layers that are run, one less than the file says
   */
  record Vision(
      int hiddenSize,
      int intermediateSize,
      int numHiddenLayers,
      int numAttentionHeads,
      int patchSize,
      double layerNormEps) {

    int headDim() {
      return hiddenSize / numAttentionHeads;
    }

    static Vision read(JsonMap json) {
      int hidden = json.integer("hidden_size", 1, 1 << 20);
      int heads = json.integer("num_attention_heads", 1, 1 << 16);
      if (hidden % heads != 0) {
        throw json.refuse("hidden_size", "a multiple of num_attention_heads " + heads);
      }
      requireName(json, "hidden_act", "gelu_pytorch_tanh");
      if (json.integerOr("num_channels", 3, 1, 1 << 10) != 3) {
        throw json.refuse("num_channels", "3");
      }
      return new Vision(
          hidden,
          json.integer("intermediate_size", 1, 1 << 22),
          json.integer("num_hidden_layers", 2, 4096) - 1,
          heads,
          json.integer("patch_size", 1, 1 << 12),
          json.numberOr("layer_norm_eps", 1e-6, 1e-12, 1));
    }
  }

  /**
   * Reads the three files.
   *
   * @param checkpoint the tensors, the coder's behind {@link BagelFiles#VAE}
   * @throws CheckpointException if a value is out of range
   * @throws UnsupportedModelException if it is no BAGEL, or one with a part that is not known
   */
  static BagelConfig read(JsonMap config, JsonMap llm, JsonMap vit, Checkpoint checkpoint) {
    requireName(config, "model_type", BagelFiles.MODEL_TYPE);
    requireName(config, "connector_act", "gelu_pytorch_tanh");
    for (String part : List.of("visual_gen", "visual_und")) {
      if (!config.boolOr(part, true)) {
        throw new UnsupportedModelException(
            config + ": " + part + " is false; this library runs BAGEL with both");
      }
    }
    if (config.boolOr("interpolate_pos", false)) {
      throw new UnsupportedModelException(
          config + ": interpolate_pos is true; this library runs false");
    }
    VaeConfig vae =
        VaeConfig.infer(
            checkpoint,
            BagelFiles.VAE,
            VAE_SAMPLE_SIZE,
            VaeConfig.FLUX_SCALING,
            VaeConfig.FLUX_SHIFT);
    BagelConfig found =
        new BagelConfig(
            Text.read(llm),
            Vision.read(vit),
            config.integerOr("latent_patch_size", 2, 1, 64),
            side(checkpoint, "latent_pos_embed.pos_embed"),
            side(checkpoint, "vit_pos_embed.pos_embed"),
            vae);
    requireLatents(checkpoint, found);
    return found;
  }

  private static void requireLatents(Checkpoint checkpoint, BagelConfig config) {
    List<Long> shape = checkpoint.spec("vae2llm.weight").shape();
    if (shape.size() == 2 && shape.get(1) != config.latentWidth()) {
      int area = config.latentPatchSize * config.latentPatchSize;
      throw new CheckpointException(
          "The picture coder disagrees with the model\n  expected latents of "
              + shape.get(1) / (double) area
              + " channels ("
              + shape.get(1)
              + " columns of vae2llm.weight, "
              + area
              + " latents a token)\n  found    "
              + config.vae.latentChannels()
              + " in "
              + BagelFiles.VAE_FILE
              + "\n  Is "
              + BagelFiles.VAE_FILE
              + " from the same checkpoint?");
    }
  }

  /** The side of a square table of positions. */
  private static int side(Checkpoint checkpoint, String name) {
    List<Long> shape = checkpoint.spec(name).shape();
    long rows = shape.isEmpty() ? 0 : shape.get(0);
    int side = (int) Math.round(Math.sqrt(rows));
    if (shape.size() != 2 || side < 1 || (long) side * side != rows || side > 1 << 12) {
      throw new CheckpointException(
          "Cannot tell how large pictures may be\n  expected "
              + name
              + " [a square number, D]\n  found    "
              + shape);
    }
    return side;
  }

  private static void requireName(JsonMap json, String key, String expected) {
    String found = json.stringOr(key, expected);
    if (!found.equals(expected)) {
      throw new UnsupportedModelException(
          json + ": " + key + " is " + found + "; this library runs " + expected);
    }
  }

  /** {@return numbers of one token that is drawn, p * p * C} */
  int latentWidth() {
    return latentPatchSize * latentPatchSize * vae.latentChannels();
  }

  /** {@return pixels a side of one token that is drawn: sides of pictures are multiples of it} */
  int cell() {
    return latentPatchSize * vae.patchSize();
  }

  /** {@return pixels of the longest side that is drawn or edited} */
  int maxImageSide() {
    return maxLatentSize * cell();
  }
}
