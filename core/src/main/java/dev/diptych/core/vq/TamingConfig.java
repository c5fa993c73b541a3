package dev.diptych.core.vq;

import dev.diptych.core.UnsupportedModelException;
import dev.diptych.core.weights.Checkpoint;
import dev.diptych.core.weights.JsonMap;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;

/**
 * Holds {@code vq_config} against the tensors: keys of transformers 5.18 {@code
 * ChameleonVQVAEConfig}. A key that is not there takes the class's default only where no tensor
 * says it.
 */
final class TamingConfig {
  private static final int DEFAULT_RESOLUTION = 512;

  private final JsonMap vq;

  private TamingConfig(JsonMap vq) {
    this.vq = vq;
  }

  static VqConfig read(Checkpoint checkpoint, String prefix, JsonMap vq) {
    if (vq.boolOr("double_latent", false)) {
      throw new UnsupportedModelException(
          vq + ": double_latent is true; this library runs coders with one latent per position");
    }
    if (vq.kind("attn_type") == JsonMap.Kind.NULL
        || !vq.stringOr("attn_type", "vanilla").equals("vanilla")) {
      String found = vq.stringOr("attn_type", "null");
      throw new UnsupportedModelException(
          vq + ": attn_type is " + found + "; this library runs vanilla");
    }
    // The number of levels decides how many pixels a code has, and tensors alone tell it.
    int patch = VqConfig.infer(checkpoint, prefix, 1, VqLayout.TAMING).patchSize();
    int resolution = vq.integerOr("resolution", DEFAULT_RESOLUTION, 1, 1 << 14);
    if (resolution % patch != 0) {
      throw vq.refuse("resolution", "a multiple of " + patch + ", the pixels across one code");
    }
    VqConfig found =
        VqConfig.infer(checkpoint, prefix, resolution / patch, VqLayout.TAMING);
    new TamingConfig(vq).check(found, resolution);
    return found;
  }

  private void check(VqConfig found, int resolution) {
    agree("embed_dim", found.embedDim());
    agree("num_embeddings", found.numEmbeddings());
    agree("latent_channels", found.latentChannels());
    agree("in_channels", found.inChannels());
    agree("base_channels", found.baseChannels());
    agree("num_res_blocks", found.numResBlocks());
    if (found.hasDecoder()) {
      agree("out_channels", found.outChannels());
    }
    if (vq.has("channel_multiplier")
        && !vq.integers("channel_multiplier", 1, 1 << 16)
            .equals(found.channelMultiplier().stream().map(Integer::longValue).toList())) {
      throw vq.refuse("channel_multiplier", found.channelMultiplier() + ", as the tensors have it");
    }
    if (!attentionLevels(found.levels(), resolution).equals(found.attentionLevels())) {
      throw vq.refuse(
          "attn_resolutions",
          found.attentionLevels().stream().map(level -> resolution >> level).sorted().toList()
              + ", as the tensors have it");
    }
  }

  private Set<Integer> attentionLevels(int levels, int resolution) {
    Set<Integer> found = new TreeSet<>();
    if (vq.has("attn_resolutions")) {
      List<Long> asked = vq.integers("attn_resolutions", 0, 1 << 14);
      for (int level = 0; level < levels; level++) {
        if (asked.contains((long) (resolution >> level))) {
          found.add(level);
        }
      }
    }
    return found;
  }

  private void agree(String key, int found) {
    if (vq.has(key) && vq.integer(key, 1, 1 << 24) != found) {
      throw vq.refuse(key, found + ", as the tensors have it");
    }
  }
}
