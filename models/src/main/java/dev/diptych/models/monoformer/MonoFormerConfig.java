package dev.diptych.models.monoformer;

import dev.diptych.core.CheckpointException;
import dev.diptych.core.UnsupportedModelException;
import dev.diptych.core.weights.JsonMap;
import dev.diptych.models.denoising.DecoderConfig;
import dev.diptych.models.denoising.SpanLayout;
import java.util.List;

/**
 * What config.json says: keys of {@code LlamaConfig}, and those that train.py of
 * MonoFormer/MonoFormer@8087266 adds to it. The published file has {@code adaln_before_decoder},
 * although the training configuration in the repository has {@code add_before_image_tokens}.
 *
 * @param decoder sizes of the Llama; its output head is not loaded
 * @param timeEmbedding how the decoder is told the time
 * @param imageTokenIndex the token that stands for the picture in a prompt
 * @param inChannels C of the latents
 * @param patchSize latents across a patch
 * @param latentSize latents across the picture
 * @param positionTable whether patches have a position beside RoPE, of sines and cosines
 * @param adaptiveFinalLayer whether the last layer normalises, and scales and shifts by the time
 * @param bidirectional whether patches see those behind them
 * @param contextLength rows of a prompt and its picture, with the token behind it
 */
record MonoFormerConfig(
    DecoderConfig decoder,
    TimeEmbedding timeEmbedding,
    int imageTokenIndex,
    int inChannels,
    int patchSize,
    int latentSize,
    boolean positionTable,
    boolean adaptiveFinalLayer,
    boolean bidirectional,
    int contextLength) {

  /** Pixels across a latent; the authors' code has the number itself. */
  static final int FACTOR = 8;

  private static final String ARCHITECTURE = "MonoFormerForCausalLM";

  /** How the decoder is told the time: {@code decoder_t_embed}. */
  enum TimeEmbedding {
    /** Patches are scaled and shifted before the first layer. */
    ADALN_BEFORE_DECODER,

    /** A row of its own stands before the patches. */
    ADD_BEFORE_IMAGE_TOKENS
  }

  /** {@return whether a config.json is of this family: its model_type is that of any Llama} */
  static boolean isOne(JsonMap json) {
    return json.kind("architectures") == JsonMap.Kind.ARRAY
        && json.strings("architectures").contains(ARCHITECTURE);
  }

  /**
   * Reads config.json.
   *
   * @throws CheckpointException if a value is out of range
   * @throws UnsupportedModelException if it is of another family, or asks for what is not computed
   */
  static MonoFormerConfig read(JsonMap json) {
    if (!isOne(json)) {
      throw new UnsupportedModelException(
          "This is no MonoFormer checkpoint\n  expected architectures [" + ARCHITECTURE + "] in "
              + json);
    }
    for (String key : List.of("add_pos_embed_each_layer", "attention_bias", "mlp_bias")) {
      if (json.boolOr(key, false)) {
        throw unsupported(json, key, "true", "false");
      }
    }
    if (json.has("use_hybrid_attn_mask")) {
      throw new UnsupportedModelException(
          json + ": use_hybrid_attn_mask is set; this library runs checkpoints without it");
    }
    if (!json.boolOr("learn_sigma", true)) {
      throw unsupported(json, "learn_sigma", "false", "true, as the authors' sampler does");
    }
    if (!json.stringOr("hidden_act", "silu").equals("silu")) {
      throw unsupported(json, "hidden_act", json.string("hidden_act"), "silu");
    }
    DecoderConfig decoder = decoder(json);
    TimeEmbedding time = timeEmbedding(json);
    int patch = json.integer("patch_size", 1, 64);
    int pixels = json.integer("image_size", FACTOR, 1 << 14);
    if (pixels % (FACTOR * patch) != 0) {
      throw json.refuse("image_size", "a multiple of " + FACTOR * patch + ", the pixels of a patch");
    }
    boolean table = json.boolOr("use_pos_embed", false);
    if (table && decoder.hiddenSize() % 4 != 0) {
      throw json.refuse("hidden_size", "a multiple of 4, for the table of positions");
    }
    MonoFormerConfig config =
        new MonoFormerConfig(
            decoder,
            time,
            json.integer("image_token_index", 0, decoder.vocabSize() - 1),
            json.integer("in_channels", 1, 1 << 10),
            patch,
            pixels / FACTOR,
            table,
            json.bool("use_adaln_final_layer"),
            json.boolOr("use_bi_attn_img_tokens", false),
            Math.min(
                decoder.maxPositionEmbeddings(),
                json.integerOr("tokenizer_max_length", 1 << 20, 1, 1 << 20)));
    if (config.layout().rows() + 3 > config.contextLength) {
      throw json.refuse(
          "tokenizer_max_length",
          "at least " + (config.layout().rows() + 3) + ", for a picture of "
              + config.patches() + " patches");
    }
    return config;
  }

  private static TimeEmbedding timeEmbedding(JsonMap json) {
    String name = json.string("decoder_t_embed");
    return switch (name) {
      case "adaln_before_decoder" -> TimeEmbedding.ADALN_BEFORE_DECODER;
      case "add_before_image_tokens" -> TimeEmbedding.ADD_BEFORE_IMAGE_TOKENS;
      case "add_before_decoder", "add_at_each_layer", "add_with_embed_at_each_layer" ->
          throw new UnsupportedModelException(
              json + ": decoder_t_embed is " + name + ", which the authors' code cannot compute: it"
                  + " adds a vector of 6 hidden_size to rows of hidden_size; this library runs"
                  + " adaln_before_decoder and add_before_image_tokens");
      default ->
          throw unsupported(
              json, "decoder_t_embed", name, "adaln_before_decoder and add_before_image_tokens");
    };
  }

  private static DecoderConfig decoder(JsonMap json) {
    int hidden = json.integer("hidden_size", 1, 1 << 20);
    int heads = json.integer("num_attention_heads", 1, 1 << 16);
    int kvHeads = json.integerOr("num_key_value_heads", heads, 1, 1 << 16);
    if (hidden % heads != 0) {
      throw json.refuse("hidden_size", "a multiple of num_attention_heads " + heads);
    }
    if (heads % kvHeads != 0) {
      throw json.refuse("num_key_value_heads", "a divisor of num_attention_heads " + heads);
    }
    if (json.has("rope_scaling")) {
      throw new UnsupportedModelException(
          json + ": rope_scaling is set; this library runs checkpoints without it");
    }
    return new DecoderConfig(
        json.integer("vocab_size", 1, 1 << 24),
        hidden,
        json.integer("intermediate_size", 1, 1 << 22),
        json.integer("num_hidden_layers", 1, 1024),
        heads,
        kvHeads,
        hidden / heads,
        json.numberOr("rms_norm_eps", 1e-6, 1e-12, 0.5),
        json.numberOr("rope_theta", 10_000, 1, 1e11),
        json.integerOr("max_position_embeddings", 2048, 1, 1 << 24),
        // No words are written, so no head is loaded.
        true,
        false,
        false,
        false);
  }

  private static UnsupportedModelException unsupported(
      JsonMap json, String key, String found, String expected) {
    return new UnsupportedModelException(
        json + ": " + key + " is " + found + "; this library runs " + expected);
  }

  /** {@return patches of the picture} */
  int patches() {
    return (latentSize / patchSize) * (latentSize / patchSize);
  }

  /** {@return how the picture stands behind its prompt} */
  SpanLayout layout() {
    boolean row = timeEmbedding == TimeEmbedding.ADD_BEFORE_IMAGE_TOKENS;
    return SpanLayout.led(row ? 1 : 0, patches(), bidirectional);
  }

  /** {@return pixels across the picture} */
  int imageSize() {
    return latentSize * FACTOR;
  }

  /** {@return width of what the network gives for a patch: epsilon and variance} */
  int outputSize() {
    return 2 * inChannels * patchSize * patchSize;
  }
}
