package dev.diptych.models.emu3;

import dev.diptych.core.CheckpointException;
import dev.diptych.core.UnsupportedModelException;
import dev.diptych.core.vq.Emu3VqConfig;
import dev.diptych.core.weights.JsonMap;
import dev.diptych.models.discrete.TransformerConfig;
import java.util.List;

/**
 * What config.json says. Keys that a file leaves out have the defaults of {@code Emu3TextConfig} and
 * {@code Emu3VQVAEConfig} (huggingface/transformers v5.18.0).
 *
 * @param transformer sizes of the language model
 * @param tied whether the output head is the embedding table
 * @param bos the token that begins a text
 * @param eos the tokens that may end one
 * @param vocabularyMap every token's name and id
 * @param vq sizes of the picture coder
 * @param imageArea pixels of a picture whose size nobody names
 */
record Emu3Config(
    TransformerConfig transformer,
    boolean tied,
    int bos,
    List<Long> eos,
    JsonMap vocabularyMap,
    Emu3VqConfig vq,
    int imageArea) {

  // Of Emu3-Gen's own config.json, and of Emu3Processor; the -hf folders leave it out.
  private static final int IMAGE_AREA = 720 * 720;

  /**
   * Reads config.json.
   *
   * @throws CheckpointException if a value is out of range
   * @throws UnsupportedModelException if it is no Emu3, or one with a part that is not known
   */
  static Emu3Config read(JsonMap json) {
    String type = json.stringOr("model_type", "none");
    if (!type.equals("emu3")) {
      throw new UnsupportedModelException(
          "This is no Emu3 checkpoint in the layout of transformers\n  expected model_type emu3 in"
              + " config.json\n  found    "
              + type);
    }
    JsonMap text = json.object("text_config");
    Emu3VqConfig vq = Emu3VqConfig.read(json.object("vq_config"));
    int vocabSize = text.integerOr("vocab_size", 184_622, 1, 1 << 24);
    return new Emu3Config(
        transformer(json, text, vocabSize),
        json.boolOr("tie_word_embeddings", text.boolOr("tie_word_embeddings", false)),
        text.integerOr("bos_token_id", 151_849, 0, vocabSize - 1),
        eos(text, vocabSize),
        json.object("vocabulary_map"),
        vq,
        json.integerOr("image_area", IMAGE_AREA, vq.patchSize() * vq.patchSize(), 1 << 28));
  }

  private static TransformerConfig transformer(JsonMap json, JsonMap text, int vocabSize) {
    int hidden = text.integerOr("hidden_size", 4096, 1, 1 << 20);
    int heads = text.integerOr("num_attention_heads", 32, 1, 1 << 16);
    int kvHeads = text.integerOr("num_key_value_heads", 8, 1, 1 << 16);
    if (!text.has("head_dim") && hidden % heads != 0) {
      throw text.refuse("hidden_size", "a multiple of num_attention_heads " + heads);
    }
    if (heads % kvHeads != 0) {
      throw text.refuse("num_key_value_heads", "a divisor of num_attention_heads " + heads);
    }
    if (!text.stringOr("hidden_act", "silu").equals("silu")) {
      throw unsupported(text, "hidden_act", text.string("hidden_act"), "silu");
    }
    for (String bias : List.of("attention_bias", "mlp_bias")) {
      if (text.boolOr(bias, false)) {
        throw unsupported(text, bias, "true", "false");
      }
    }
    return new TransformerConfig(
        vocabSize,
        hidden,
        text.integerOr("intermediate_size", 14_336, 1, 1 << 22),
        text.integerOr("num_hidden_layers", 32, 1, 1024),
        heads,
        kvHeads,
        text.integerOr("head_dim", hidden / heads, 2, 1 << 16),
        text.numberOr("rms_norm_eps", 1e-5, 1e-12, 0.5),
        ropeTheta(text),
        context(json, text),
        false,
        false,
        false);
  }

  /**
   * The conversion to the published -hf folders wrote the language model's own length beside
   * text_config and left the default of 9216 inside, although Emu3-Chat reads 131072
   * (huggingface/transformers@084673d, convert_emu3_weights_to_hf.py).
   */
  private static int context(JsonMap json, JsonMap text) {
    String key = "max_position_embeddings";
    return json.integerOr(key, text.integerOr(key, 9216, 1, 1 << 20), 1, 1 << 20);
  }

  private static double ropeTheta(JsonMap text) {
    for (String key : List.of("rope_scaling", "rope_parameters")) {
      if (text.has(key) && text.kind(key) == JsonMap.Kind.OBJECT) {
        JsonMap rope = text.object(key);
        String type = rope.stringOr("rope_type", rope.stringOr("type", "default"));
        if (!type.equals("default")) {
          throw unsupported(rope, "rope_type", type, "default");
        }
        if (rope.has("rope_theta")) {
          return rope.number("rope_theta", 1, 1e11);
        }
      }
    }
    return text.numberOr("rope_theta", 1e6, 1, 1e11);
  }

  private static List<Long> eos(JsonMap text, int vocabSize) {
    return text.kind("eos_token_id") == JsonMap.Kind.ARRAY
        ? text.integers("eos_token_id", 0, vocabSize - 1)
        : List.of(text.integerOr("eos_token_id", 151_850L, 0, vocabSize - 1));
  }

  /** {@return pixels of a side that one code covers} */
  int factor() {
    return vq.patchSize();
  }

  /**
   * Rows and columns of codes of a picture that has a shape and about an area, as {@code
   * calculate_generate_size} of both references computes them.
   *
   * @param width of the shape, as in 16:9
   * @param height of the shape
   * @param area in pixels
   * @param factor pixels of a side that one code covers
   */
  static int[] grid(int width, int height, int area, int factor) {
    double scale = Math.sqrt((double) area / ((long) width * height));
    // Python rounds halves to even, and so does rint
    return new int[] {
      (int) Math.rint(height * scale / factor), (int) Math.rint(width * scale / factor)
    };
  }

  private static UnsupportedModelException unsupported(
      JsonMap json, String key, String found, String expected) {
    return new UnsupportedModelException(
        json + ": " + key + " is " + found + "; this library runs " + expected);
  }
}
