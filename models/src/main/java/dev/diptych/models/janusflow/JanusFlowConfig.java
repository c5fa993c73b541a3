package dev.diptych.models.janusflow;

import dev.diptych.core.CheckpointException;
import dev.diptych.core.UnsupportedModelException;
import dev.diptych.core.weights.Checkpoint;
import dev.diptych.core.weights.JsonMap;
import dev.diptych.models.deepseek.LlamaSizes;
import dev.diptych.models.deepseek.TimmSiglip;
import dev.diptych.models.denoising.DecoderConfig;
import java.util.List;

/**
 * What config.json says. Absent keys have the defaults of the reference's classes
 * (deepseek-ai/Janus@1daa72f, janus/janusflow/models). The sizes of the vision tower are read off its
 * tensors; latents are as many to a side as the tower's tokens, times the encoder's stride.
 *
 * @param decoder the Llama that is the velocity's network
 * @param vision the tower that reads pictures
 * @param encoder latents to rows
 * @param velocity rows to the velocity of latents
 */
record JanusFlowConfig(
    DecoderConfig decoder, TimmSiglip vision, Encoder encoder, Velocity velocity) {

  /** What stands before the vision tower's tensors. */
  static final String TOWER = "vision_und_enc_model.vision_tower.";

  /** The key that tells JanusFlow from Janus, whose model_type is the same. */
  static final String SIGN = "vision_gen_enc_config";

  private static final int MAX_CHANNELS = 1 << 16;
  private static final int MAX_LAYERS = 64;

  /**
   * {@code ShallowUViTEncoder}.
   *
   * @param inputChannels C of the latents
   * @param channels of its features
   * @param stride latents across a row's patch
   * @param kernelSize of the first convolution
   * @param padding of the first convolution
   * @param layers ConvNeXt blocks
   * @param bias whether all but the first convolution have biases
   * @param normEps added to the mean square
   */
  record Encoder(
      int inputChannels,
      int channels,
      int stride,
      int kernelSize,
      int padding,
      int layers,
      boolean bias,
      double normEps) {

    static Encoder read(JsonMap json) {
      int kernel = json.integerOr("kernel_size", 7, 1, 64);
      int stride = json.integerOr("stride", 4, 1, 64);
      return new Encoder(
          json.integerOr("input_channels", 3, 1, MAX_CHANNELS),
          levelChannels(json),
          stride,
          kernel,
          json.integerOr("padding", Math.max(kernel - stride, 0), 0, 64),
          midLayers(json),
          json.boolOr("use_bias", true),
          json.numberOr("norm_eps", 1e-6, 1e-12, 0.5));
    }
  }

  /**
   * {@code ShallowUViTDecoder}.
   *
   * @param inChannels of what comes from the language model
   * @param skipChannels of what comes from the encoder
   * @param outChannels C of the velocity
   * @param upsamples convolutions that double the side
   * @param layers ConvNeXt blocks
   * @param bias whether linears and convolutions have biases
   * @param normEps added to the mean square
   */
  record Velocity(
      int inChannels,
      int skipChannels,
      int outChannels,
      int upsamples,
      int layers,
      boolean bias,
      double normEps) {

    static Velocity read(JsonMap json) {
      return new Velocity(
          json.integerOr("in_channels", 768, 1, MAX_CHANNELS),
          levelChannels(json),
          json.integerOr("out_channels", 3, 1, MAX_CHANNELS),
          json.integerOr("upsamples", 2, 1, 8),
          midLayers(json),
          json.boolOr("use_bias", true),
          json.numberOr("norm_eps", 1e-6, 1e-12, 0.5));
    }
  }

  /** The encoder takes the first, everything else the last; published files have one. */
  private static int levelChannels(JsonMap json) {
    if (!json.has("block_out_channels")) {
      return 768;
    }
    List<Long> all = json.integers("block_out_channels", 1, MAX_CHANNELS);
    if (all.size() != 1) {
      throw new UnsupportedModelException(
          json + ": block_out_channels is " + all + "; this library runs one level");
    }
    return Math.toIntExact(all.get(0));
  }

  private static int midLayers(JsonMap json) {
    int layers = json.integerOr("layers_in_middle", 2, 1, MAX_LAYERS);
    return json.boolOr("use_mid_block", true) ? layers : 0;
  }

  /**
   * Reads config.json.
   *
   * @throws CheckpointException if a value is out of range, or sizes do not go together
   * @throws UnsupportedModelException if it is no JanusFlow, or one with a part that is not known
   */
  static JanusFlowConfig read(JsonMap json, Checkpoint checkpoint) {
    if (!isOne(json)) {
      throw new UnsupportedModelException(
          "This is no JanusFlow checkpoint\n  expected model_type multi_modality and " + SIGN
              + " in config.json\n  found    model_type "
              + json.stringOr("model_type", "none") + (json.has(SIGN) ? "" : " without it"));
    }
    JsonMap encoder = params(json, SIGN, "ShallowUViTEncoder");
    JsonMap velocity = params(json, "vision_gen_dec_config", "ShallowUViTDecoder");
    JsonMap vision = params(json, "vision_und_enc_config", "CLIPVisionTower");
    JanusFlowConfig config =
        new JanusFlowConfig(
            decoder(json.object("language_config")),
            TimmSiglip.infer(vision, checkpoint, TOWER),
            Encoder.read(encoder),
            Velocity.read(velocity));
    for (JsonMap part : new JsonMap[] {encoder, velocity}) {
      // The time is a row among the language model's and tells both convolutional parts.
      int told = part.integerOr("hidden_size", 2048, 1, 1 << 20);
      if (told != config.decoder.hiddenSize()) {
        throw part.refuse(
            "hidden_size", "hidden_size " + config.decoder.hiddenSize() + " of language_config");
      }
    }
    config.check(encoder, velocity);
    return config;
  }

  /** {@return whether config.json is JanusFlow's} */
  static boolean isOne(JsonMap json) {
    return json.stringOr("model_type", "").equals("multi_modality") && json.has(SIGN);
  }

  private void check(JsonMap encoderJson, JsonMap velocityJson) {
    if (encoder.channels != velocity.skipChannels) {
      throw velocityJson.refuse(
          "block_out_channels", "block_out_channels " + encoder.channels + " of the encoder");
    }
    if (encoder.channels % 2 != 0) {
      throw encoderJson.refuse("block_out_channels", "an even number, for the sinusoid of time");
    }
    if (encoder.inputChannels != velocity.outChannels) {
      throw velocityJson.refuse(
          "out_channels", "input_channels " + encoder.inputChannels + " of the encoder");
    }
    int rows = (latentSize() + 2 * encoder.padding - encoder.kernelSize) / encoder.stride + 1;
    if (rows != grid()) {
      throw encoderJson.refuse(
          "kernel_size",
          "with stride " + encoder.stride + " and padding " + encoder.padding + " to make "
              + grid() + " x " + grid() + " of " + latentSize() + " x " + latentSize()
              + " latents");
    }
    if (grid() << velocity.upsamples != latentSize()) {
      throw velocityJson.refuse(
          "upsamples", "to make " + latentSize() + " latents of " + grid() + " again");
    }
    if (tokens() + 3 > decoder.maxPositionEmbeddings()) {
      throw new CheckpointException(
          "No picture fits the context\n  expected max_position_embeddings above "
              + (tokens() + 2) + "\n  found    " + decoder.maxPositionEmbeddings());
    }
  }

  private static JsonMap params(JsonMap json, String part, String cls) {
    String found = json.object(part).stringOr("cls", cls);
    if (!found.equals(cls)) {
      throw new UnsupportedModelException(
          json.object(part) + ": cls is " + found + "; this library runs " + cls);
    }
    return json.object(part).object("params");
  }

  private static DecoderConfig decoder(JsonMap json) {
    LlamaSizes sizes = LlamaSizes.read(json);
    if (sizes.attentionBias() || sizes.mlpBias()) {
      throw new UnsupportedModelException(
          json + ": attention_bias or mlp_bias is true; this library runs JanusFlow without");
    }
    return new DecoderConfig(
        sizes.vocabSize(),
        sizes.hiddenSize(),
        sizes.intermediateSize(),
        sizes.numHiddenLayers(),
        sizes.numAttentionHeads(),
        sizes.numKeyValueHeads(),
        sizes.headDim(),
        sizes.rmsNormEps(),
        sizes.ropeTheta(),
        sizes.maxPositionEmbeddings(),
        json.boolOr("tie_word_embeddings", false),
        false,
        false,
        false);
  }

  /** {@return rows across a picture, of the tower and of a drawing} */
  int grid() {
    return vision.grid();
  }

  /** {@return P, rows of a picture, of the tower and of a drawing} */
  int tokens() {
    return vision.patches();
  }

  /** {@return latents across a drawing} */
  int latentSize() {
    return grid() * encoder.stride;
  }
}
