package dev.diptych.models.transfusion;

import dev.diptych.core.CheckpointException;
import dev.diptych.core.UnsupportedModelException;
import dev.diptych.core.weights.JsonMap;
import dev.diptych.models.denoising.DecoderConfig;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * What config.json says. There is no published checkpoint of the family: the keys are those of
 * {@code LlamaConfig} (huggingface/transformers v5.18.0), and a few more for pictures.
 *
 * @param decoder sizes of the Llama
 * @param bos the token that begins a conversation
 * @param eos the token that ends an answer
 * @param boi the token that opens a picture
 * @param eoi the token that closes it
 * @param sep the token that ends what the user says, if there is one
 * @param pad the token that fills batches in training, if there is one
 * @param latentChannels C of the latents
 * @param latentSize latents across a picture whose size nobody names
 * @param patchSize latents across a patch
 * @param unet the blocks between latents and patches; empty where one matrix does it
 * @param timeFrequencies width of the sinusoid by which the model is told the time
 * @param positionEmbedding whether patches have a learned position, which fixes the picture's size
 * @param vision how pictures are read that are asked about, where that is not by their latents
 *     (LLaVAFusion)
 */
record TransfusionConfig(
    DecoderConfig decoder,
    int bos,
    int eos,
    int boi,
    int eoi,
    OptionalInt sep,
    OptionalInt pad,
    int latentChannels,
    int latentSize,
    int patchSize,
    Optional<Unet> unet,
    int timeFrequencies,
    boolean positionEmbedding,
    Optional<VisionConfig> vision) {

  /** The model_type of checkpoints with one set of weights. */
  static final String TRANSFUSION = "transfusion";

  /** The model_type of checkpoints whose pictures have weights of their own. */
  static final String LMFUSION = "lmfusion";

  /**
   * The down and up blocks of a U-Net: keys of diffusers' {@code UNet2DModel}. Every level but the
   * last halves the picture, so a patch is {@code 2^(levels - 1)} latents across.
   *
   * @param blockOutChannels channels of each level
   * @param layersPerBlock residual blocks of a level on the way down; one more on the way up
   * @param normNumGroups groups of every normalisation
   * @param normEps added to the variance, above 0
   */
  record Unet(
      List<Integer> blockOutChannels, int layersPerBlock, int normNumGroups, double normEps) {
    static final Unet NONE = new Unet(List.of(), 0, 1, 1e-5);

    Unet {
      blockOutChannels = List.copyOf(blockOutChannels);
    }

    int levels() {
      return blockOutChannels.size();
    }

    private static Unet read(JsonMap json, int patchSize) {
      int groups = json.integerOr("norm_num_groups", 32, 1, 1 << 16);
      List<Integer> channels =
          json.integers("block_out_channels", 1, 1 << 16).stream().map(Long::intValue).toList();
      for (int c : channels) {
        if (c % groups != 0) {
          throw json.refuse("block_out_channels", "multiples of norm_num_groups " + groups);
        }
      }
      if (channels.isEmpty() || channels.size() > 8 || patchSize != 1 << (channels.size() - 1)) {
        throw json.refuse(
            "block_out_channels",
            "a level more than the times that patch_size " + patchSize + " is halved to 1");
      }
      return new Unet(
          channels,
          json.integerOr("layers_per_block", 2, 1, 16),
          groups,
          json.numberOr("norm_eps", 1e-5, 1e-12, 0.5));
    }
  }

  /**
   * Reads config.json.
   *
   * @throws CheckpointException if a value is out of range
   * @throws UnsupportedModelException if it is of another family, or has a part that is not known
   */
  static TransfusionConfig read(JsonMap json) {
    String type = json.stringOr("model_type", "none");
    if (!type.equals(TRANSFUSION) && !type.equals(LMFUSION)) {
      throw new UnsupportedModelException(
          "This is no Transfusion checkpoint\n  expected model_type " + TRANSFUSION + " or "
              + LMFUSION + " in config.json\n  found    " + type);
    }
    DecoderConfig decoder = decoder(json, type.equals(LMFUSION));
    int patch = json.integer("patch_size", 1, 64);
    int size = json.integer("latent_size", 1, 1 << 12);
    if (size % patch != 0) {
      throw json.refuse("latent_size", "a multiple of patch_size " + patch);
    }
    int frequencies = json.integerOr("time_frequencies", 256, 2, 1 << 16);
    if (frequencies % 2 != 0) {
      throw json.refuse("time_frequencies", "an even number");
    }
    TransfusionConfig config =
        new TransfusionConfig(
            decoder,
            id(json, "bos_token_id", decoder),
            id(json, "eos_token_id", decoder),
            id(json, "boi_token_id", decoder),
            id(json, "eoi_token_id", decoder),
            optionalId(json, "sep_token_id", decoder),
            optionalId(json, "pad_token_id", decoder),
            json.integer("latent_channels", 1, 1 << 12),
            size,
            patch,
            unet(json, patch),
            frequencies,
            json.boolOr("position_embedding", false),
            json.has("vision_config")
                ? Optional.of(VisionConfig.read(json))
                : Optional.empty());
    if (config.patches() + 3 > decoder.maxPositionEmbeddings()) {
      throw json.refuse(
          "max_position_embeddings",
          "at least " + (config.patches() + 3) + ", for one picture of " + config.patches()
              + " patches");
    }
    return config;
  }

  private static Optional<Unet> unet(JsonMap json, int patch) {
    String layers = json.stringOr("patch_layers", "linear");
    return switch (layers) {
      case "linear" -> Optional.empty();
      case "unet" -> Optional.of(Unet.read(json.object("unet"), patch));
      default ->
          throw new UnsupportedModelException(
              json + ": patch_layers is " + layers + "; this library knows linear and unet");
    };
  }

  private static DecoderConfig decoder(JsonMap json, boolean separate) {
    int hidden = json.integer("hidden_size", 1, 1 << 20);
    int heads = json.integer("num_attention_heads", 1, 1 << 16);
    int kvHeads = json.integerOr("num_key_value_heads", heads, 1, 1 << 16);
    if (!json.has("head_dim") && hidden % heads != 0) {
      throw json.refuse("hidden_size", "a multiple of num_attention_heads " + heads);
    }
    if (heads % kvHeads != 0) {
      throw json.refuse("num_key_value_heads", "a divisor of num_attention_heads " + heads);
    }
    if (!json.stringOr("hidden_act", "silu").equals("silu")) {
      throw new UnsupportedModelException(
          json + ": hidden_act is " + json.string("hidden_act") + "; this library knows silu");
    }
    for (String bias : List.of("attention_bias", "mlp_bias")) {
      if (json.boolOr(bias, false)) {
        throw new UnsupportedModelException(
            json + ": " + bias + " is true; this library knows Llamas without biases");
      }
    }
    return new DecoderConfig(
        json.integer("vocab_size", 1, 1 << 24),
        hidden,
        json.integer("intermediate_size", 1, 1 << 22),
        json.integer("num_hidden_layers", 1, 1024),
        heads,
        kvHeads,
        json.integerOr("head_dim", hidden / heads, 2, 1 << 16),
        json.numberOr("rms_norm_eps", 1e-6, 1e-12, 0.5),
        ropeTheta(json),
        json.integerOr("max_position_embeddings", 2048, 1, 1 << 24),
        json.boolOr("tie_word_embeddings", false),
        false,
        false,
        separate);
  }

  private static double ropeTheta(JsonMap json) {
    for (String key : List.of("rope_parameters", "rope_scaling")) {
      if (json.kind(key) == JsonMap.Kind.OBJECT) {
        JsonMap rope = json.object(key);
        String type = rope.stringOr("rope_type", rope.stringOr("type", "default"));
        if (!type.equals("default")) {
          throw new UnsupportedModelException(
              json + ": " + key + " has rope_type " + type + "; this library knows default");
        }
        if (rope.has("rope_theta")) {
          return rope.number("rope_theta", 1, 1e12);
        }
      }
    }
    return json.numberOr("rope_theta", 10_000, 1, 1e12);
  }

  private static int id(JsonMap json, String key, DecoderConfig decoder) {
    return json.integer(key, 0, decoder.vocabSize() - 1);
  }

  private static OptionalInt optionalId(JsonMap json, String key, DecoderConfig decoder) {
    return json.has(key) ? OptionalInt.of(id(json, key, decoder)) : OptionalInt.empty();
  }

  /** {@return patches of a picture of so many latents} */
  int patches(int rows, int columns) {
    return (rows / patchSize) * (columns / patchSize);
  }

  /** {@return patches of a picture whose size nobody names} */
  int patches() {
    return patches(latentSize, latentSize);
  }

  /** {@return the model_type} */
  String modelType() {
    return decoder.separate() ? LMFUSION : TRANSFUSION;
  }
}
