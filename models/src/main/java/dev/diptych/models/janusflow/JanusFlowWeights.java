package dev.diptych.models.janusflow;

import dev.diptych.core.engine.WeightLoader.Slice;
import dev.diptych.core.weights.Weights;
import dev.diptych.models.denoising.DecoderWeights;
import java.util.Map;

/**
 * Binds the tensors, each with its shape, in the order of the checkpoint. The script has the file's
 * names but for the vision tower's, which become transformers', and the language model's, which lose
 * their prefix.
 */
final class JanusFlowWeights {
  // ConvNeXt: the inner layer is so many times as wide (res_ffn_factor)
  private static final int WIDENING = 4;
  private static final int DEPTHWISE = 7;

  private final Weights weights;
  private final JanusFlowConfig config;
  private final Map<String, Slice> slices;

  private JanusFlowWeights(Weights weights, JanusFlowConfig config) {
    this.weights = weights;
    this.config = config;
    this.slices = DecoderWeights.bind(weights, config.decoder(), name -> "language_model." + name);
  }

  /** {@return where every tensor that the scripts ask for is found} */
  static Map<String, Slice> bind(Weights weights, JanusFlowConfig config) {
    JanusFlowWeights binding = new JanusFlowWeights(weights, config);
    binding.understanding();
    binding.encoder();
    binding.velocity();
    return binding.slices;
  }

  private void understanding() {
    String model = "vision_und_enc_model.";
    long d = config.decoder().hiddenSize();
    config.vision().bind(weights, JanusFlowConfig.TOWER, model, "out_proj", slices);
    linear("vision_und_enc_aligner", true, d, config.vision().hiddenSize());
    bind("beg_of_und_embed", 1, d);
  }

  private void encoder() {
    JanusFlowConfig.Encoder c = config.encoder();
    long d = config.decoder().hiddenSize();
    String p = "vision_gen_enc_model.";
    int k = c.kernelSize();
    bind(p + "in_conv.weight", c.channels(), c.inputChannels(), k, k);
    bind(p + "in_conv.bias", c.channels());
    linear(p + "time_embed.linear_1", c.bias(), d, c.channels());
    linear(p + "time_embed.linear_2", c.bias(), d, d);
    blocks(p, c.layers(), c.channels(), c.bias());
    linear("vision_gen_enc_aligner", true, d, c.channels());
  }

  private void velocity() {
    JanusFlowConfig.Velocity c = config.velocity();
    String p = "vision_gen_dec_model.";
    long d = config.decoder().hiddenSize();
    long channels = c.inChannels() + c.skipChannels();
    bind("vision_gen_dec_aligner_norm.weight", d);
    linear("vision_gen_dec_aligner", true, c.inChannels(), d);
    bind(p + "input_norm.weight", c.inChannels());
    blocks(p, c.layers(), channels, c.bias());
    for (int i = 0; i < c.upsamples(); i++) {
      String out = p + "out_convs." + i + ".";
      long into = i == c.upsamples() - 1 ? c.outChannels() : c.skipChannels();
      bind(out + "norm.weight", channels);
      // Four channels become two by two of one.
      bind(out + "unpatch_conv.weight", 4 * into, channels, 1, 1);
      if (c.bias()) {
        bind(out + "unpatch_conv.bias", 4 * into);
      }
      channels = c.skipChannels();
    }
  }

  private void blocks(String model, int layers, long channels, boolean bias) {
    long inner = WIDENING * channels;
    for (int i = 0; i < layers; i++) {
      String p = model + "mid_block.res_blocks." + i + ".";
      bind(p + "depthwise.weight", channels, 1, DEPTHWISE, DEPTHWISE);
      if (bias) {
        bind(p + "depthwise.bias", channels);
      }
      bind(p + "norm.weight", channels);
      linear(p + "channelwise_linear_1", bias, inner, channels);
      bind(p + "channelwise_norm.weight", 1, 1, 1, inner);
      bind(p + "channelwise_norm.bias", 1, 1, 1, inner);
      linear(p + "channelwise_linear_2", bias, channels, inner);
      linear(p + "cond_embeds_mapper", bias, 2 * channels, config.decoder().hiddenSize());
    }
  }

  private void linear(String name, boolean bias, long outputs, long inputs) {
    bind(name + ".weight", outputs, inputs);
    if (bias) {
      bind(name + ".bias", outputs);
    }
  }

  private void bind(String name, long... shape) {
    slices.put(name, Slice.of(weights.require(name, shape)));
  }
}
