package dev.diptych.examples.cli;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import java.util.List;

/**
 * The sizes of a VQ coder of the taming-transformers line, and its tensors in the HF-native layout.
 *
 * @param codes entries of the codebook
 * @param codeWidth numbers of an entry
 * @param channels of a multiplier of 1
 * @param multiplier of each level, the largest picture first
 * @param resBlocks of a level of the encoder
 * @param latent channels between the coder and its codebook
 * @param levelAttention whether the smallest level has attention behind every block
 * @param upAscends whether decoder levels are counted as the encoder's, and not as they run
 */
record VqShape(
    int codes,
    int codeWidth,
    int channels,
    List<Integer> multiplier,
    int resBlocks,
    int latent,
    boolean levelAttention,
    boolean upAscends) {

  /** Adds the tensors. */
  void tensors(ShapeTensors t, String p) {
    int last = multiplier.size() - 1;
    long top = (long) channels * multiplier.get(last);
    t.conv(p + "encoder.conv_in", channels, 3, 3);
    long width = channels;
    for (int level = 0; level <= last; level++) {
      String name = p + "encoder.down." + level + ".";
      width = level(t, name, width, level, resBlocks);
      if (level < last) {
        t.conv(name + "downsample.conv", width, width, 3);
      }
    }
    middle(t, p + "encoder.", top);
    t.norm(p + "encoder.norm_out", top);
    t.conv(p + "encoder.conv_out", latent, top, 3);
    t.conv(p + "quant_conv", codeWidth, latent, 1);
    t.add(p + "quantize.embedding.weight", codes, codeWidth);
    t.conv(p + "post_quant_conv", latent, codeWidth, 1);
    t.conv(p + "decoder.conv_in", top, latent, 3);
    middle(t, p + "decoder.", top);
    width = top;
    for (int level = last; level >= 0; level--) {
      String name = p + "decoder.up." + (upAscends ? level : last - level) + ".";
      width = level(t, name, width, level, resBlocks + 1);
      if (level > 0) {
        t.conv(name + "upsample.conv", width, width, 3);
      }
    }
    t.norm(p + "decoder.norm_out", width);
    t.conv(p + "decoder.conv_out", 3, width, 3);
  }

  private static void middle(ShapeTensors t, String p, long channels) {
    block(t, p + "mid.block_1.", channels, channels);
    attention(t, p + "mid.attn_1.", channels);
    block(t, p + "mid.block_2.", channels, channels);
  }

  private long level(ShapeTensors t, String p, long inputs, int level, int blocks) {
    long outputs = (long) channels * multiplier.get(level);
    long width = inputs;
    for (int i = 0; i < blocks; i++) {
      block(t, p + "block." + i + ".", width, outputs);
      width = outputs;
      if (levelAttention && level == multiplier.size() - 1) {
        attention(t, p + "attn." + i + ".", width);
      }
    }
    return width;
  }

  private static void block(ShapeTensors t, String p, long inputs, long outputs) {
    t.norm(p + "norm1", inputs);
    t.conv(p + "conv1", outputs, inputs, 3);
    t.norm(p + "norm2", outputs);
    t.conv(p + "conv2", outputs, outputs, 3);
    if (inputs != outputs) {
      t.conv(p + "nin_shortcut", outputs, inputs, 1);
    }
  }

  private static void attention(ShapeTensors t, String p, long channels) {
    t.norm(p + "norm", channels);
    for (String name : List.of("q", "k", "v", "proj_out")) {
      t.conv(p + name, channels, channels, 1);
    }
  }

  /** {@return the keys of vq_config that all families share} */
  JsonObject config(String modelType) {
    JsonObject json = new JsonObject();
    json.addProperty("model_type", modelType);
    json.addProperty("base_channels", channels);
    JsonArray multipliers = new JsonArray();
    multiplier.forEach(multipliers::add);
    json.add("channel_multiplier", multipliers);
    json.addProperty("num_res_blocks", resBlocks);
    json.addProperty("latent_channels", latent);
    json.addProperty("embed_dim", codeWidth);
    json.addProperty("num_embeddings", codes);
    json.addProperty("double_latent", false);
    return json;
  }
}
