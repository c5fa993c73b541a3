package dev.diptych.models.bagel;

import dev.diptych.core.engine.WeightLoader.Slice;
import dev.diptych.core.weights.Weights;
import dev.diptych.models.denoising.DecoderConfig;
import dev.diptych.models.denoising.DecoderWeights;
import dev.diptych.models.denoising.LatentCoder;
import java.util.Map;

/**
 * Binds every tensor of both files, each with its shape. The decoder's script has {@code _image}
 * where the file has {@code _moe_gen}, and the time's two linears have the names of diffusers; the
 * other names are the file's.
 */
final class BagelWeights {
  /** Numbers of the sinusoid that tells the time. */
  static final int TIME_FREQUENCIES = 256;

  private static final String LAST_LAYER = "not run: the tower ends a layer earlier";

  private final Weights weights;
  private final BagelConfig config;
  private final Map<String, Slice> slices;

  private BagelWeights(Weights weights, BagelConfig config) {
    this.weights = weights;
    this.config = config;
    this.slices = DecoderWeights.bind(weights, decoder(config), BagelWeights::stored);
  }

  /** {@return where every tensor that a script asks for is found; the coder's go to another engine} */
  static Map<String, Slice> bind(Weights weights, BagelConfig config) {
    BagelWeights binding = new BagelWeights(weights, config);
    binding.latents();
    binding.vision();
    LatentCoder.bind(weights, BagelFiles.VAE, config.vae());
    return binding.slices;
  }

  /** {@return the sizes of the two language models that attend together} */
  static DecoderConfig decoder(BagelConfig config) {
    BagelConfig.Text c = config.text();
    return new DecoderConfig(
        c.vocabSize(),
        c.hiddenSize(),
        c.intermediateSize(),
        c.numHiddenLayers(),
        c.numAttentionHeads(),
        c.numKeyValueHeads(),
        c.headDim(),
        c.rmsNormEps(),
        c.ropeTheta(),
        c.maxPositionEmbeddings(),
        false,
        true,
        true,
        true);
  }

  private static String stored(String name) {
    return "language_model." + name.replace("_image", "_moe_gen");
  }

  private void latents() {
    long d = config.text().hiddenSize();
    long w = config.latentWidth();
    linear("time_embedder.linear_1", "time_embedder.mlp.0", d, TIME_FREQUENCIES);
    linear("time_embedder.linear_2", "time_embedder.mlp.2", d, d);
    linear("vae2llm", "vae2llm", d, w);
    linear("llm2vae", "llm2vae", w, d);
    bind("latent_pos_embed.pos_embed", (long) config.maxLatentSize() * config.maxLatentSize(), d);
  }

  private void vision() {
    BagelConfig.Vision c = config.vision();
    long d = c.hiddenSize();
    long f = c.intermediateSize();
    long positions = (long) config.maxVisionPatches() * config.maxVisionPatches();
    String p = "vit_model.vision_model.";
    linear(p + "embeddings.patch_embedding", d, 3L * c.patchSize() * c.patchSize());
    bind(p + "embeddings.position_embedding.weight", positions, d);
    for (int i = 0; i < c.numHiddenLayers(); i++) {
      String layer = p + "encoder.layers." + i + ".";
      norm(layer + "layer_norm1", d);
      for (String name : new String[] {"q_proj", "k_proj", "v_proj", "out_proj"}) {
        linear(layer + "self_attn." + name, d, d);
      }
      norm(layer + "layer_norm2", d);
      linear(layer + "mlp.fc1", f, d);
      linear(layer + "mlp.fc2", d, f);
    }
    weights.ignore(p + "encoder.layers." + c.numHiddenLayers() + ".*", LAST_LAYER);
    norm(p + "post_layernorm", d);
    weights.ignore(p + "head.*", "the pooling head; the connector reads the patches before it");
    long hidden = config.text().hiddenSize();
    linear("connector.fc1", hidden, d);
    linear("connector.fc2", hidden, hidden);
    bind("vit_pos_embed.pos_embed", positions, hidden);
  }

  private void norm(String name, long d) {
    bind(name + ".weight", d);
    bind(name + ".bias", d);
  }

  private void linear(String name, long outputs, long inputs) {
    linear(name, name, outputs, inputs);
  }

  private void linear(String name, String stored, long outputs, long inputs) {
    slices.put(name + ".weight", Slice.of(weights.require(stored + ".weight", outputs, inputs)));
    slices.put(name + ".bias", Slice.of(weights.require(stored + ".bias", outputs)));
  }

  private void bind(String name, long... shape) {
    slices.put(name, Slice.of(weights.require(name, shape)));
  }
}
