package dev.diptych.models.transfusion;

import dev.diptych.core.engine.WeightLoader.Slice;
import dev.diptych.core.weights.Weights;
import dev.diptych.models.denoising.DecoderWeights;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;

/**
 * Binds the tensors, each with its shape. The names of the file are those of the scripts: of HF
 * Llama, and of diffusers below {@code time_embed}, {@code patch_in} and {@code patch_out}.
 */
final class TransfusionWeights {
  private final Weights weights;
  private final TransfusionConfig config;
  private final Map<String, Slice> slices;

  private TransfusionWeights(Weights weights, TransfusionConfig config) {
    this.weights = weights;
    this.config = config;
    this.slices = DecoderWeights.bind(weights, config.decoder(), UnaryOperator.identity());
  }

  /** {@return where every tensor that the scripts ask for is found} */
  static Map<String, Slice> bind(Weights weights, TransfusionConfig config) {
    TransfusionWeights binding = new TransfusionWeights(weights, config);
    binding.time();
    if (config.unet().isPresent()) {
      binding.unet(config.unet().get());
    } else {
      int patch = config.latentChannels() * config.patchSize() * config.patchSize();
      binding.linear("patch_in.proj", config.decoder().hiddenSize(), patch);
      binding.linear("patch_out.proj", patch, config.decoder().hiddenSize());
    }
    if (config.positionEmbedding()) {
      binding.bind(
          "patch_in.position_embedding.weight", config.patches(), config.decoder().hiddenSize());
    }
    config.vision().ifPresent(binding::vision);
    return binding.slices;
  }

  private void time() {
    int d = config.decoder().hiddenSize();
    linear("time_embed.linear_1", d, config.timeFrequencies());
    linear("time_embed.linear_2", d, d);
  }

  /** The order of channels is that of diffusers' DownBlock2D and UpBlock2D in a UNet2DModel. */
  private void unet(TransfusionConfig.Unet unet) {
    List<Integer> channels = unet.blockOutChannels();
    int last = unet.levels() - 1;
    int d = config.decoder().hiddenSize();
    conv("patch_in.conv_in", channels.get(0), config.latentChannels(), 3);
    for (int level = 0; level <= last; level++) {
      String block = "patch_in.down_blocks." + level + ".";
      for (int i = 0; i < unet.layersPerBlock(); i++) {
        int in = channels.get(i == 0 ? Math.max(level - 1, 0) : level);
        residual(block + "resnets." + i + ".", in, channels.get(level));
      }
      if (level < last) {
        conv(block + "downsamplers.0.conv", channels.get(level), channels.get(level), 3);
      }
    }
    linear("patch_in.proj", d, channels.get(last));
    linear("patch_out.proj", channels.get(last), d);
    for (int at = 0; at <= last; at++) {
      int level = last - at;
      int below = channels.get(Math.max(level - 1, 0));
      int above = channels.get(Math.min(level + 1, last));
      String block = "patch_out.up_blocks." + at + ".";
      for (int i = 0; i <= unet.layersPerBlock(); i++) {
        int in = i == 0 ? above : channels.get(level);
        int kept = i == unet.layersPerBlock() ? below : channels.get(level);
        residual(block + "resnets." + i + ".", in + kept, channels.get(level));
      }
      if (level > 0) {
        conv(block + "upsamplers.0.conv", channels.get(level), channels.get(level), 3);
      }
    }
    norm("patch_out.conv_norm_out", channels.get(0));
    conv("patch_out.conv_out", config.latentChannels(), channels.get(0), 3);
  }

  private void residual(String block, int in, int out) {
    norm(block + "norm1", in);
    conv(block + "conv1", out, in, 3);
    linear(block + "time_emb_proj", out, config.decoder().hiddenSize());
    norm(block + "norm2", out);
    conv(block + "conv2", out, out, 3);
    if (in != out) {
      conv(block + "conv_shortcut", out, in, 1);
    }
  }

  /** By the names of LLaVA's files; those that transformers 5 writes leave a segment out. */
  private void vision(VisionConfig c) {
    String old = "vision_tower.vision_model.";
    String stored =
        weights.has(old + "embeddings.class_embedding") ? old : "vision_tower.";
    int d = c.hiddenSize();
    int patch = c.patchSize();
    tower(stored, "embeddings.class_embedding", d);
    tower(stored, "embeddings.patch_embedding.weight", d, 3, patch, patch);
    tower(stored, "embeddings.position_embedding.weight", c.patches() + 1, d);
    both(stored, "pre_layrnorm", d);
    for (int i = 0; i < c.layers(); i++) {
      String layer = "encoder.layers." + i + ".";
      both(stored, layer + "layer_norm1", d);
      for (String part : List.of("q_proj", "k_proj", "v_proj", "out_proj")) {
        both(stored, layer + "self_attn." + part, d, d);
      }
      both(stored, layer + "layer_norm2", d);
      both(stored, layer + "mlp.fc1", c.intermediateSize(), d);
      both(stored, layer + "mlp.fc2", d, c.intermediateSize());
    }
    for (int i = c.layers(); i < c.numHiddenLayers(); i++) {
      weights.ignore(stored + "encoder.layers." + i + ".*", "behind the layer that is read");
    }
    weights.ignore(stored + "post_layernorm.*", "behind the layer that is read");
    weights.ignore(stored + "embeddings.position_ids", "0 to P, known without it");
    int width = config.decoder().hiddenSize();
    projector("multi_modal_projector.linear_1", c.projectorBias(), width, d);
    projector("multi_modal_projector.linear_2", c.projectorBias(), width, width);
  }

  private void projector(String name, boolean bias, int rows, int columns) {
    bind(name + ".weight", rows, columns);
    if (bias) {
      bind(name + ".bias", rows);
    }
  }

  /** A weight and its bias, which is as long as the weight's first side. */
  private void both(String stored, String name, long... shape) {
    tower(stored, name + ".weight", shape);
    tower(stored, name + ".bias", shape[0]);
  }

  private void tower(String stored, String name, long... shape) {
    slices.put("vision_tower." + name, Slice.of(weights.require(stored + name, shape)));
  }

  private void norm(String name, int channels) {
    bind(name + ".weight", channels);
    bind(name + ".bias", channels);
  }

  private void conv(String name, int out, int in, int side) {
    bind(name + ".weight", out, in, side, side);
    bind(name + ".bias", out);
  }

  private void linear(String name, int rows, int columns) {
    bind(name + ".weight", rows, columns);
    bind(name + ".bias", rows);
  }

  private void bind(String name, long... shape) {
    slices.put(name, Slice.of(weights.require(name, shape)));
  }
}
