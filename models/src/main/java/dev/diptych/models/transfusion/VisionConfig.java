package dev.diptych.models.transfusion;

import dev.diptych.core.UnsupportedModelException;
import dev.diptych.core.weights.JsonMap;
import java.util.List;

/**
 * How pictures that are read become rows of words (LLaVAFusion): keys and defaults of {@code
 * LlavaConfig} and {@code CLIPVisionConfig} of huggingface/transformers v5.18.0, the projector's
 * beside {@code vision_config}.
 *
 * @param hiddenSize width of the tower
 * @param intermediateSize width within a layer
 * @param numHiddenLayers layers of the tower
 * @param numAttentionHeads heads of a layer
 * @param imageSize pixels across the picture
 * @param patchSize pixels across a patch
 * @param layerNormEps added to the variance, above 0
 * @param quickGelu whether GELU is {@code x * sigmoid(1.702 x)}, and not the exact one
 * @param layers how many layers the features have passed
 * @param classToken whether the token before the patches is among the features
 * @param projectorBias whether the projector's two matrices have biases
 * @see <a href="https://arxiv.org/abs/2310.03744">LLaVA 1.5, §3.3</a>
 */
record VisionConfig(
    int hiddenSize,
    int intermediateSize,
    int numHiddenLayers,
    int numAttentionHeads,
    int imageSize,
    int patchSize,
    double layerNormEps,
    boolean quickGelu,
    int layers,
    boolean classToken,
    boolean projectorBias) {

  /**
   * Reads a config.json that has a {@code vision_config}.
   *
   * @throws dev.diptych.core.CheckpointException if a value is out of range
   * @throws UnsupportedModelException if the tower or its projector is of another kind
   */
  static VisionConfig read(JsonMap json) {
    JsonMap tower = json.object("vision_config");
    known(tower, "model_type", "clip_vision_model", List.of("clip_vision_model"));
    known(json, "projector_hidden_act", "gelu", List.of("gelu"));
    int width = tower.integerOr("hidden_size", 768, 1, 1 << 16);
    int heads = tower.integerOr("num_attention_heads", 12, 1, 1 << 12);
    if (width % heads != 0) {
      throw tower.refuse("hidden_size", "a multiple of num_attention_heads " + heads);
    }
    int side = tower.integerOr("image_size", 224, 1, 1 << 13);
    int patch = tower.integerOr("patch_size", 32, 1, 1 << 10);
    if (side % patch != 0) {
      throw tower.refuse("image_size", "a multiple of patch_size " + patch);
    }
    int layers = tower.integerOr("num_hidden_layers", 12, 1, 1024);
    return new VisionConfig(
        width,
        tower.integerOr("intermediate_size", 3072, 1, 1 << 20),
        layers,
        heads,
        side,
        patch,
        tower.numberOr("layer_norm_eps", 1e-5, 1e-12, 0.5),
        known(tower, "hidden_act", "quick_gelu", List.of("quick_gelu", "gelu"))
            .equals("quick_gelu"),
        layers(json, layers),
        known(json, "vision_feature_select_strategy", "default", List.of("default", "full"))
            .equals("full"),
        json.boolOr("multimodal_projector_bias", true));
  }

  /** Of the hidden states, the first of which is before all layers, counted from either end. */
  private static int layers(JsonMap json, int all) {
    String key = "vision_feature_layer";
    if (json.kind(key) == JsonMap.Kind.ARRAY) {
      throw new UnsupportedModelException(
          json + ": " + key + " is a list; this library reads the features of one layer");
    }
    int layer = json.integerOr(key, -2, -all - 1, all);
    return layer < 0 ? all + 1 + layer : layer;
  }

  private static String known(JsonMap json, String key, String orElse, List<String> known) {
    String found = json.stringOr(key, orElse);
    if (!known.contains(found)) {
      throw new UnsupportedModelException(
          json + ": " + key + " is " + found + "; this library knows " + String.join(", ", known));
    }
    return found;
  }

  /** {@return K} */
  int headDim() {
    return hiddenSize / numAttentionHeads;
  }

  /** {@return patches of a picture} */
  int patches() {
    return (imageSize / patchSize) * (imageSize / patchSize);
  }

  /** {@return bytes of work that a picture takes in the widest layer} */
  long workBytes(int bytesPerNumber) {
    return (patches() + 1L) * (5L * hiddenSize + intermediateSize) * bytesPerNumber;
  }

  /** {@return rows that a picture becomes} */
  int rows() {
    return patches() + (classToken ? 1 : 0);
  }
}
