package dev.diptych.examples.cli;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import dev.diptych.examples.Demo;
import dev.diptych.examples.DemoModel;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The sizes of a Transfusion with linear patch layers, learned positions of patches and a separator,
 * as the demo has it, and the tensors that follow from them. No weights were ever published; the
 * paper's 1.4B (arXiv 2408.11039, section 4.1) has these widths and depths.
 *
 * @param latentSize rows and columns of latents of a picture
 * @param patch rows and columns of latents of a patch
 */
record TransfusionShape(
    int vocab, int hidden, int intermediate, int layers, int heads, int latentSize, int patch, Vae vae)
    implements ModelShape {

  private static final int FREQUENCIES = 256;
  private static final String CODER = "vae/diffusion_pytorch_model.safetensors";

  /** The picture coder: diffusers' AutoencoderKL, a level an entry of its widths. */
  record Vae(List<Integer> widths, int layersPerBlock, int latentChannels) {
    int factor() {
      return 1 << (widths.size() - 1);
    }
  }

  /** {@return the shapes that are known, by name} */
  static Map<String, TransfusionShape> all() {
    Map<String, TransfusionShape> shapes = new LinkedHashMap<>();
    shapes.put(
        "transfusion-1b",
        new TransfusionShape(
            32000, 2048, 5632, 24, 16, 32, 2, new Vae(List.of(128, 256, 512, 512), 2, 8)));
    shapes.put(
        "transfusion-tiny",
        new TransfusionShape(512, 64, 128, 2, 4, 8, 2, new Vae(List.of(32, 64), 1, 4)));
    return shapes;
  }

  @Override
  public Map<String, long[]> tensors() {
    ShapeTensors t = new ShapeTensors();
    t.add("model.embed_tokens.weight", vocab, hidden);
    for (int i = 0; i < layers; i++) {
      t.llamaLayer("model.layers." + i + ".", hidden, intermediate);
    }
    t.add("model.norm.weight", hidden);
    t.add("lm_head.weight", vocab, hidden);
    t.linear("time_embed.linear_1", hidden, FREQUENCIES);
    t.linear("time_embed.linear_2", hidden, hidden);
    long numbers = (long) vae.latentChannels * patch * patch;
    long side = latentSize / patch;
    t.linear("patch_in.proj", hidden, numbers);
    t.add("patch_in.position_embedding.weight", side * side, hidden);
    t.linear("patch_out.proj", numbers, hidden);
    return t.shapes();
  }

  @Override
  public Map<String, Map<String, long[]>> weights() {
    Map<String, Map<String, long[]>> files = new LinkedHashMap<>(ModelShape.super.weights());
    files.put(CODER, coder());
    return files;
  }

  private Map<String, long[]> coder() {
    ShapeTensors t = new ShapeTensors();
    int last = vae.widths.size() - 1;
    long top = vae.widths.get(last);
    long width = vae.widths.get(0);
    t.conv("encoder.conv_in", width, 3, 3);
    for (int level = 0; level <= last; level++) {
      String block = "encoder.down_blocks." + level + ".";
      width = blocks(t, block, width, vae.widths.get(level), vae.layersPerBlock);
      if (level < last) {
        t.conv(block + "downsamplers.0.conv", width, width, 3);
      }
    }
    middle(t, "encoder.mid_block.", top);
    t.norm("encoder.conv_norm_out", top);
    t.conv("encoder.conv_out", 2L * vae.latentChannels, top, 3);
    t.conv("decoder.conv_in", top, vae.latentChannels, 3);
    middle(t, "decoder.mid_block.", top);
    width = top;
    for (int at = 0; at <= last; at++) {
      String block = "decoder.up_blocks." + at + ".";
      width = blocks(t, block, width, vae.widths.get(last - at), vae.layersPerBlock + 1);
      if (at < last) {
        t.conv(block + "upsamplers.0.conv", width, width, 3);
      }
    }
    t.norm("decoder.conv_norm_out", width);
    t.conv("decoder.conv_out", 3, width, 3);
    return t.shapes();
  }

  private static long blocks(ShapeTensors t, String p, long inputs, long outputs, int count) {
    for (int i = 0; i < count; i++) {
      residual(t, p + "resnets." + i + ".", i == 0 ? inputs : outputs, outputs);
    }
    return outputs;
  }

  private static void residual(ShapeTensors t, String p, long inputs, long outputs) {
    t.norm(p + "norm1", inputs);
    t.conv(p + "conv1", outputs, inputs, 3);
    t.norm(p + "norm2", outputs);
    t.conv(p + "conv2", outputs, outputs, 3);
    if (inputs != outputs) {
      t.conv(p + "conv_shortcut", outputs, inputs, 1);
    }
  }

  private static void middle(ShapeTensors t, String p, long width) {
    residual(t, p + "resnets.0.", width, width);
    t.norm(p + "attentions.0.group_norm", width);
    for (String name : List.of("to_q", "to_k", "to_v", "to_out.0")) {
      t.linear(p + "attentions.0." + name, width, width);
    }
    residual(t, p + "resnets.1.", width, width);
  }

  @Override
  public String size() {
    return ModelShape.super.size() + ", no published weights";
  }

  /** {@inheritDoc} It must be another Transfusion's; the demo's where none is given. */
  @Override
  public void writeFiles(Path folder, Optional<Path> tokenizer) throws IOException {
    Path demo = DemoModel.folder(Demo.TRANSFUSION);
    Path source = tokenizer.orElse(demo);
    for (String file : List.of("tokenizer.json", "tokenizer_config.json")) {
      Files.copy(source.resolve(file), folder.resolve(file), StandardCopyOption.REPLACE_EXISTING);
    }
    JsonObject config = json(source.resolve("config.json"));
    config.addProperty("vocab_size", vocab);
    config.addProperty("hidden_size", hidden);
    config.addProperty("intermediate_size", intermediate);
    config.addProperty("num_hidden_layers", layers);
    config.addProperty("num_attention_heads", heads);
    config.addProperty("num_key_value_heads", heads);
    config.addProperty("head_dim", hidden / heads);
    config.addProperty("max_position_embeddings", 4096);
    config.addProperty("tie_word_embeddings", false);
    config.addProperty("time_frequencies", FREQUENCIES);
    config.addProperty("patch_layers", "linear");
    config.addProperty("patch_size", patch);
    config.addProperty("position_embedding", true);
    config.addProperty("latent_size", latentSize);
    config.addProperty("latent_channels", vae.latentChannels);
    ModelShape.write(folder, "config.json", config);
    JsonObject generation = json(demo.resolve("generation_config.json"));
    generation.addProperty("think", false);
    ModelShape.write(folder, "generation_config.json", generation);
    Files.createDirectories(folder.resolve("scheduler"));
    String scheduler = "scheduler/scheduler_config.json";
    ModelShape.write(folder, scheduler, json(demo.resolve(scheduler)));
    JsonObject coder = json(demo.resolve("vae/config.json"));
    JsonArray widths = new JsonArray();
    JsonArray down = new JsonArray();
    JsonArray up = new JsonArray();
    for (int width : vae.widths) {
      widths.add(width);
      down.add("DownEncoderBlock2D");
      up.add("UpDecoderBlock2D");
    }
    coder.add("block_out_channels", widths);
    coder.add("down_block_types", down);
    coder.add("up_block_types", up);
    coder.addProperty("layers_per_block", vae.layersPerBlock);
    coder.addProperty("latent_channels", vae.latentChannels);
    coder.addProperty("sample_size", latentSize * vae.factor());
    Files.createDirectories(folder.resolve("vae"));
    ModelShape.write(folder, "vae/config.json", coder);
  }

  private static JsonObject json(Path file) throws IOException {
    return JsonParser.parseString(Files.readString(file, StandardCharsets.UTF_8))
        .getAsJsonObject();
  }
}
