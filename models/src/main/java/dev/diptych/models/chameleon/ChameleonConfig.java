package dev.diptych.models.chameleon;

import dev.diptych.core.CheckpointException;
import dev.diptych.core.UnsupportedModelException;
import dev.diptych.core.weights.JsonMap;
import dev.diptych.models.discrete.TransformerConfig;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What the files say of the sizes, in either published layout: config.json of transformers
 * (huggingface/transformers v5.18.0, models/chameleon), which Lumina-mGPT uses as well, or params.json
 * and consolidate_params.json of Meta's download (facebookresearch/chameleon@dbbe47f,
 * chameleon/inference/loader.py and transformer.py). Keys that are left out have the defaults of
 * those sources.
 *
 * @param layout which names the tensors have
 * @param family how prompts and pictures are laid out
 * @param transformer the sizes of the transformer
 * @param tied whether the output head is the embedding table
 * @param shards files of Meta's layout that hold a part of every tensor; 1 in the other
 * @param vq the picture coder's {@code vq_config}; of Meta's files the resolution alone, the rest is
 *     read off the tensors
 * @param targetSize pixels of a side of a square picture that Lumina-mGPT was trained for
 */
record ChameleonConfig(
    Layout layout,
    Family family,
    TransformerConfig transformer,
    boolean tied,
    int shards,
    JsonMap vq,
    OptionalInt targetSize) {

  /** The two published layouts. */
  enum Layout {
    /** {@code ChameleonForConditionalGeneration} of transformers. */
    HF,
    /** Meta's download, and Anole's repository. */
    META
  }

  /** Who trained it. */
  enum Family {
    /** Chameleon and Anole: square pictures. */
    CHAMELEON,
    /** Lumina-mGPT: pictures of many sides, each row ended by a token. */
    LUMINA
  }

  private static final Pattern LUMINA_SIZE = Pattern.compile("(?<![0-9])(512|768|1024)(?![0-9])");
  private static final int LUMINA_DEFAULT = 512;

  /**
   * Reads config.json.
   *
   * @param folder whose name tells the size that Lumina-mGPT draws: nothing inside the files does
   * @throws CheckpointException if a value is out of range
   * @throws UnsupportedModelException if it is no Chameleon, or has a part that is not known
   */
  static ChameleonConfig readHf(JsonMap json, Path folder) {
    String type = json.stringOr("model_type", "none");
    if (!type.equals("chameleon")) {
      throw new UnsupportedModelException(
          json + ": model_type is " + type + "; this family is chameleon");
    }
    if (!json.stringOr("hidden_act", "silu").equals("silu")) {
      throw unsupported(json, "hidden_act", json.string("hidden_act"), "silu");
    }
    for (String bias : List.of("attention_bias", "mlp_bias")) {
      if (json.boolOr(bias, false)) {
        throw unsupported(json, bias, "true", "false");
      }
    }
    int hidden = json.integerOr("hidden_size", 4096, 1, 1 << 20);
    int heads = json.integerOr("num_attention_heads", 32, 1, 1 << 16);
    int kvHeads = json.integerOr("num_key_value_heads", heads, 1, 1 << 16);
    if (hidden % heads != 0) {
      throw json.refuse("hidden_size", "a multiple of num_attention_heads " + heads);
    }
    if (heads % kvHeads != 0) {
      throw json.refuse("num_key_value_heads", "a divisor of num_attention_heads " + heads);
    }
    TransformerConfig transformer =
        new TransformerConfig(
            json.integerOr("vocab_size", 65536, 1, 1 << 24),
            hidden,
            json.integerOr("intermediate_size", 11008, 1, 1 << 22),
            json.integerOr("num_hidden_layers", 32, 1, 1024),
            heads,
            kvHeads,
            hidden / heads,
            json.numberOr("rms_norm_eps", 1e-5, 1e-12, 0.1),
            ropeTheta(json),
            json.integerOr("max_position_embeddings", 4096, 1, 1 << 24),
            true,
            json.boolOr("swin_norm", false),
            false);
    Family family = family(json);
    return new ChameleonConfig(
        Layout.HF,
        family,
        transformer,
        json.boolOr("tie_word_embeddings", false),
        1,
        json.has("vq_config") ? json.object("vq_config") : none("vq_config"),
        family == Family.LUMINA ? OptionalInt.of(targetSize(folder, json)) : OptionalInt.empty());
  }

  /** Alpha-VLLM/Lumina-mGPT@104abe4, lumina_mgpt/model: a class and a key of its own. */
  private static Family family(JsonMap json) {
    boolean lumina =
        json.has("z_loss_weight")
            || json.has("architectures")
                && json.strings("architectures").stream().anyMatch(a -> a.contains("XLLMX"));
    return lumina ? Family.LUMINA : Family.CHAMELEON;
  }

  /**
   * The authors pass the size on the command line, "consistent with the checkpoint", whose name has
   * it: Lumina-mGPT-7B-768. The name is looked for in the whole path, because a download cache keeps
   * it in a folder above. Without one it is the picture coder's resolution; that is 512, the default
   * of their inference_solver.py, in all published files.
   */
  private static int targetSize(Path folder, JsonMap json) {
    Path path = folder.toAbsolutePath().normalize();
    for (int i = path.getNameCount() - 1; i >= 0; i--) {
      String name = path.getName(i).toString().toLowerCase(Locale.ROOT);
      Matcher size = LUMINA_SIZE.matcher(name);
      if (name.contains("lumina") && size.find()) {
        return Integer.parseInt(size.group(1));
      }
    }
    return json.has("vq_config")
        ? json.object("vq_config").integerOr("resolution", LUMINA_DEFAULT, 1, 1 << 12)
        : LUMINA_DEFAULT;
  }

  private static double ropeTheta(JsonMap json) {
    double theta = json.numberOr("rope_theta", 10000, 1, 1e12);
    for (String key : List.of("rope_scaling", "rope_parameters")) {
      if (json.has(key)) {
        JsonMap rope = json.object(key);
        String type = rope.stringOr("rope_type", rope.stringOr("type", "default"));
        if (!type.equals("default")) {
          throw unsupported(rope, "rope_type", type, "default");
        }
        theta = rope.numberOr("rope_theta", theta, 1, 1e12);
      }
    }
    return theta;
  }

  /**
   * Reads Meta's parameters. The later of params.json, its member "model", and
   * consolidate_params.json overrules the earlier.
   *
   * @param consolidate the figures of the published files, which may be missing
   * @param shards how many files there are
   * @param vq what is known of the picture coder besides its tensors
   * @throws CheckpointException if a value is out of range or does not fit the number of files
   */
  static ChameleonConfig readMeta(
      JsonMap params, Optional<JsonMap> consolidate, int shards, JsonMap vq) {
    List<JsonMap> sources = new ArrayList<>();
    consolidate.ifPresent(sources::add);
    if (params.has("model")) {
      sources.add(params.object("model"));
    }
    sources.add(params);
    Params p = new Params(sources);
    int dim = p.of("dim").integer("dim", 1, 1 << 20);
    int layers = p.of("n_layers").integer("n_layers", 1, 1024);
    int heads = p.of("n_heads").integer("n_heads", 1, 1 << 16);
    int kvHeads = p.of("n_kv_heads").integerOr("n_kv_heads", heads, 1, 1 << 16);
    int vocabulary = p.of("vocab_size").integer("vocab_size", 1, 1 << 24);
    // The training's number stands in params.json; that of the files in consolidate_params.json.
    if (consolidate.isPresent()) {
      int parallel = consolidate.get().integerOr("model_parallel_size", shards, 1, 1 << 10);
      if (parallel != shards) {
        throw new CheckpointException(
            consolidate.get() + ": model_parallel_size is " + parallel + "; found " + shards
                + (shards == 1 ? " file" : " files") + " of weights. Is the download complete?");
      }
    }
    if (dim % heads != 0) {
      throw p.of("dim").refuse("dim", "a multiple of n_heads " + heads);
    }
    if (heads % kvHeads != 0) {
      throw p.of("n_kv_heads").refuse("n_kv_heads", "a divisor of n_heads " + heads);
    }
    double theta = p.of("rope_theta").numberOr("rope_theta", 10000, 1, 1e12);
    long ffn = feedForward(p, dim);
    divide(p, "vocab_size", vocabulary, shards);
    divide(p, "dim", dim, shards);
    divide(p, "n_heads", heads, shards);
    divide(p, "n_kv_heads", kvHeads, shards);
    divide(p, "the feed-forward width", ffn, shards);
    TransformerConfig transformer =
        new TransformerConfig(
            vocabulary,
            dim,
            (int) Math.min(ffn, Integer.MAX_VALUE),
            layers,
            heads,
            kvHeads,
            dim / heads,
            p.of("norm_eps").numberOr("norm_eps", 1e-5, 1e-12, 0.1),
            theta,
            // convert_chameleon_weights_to_hf.py: the files tell the length by the base alone
            theta > 10000 ? 16384 : 4096,
            p.of("qk_normalization").boolOr("qk_normalization", false),
            p.of("swin_norm").boolOr("swin_norm", false),
            true);
    return new ChameleonConfig(
        Layout.META,
        Family.CHAMELEON,
        transformer,
        false,
        shards,
        vq,
        OptionalInt.empty());
  }

  /** transformer.py, FeedForward: two thirds of 4 x dim, times a factor, up to a multiple. */
  private static long feedForward(Params p, int dim) {
    long width = 2 * 4L * dim / 3;
    if (p.of("ffn_dim_multiplier").has("ffn_dim_multiplier")) {
      width =
          (long) (p.of("ffn_dim_multiplier").number("ffn_dim_multiplier", 1e-3, 1e3) * width);
    }
    long multiple = p.of("multiple_of").integerOr("multiple_of", 256, 1, 1 << 20);
    return multiple * ((width + multiple - 1) / multiple);
  }

  private static void divide(Params p, String what, long value, int shards) {
    if (value % shards != 0) {
      throw new CheckpointException(
          p.sources.get(0)
              + ": "
              + what
              + " is "
              + value
              + "; expected a multiple of the "
              + shards
              + " files of weights");
    }
  }

  /** Several objects, of which the first that has a key tells it. */
  private record Params(List<JsonMap> sources) {
    JsonMap of(String key) {
      return sources.stream()
          .filter(s -> s.has(key))
          .findFirst()
          .orElse(sources.get(sources.size() - 1));
    }
  }

  /** {@return an object without members, of which every default holds} */
  static JsonMap none(String name) {
    return JsonMap.parse(name, "{}".getBytes(StandardCharsets.UTF_8));
  }

  private static UnsupportedModelException unsupported(
      JsonMap json, String key, String found, String expected) {
    return new UnsupportedModelException(
        json + ": " + key + " is " + found + "; this library runs " + expected);
  }
}
