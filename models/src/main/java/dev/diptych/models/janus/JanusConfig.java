package dev.diptych.models.janus;

import dev.diptych.core.CheckpointException;
import dev.diptych.core.UnsupportedModelException;
import dev.diptych.core.vq.VqConfig;
import dev.diptych.core.weights.Checkpoint;
import dev.diptych.core.weights.JsonMap;
import dev.diptych.models.deepseek.ChatPrompt;
import dev.diptych.models.deepseek.LlamaSizes;
import dev.diptych.models.deepseek.TimmSiglip;
import java.util.Optional;

/**
 * What config.json says, in either published layout. Keys that the sparse files leave out have the
 * defaults of transformers' {@code LlamaConfig} and {@code JanusConfig}
 * (huggingface/transformers v5.18.0). The original layout tells no sizes of the vision tower: they
 * are read off its tensors.
 *
 * @param layout which names the tensors have
 * @param text the language model
 * @param vision the vision tower
 * @param imageTokens tokens of one picture, read or drawn
 * @param generation the side that draws
 * @param vq the {@code vq_config} of the HF-native layout; the original layout has none
 */
record JanusConfig(
    Layout layout,
    LlamaSizes text,
    Vision vision,
    int imageTokens,
    Generation generation,
    Optional<JsonMap> vq) {

  /** What stands before the vision tower's tensors in the original layout. */
  static final String TOWER = "vision_model.vision_tower.";

  /** The two published layouts. */
  enum Layout {
    /** {@code JanusForConditionalGeneration} of transformers. */
    HF,
    /** {@code MultiModalityCausalLM} of deepseek-ai/Janus. */
    ORIGINAL;

    /** {@return whose way of laying out a turn and of preparing a picture goes with it} */
    ChatPrompt.Template template() {
      return this == HF ? ChatPrompt.Template.HF : ChatPrompt.Template.ORIGINAL;
    }
  }

  /** SigLIP without a class token. */
  record Vision(
      int imageSize,
      int patchSize,
      int hiddenSize,
      int numHiddenLayers,
      int numAttentionHeads,
      int intermediateSize,
      boolean attentionBias,
      double layerNormEps,
      int alignerHiddenLayers) {

    /** {@return patches of one picture} */
    int patches() {
      return (imageSize / patchSize) * (imageSize / patchSize);
    }

    int headDim() {
      return hiddenSize / numAttentionHeads;
    }

    static Vision read(JsonMap json) {
      int hidden = json.integerOr("hidden_size", 1024, 1, 1 << 20);
      int heads = json.integerOr("num_attention_heads", 16, 1, 1 << 16);
      if (hidden % heads != 0) {
        throw json.refuse("hidden_size", "a multiple of num_attention_heads " + heads);
      }
      if (json.boolOr("use_qk_norm", false)) {
        throw unsupported(json, "use_qk_norm", "true", "false");
      }
      if (!json.stringOr("hidden_act", "gelu").equals("gelu")) {
        throw unsupported(json, "hidden_act", json.string("hidden_act"), "gelu");
      }
      return new Vision(
          json.integerOr("image_size", 384, 1, 1 << 16),
          json.integerOr("patch_size", 16, 1, 1 << 12),
          hidden,
          json.integerOr("num_hidden_layers", 24, 1, 4096),
          heads,
          (int) (hidden * json.numberOr("mlp_ratio", 4.0, 0.01, 1024)),
          json.boolOr("attention_bias", true),
          json.numberOr("layer_norm_eps", 1e-6, 1e-12, 1),
          json.integerOr("depth", 2, 1, 64) - 1);
    }

    /** The tower of the original layout, with the linears that follow it. */
    static Vision infer(JsonMap params, Checkpoint checkpoint) {
      TimmSiglip tower = TimmSiglip.infer(params, checkpoint, TOWER);
      int aligner = 0;
      while (checkpoint.names().contains("aligner.layers." + 2 * (aligner + 1) + ".weight")) {
        aligner++;
      }
      return new Vision(
          tower.imageSize(),
          tower.patchSize(),
          tower.hiddenSize(),
          tower.numHiddenLayers(),
          tower.hiddenSize() / tower.headDim(),
          tower.intermediateSize(),
          true,
          TimmSiglip.LAYER_NORM_EPS,
          aligner);
    }

    TimmSiglip timm() {
      return new TimmSiglip(
          imageSize, patchSize, hiddenSize, numHiddenLayers, intermediateSize);
    }
  }

  /**
   * Embedding, aligner and head of the picture codes.
   *
   * @param numEmbeddings codes
   * @param embedDim width of a code's vector
   * @param alignerHiddenLayers linears of the generation aligner after the first
   * @param imageTokenEmbedDim width of the generation head
   */
  record Generation(
      int numEmbeddings, int embedDim, int alignerHiddenLayers, int imageTokenEmbedDim) {

    static Generation read(JsonMap vq, LlamaSizes text) {
      return new Generation(
          vq.integerOr("num_embeddings", 16384, 1, 1 << 24),
          vq.integerOr("embed_dim", 8, 1, 1 << 16),
          vq.integerOr("num_hidden_layers", 2, 1, 64) - 1,
          vq.integerOr("image_token_embed_dim", text.hiddenSize(), 1, 1 << 20));
    }

    static Generation readOriginal(JsonMap json, LlamaSizes text) {
      JsonMap aligner = json.object("gen_aligner_config").object("params");
      JsonMap head = json.object("gen_head_config").object("params");
      return new Generation(
          head.integer("image_token_size", 1, 1 << 24),
          aligner.integer("input_dim", 1, 1 << 16),
          aligner.integerOr("depth", 2, 1, 64) - 1,
          head.integerOr("image_token_embed", text.hiddenSize(), 1, 1 << 20));
    }
  }

  /**
   * Reads config.json.
   *
   * @throws CheckpointException if a value is out of range
   * @throws UnsupportedModelException if it is no Janus, or one with a part that is not known
   */
  static JanusConfig read(JsonMap json, Checkpoint checkpoint) {
    String type = json.stringOr("model_type", "");
    if (type.equals("janus")) {
      LlamaSizes text = LlamaSizes.read(json.object("text_config"));
      Vision vision = Vision.read(json.object("vision_config"));
      int tokens =
          json.object("vision_config")
              .integerOr("num_image_tokens", vision.patches(), 1, 1 << 20);
      return checked(
          json,
          new JanusConfig(
              Layout.HF,
              text,
              vision,
              tokens,
              Generation.read(json.object("vq_config"), text),
              Optional.of(json.object("vq_config"))));
    }
    if (type.equals("multi_modality")) {
      LlamaSizes text = LlamaSizes.read(json.object("language_config"));
      JsonMap visionParams = json.object("vision_config").object("params");
      Vision vision = Vision.infer(visionParams, checkpoint);
      requireClass(json, "vision_config", "CLIPVisionTower");
      requireClass(json, "gen_vision_config", "VQ-16");
      return checked(
          json,
          new JanusConfig(
              Layout.ORIGINAL,
              text,
              vision,
              vision.patches(),
              Generation.readOriginal(json, text),
              Optional.empty()));
    }
    throw new UnsupportedModelException(
        "This is no Janus checkpoint\n  expected model_type janus or multi_modality in config.json\n"
            + "  found    "
            + (type.isEmpty() ? "none" : type));
  }

  /** {@return what stands before the VQ coder's tensor names, its last dot included} */
  String vqPrefix(Checkpoint checkpoint) {
    if (layout == Layout.ORIGINAL) {
      return "gen_vision_model.";
    }
    boolean bare = checkpoint.names().contains("vqmodel.quantize.embedding.weight");
    return bare ? "vqmodel." : "model.vqmodel.";
  }

  /** {@return the sizes of the VQ coder, read off its tensors and held against config.json} */
  VqConfig vq(Checkpoint checkpoint, String prefix) {
    int grid = vision.imageSize() / vision.patchSize();
    VqConfig found = VqConfig.infer(checkpoint, prefix, grid);
    vq.ifPresent(
        json -> {
          agree(json, "base_channels", found.baseChannels());
          agree(json, "num_res_blocks", found.numResBlocks());
          agree(json, "latent_channels", found.latentChannels());
          agree(json, "in_channels", found.inChannels());
          agree(json, "out_channels", found.outChannels());
          if (json.has("channel_multiplier")
              && !json.integers("channel_multiplier", 1, 1 << 16)
                  .equals(found.channelMultiplier().stream().map(Integer::longValue).toList())) {
            throw json.refuse(
                "channel_multiplier", found.channelMultiplier() + ", as the tensors have it");
          }
        });
    if (found.numEmbeddings() != generation.numEmbeddings
        || found.embedDim() != generation.embedDim) {
      throw new CheckpointException(
          "The codebook disagrees with config.json\n  expected ["
              + generation.numEmbeddings
              + ", "
              + generation.embedDim
              + "]\n  found    ["
              + found.numEmbeddings()
              + ", "
              + found.embedDim()
              + "] in "
              + prefix
              + "quantize.embedding.weight\n  Is config.json from the same checkpoint?");
    }
    return found;
  }

  private static void agree(JsonMap json, String key, int found) {
    if (json.has(key) && json.integer(key, 1, 1 << 24) != found) {
      throw json.refuse(key, found + ", as the tensors have it");
    }
  }

  private static JanusConfig checked(JsonMap json, JanusConfig config) {
    if (config.imageTokens != config.vision.patches()) {
      throw new CheckpointException(
          json
              + ": num_image_tokens is "
              + config.imageTokens
              + "; expected "
              + config.vision.patches()
              + ", (image_size "
              + config.vision.imageSize
              + " / patch_size "
              + config.vision.patchSize
              + ") squared");
    }
    return config;
  }

  private static void requireClass(JsonMap json, String part, String expected) {
    String found = json.object(part).stringOr("cls", expected);
    if (!found.equals(expected)) {
      throw unsupported(json.object(part), "cls", found, expected);
    }
  }

  private static UnsupportedModelException unsupported(
      JsonMap json, String key, String found, String expected) {
    return new UnsupportedModelException(
        json + ": " + key + " is " + found + "; this library runs " + expected);
  }
}
