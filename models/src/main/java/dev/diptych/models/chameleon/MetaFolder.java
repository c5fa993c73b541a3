package dev.diptych.models.chameleon;

import dev.diptych.core.CheckpointException;
import dev.diptych.core.UnsupportedModelException;
import dev.diptych.core.weights.Checkpoint;
import dev.diptych.core.weights.JsonMap;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.MalformedInputException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * Meta's download: {@code models/7b/consolidated.pth} or, for the larger model, {@code
 * models/30b/consolidated.00.pth} and its neighbours, with params.json beside them, and {@code
 * tokenizer/text_tokenizer.json}, {@code vqgan.ckpt}, {@code vqgan.yaml}
 * (facebookresearch/chameleon@dbbe47f, chameleon/download_data.py). Anole's repository is laid out
 * the same, with a config.json in {@code models/7b} that is not transformers'
 * (GAIR-NLP/anole@16b958a, facilitating_image_generation/bin_to_pth.py): where params.json lies
 * without weights of transformers, it decides.
 *
 * @param weights the folder with params.json
 * @param shards the files of weights, in order
 */
record MetaFolder(Path weights, List<Path> shards) {
  private static final long LIMIT = 1 << 20;
  private static final String PARAMS = "params.json";
  private static final List<String> HF_WEIGHTS =
      List.of(
          "model.safetensors",
          "model.safetensors.index.json",
          "pytorch_model.bin",
          "pytorch_model.bin.index.json");
  private static final Pattern SHARD = Pattern.compile("consolidated\\.([0-9]{2})\\.pth");
  /*
   * Of vqgan.yaml one figure is needed that no tensor tells. It stands alone on its line in every
   * YAML that the authors' program can have written, so no reader of YAML is asked for it.
   */
  private static final Pattern RESOLUTION =
      Pattern.compile("(?m)^[ \\t]*resolution:[ \\t]*([1-9][0-9]{0,5})[ \\t]*\\r?$");

  /** {@return whether a folder is laid out so} */
  static boolean isOne(Path folder) {
    return HF_WEIGHTS.stream().noneMatch(f -> Files.exists(folder.resolve(f)))
        && !weightFolders(folder).isEmpty();
  }

  /** Finds the weights. */
  static MetaFolder of(Path folder) {
    List<Path> found = weightFolders(folder);
    if (found.size() > 1) {
      throw new CheckpointException(
          folder + " holds " + found.size() + " models; open one of "
              + String.join(", ", found.stream().map(Path::toString).toList()));
    }
    return new MetaFolder(found.get(0), shards(found.get(0)));
  }

  private static List<Path> weightFolders(Path folder) {
    if (Files.isRegularFile(folder.resolve(PARAMS))) {
      return List.of(folder);
    }
    Path models = folder.resolve("models");
    return Files.isDirectory(models)
        ? list(models).stream().filter(f -> Files.isRegularFile(f.resolve(PARAMS))).toList()
        : List.of();
  }

  private static List<Path> list(Path folder) {
    try (Stream<Path> files = Files.list(folder)) {
      return files.limit(10_000).sorted().toList();
    } catch (IOException e) {
      throw new CheckpointException("Cannot list " + folder + ": " + e.getMessage(), e);
    }
  }

  private static List<Path> shards(Path folder) {
    Path whole = folder.resolve("consolidated.pth");
    if (Files.exists(whole)) {
      return List.of(whole);
    }
    TreeSet<Integer> numbers = new TreeSet<>();
    for (Path file : list(folder)) {
      Matcher name = SHARD.matcher(file.getFileName().toString());
      if (name.matches()) {
        numbers.add(Integer.parseInt(name.group(1)));
      }
    }
    if (numbers.isEmpty()) {
      throw new CheckpointException(
          "No weights in " + folder + "\n  expected consolidated.pth, or consolidated.00.pth and so"
              + " on\n  found    neither. Is the download complete?");
    }
    List<Path> shards = new ArrayList<>();
    for (int i = 0; i <= numbers.last(); i++) {
      if (!numbers.contains(i)) {
        throw new CheckpointException(
            shard(i) + " is missing in " + folder + ", which has " + numbers.size()
                + " shards up to " + shard(numbers.last()) + ". Is the download complete?");
      }
      shards.add(folder.resolve(shard(i)));
    }
    return shards;
  }

  private static String shard(int i) {
    return String.format(Locale.ROOT, "consolidated.%02d.pth", i);
  }

  /** {@return what stands before the names of a shard's tensors} */
  static String prefix(int shard, int shards) {
    return shards == 1 ? "" : String.format(Locale.ROOT, "consolidated.%02d.", shard);
  }

  /** Opens every shard. */
  void open(Map<String, Checkpoint> parts) {
    for (int i = 0; i < shards.size(); i++) {
      parts.put(prefix(i, shards.size()), Checkpoint.openFile(shards.get(i)));
    }
  }

  /** {@return a file of the tokenizer's folder: beside the weights, or where the download has it} */
  Optional<Path> beside(String file) {
    return Stream.of(
            weights.resolve(file),
            weights.resolve("tokenizer").resolve(file),
            weights.toAbsolutePath().normalize().resolve("../../tokenizer").resolve(file).normalize())
        .filter(Files::isRegularFile)
        .findFirst();
  }

  /** {@return the error for a file that every download has} */
  CheckpointException missing(String file) {
    return new CheckpointException(
        file + " is missing\n  expected in " + weights + ", in its folder tokenizer or in"
            + " ../../tokenizer\n  found    none. Is the download complete?");
  }

  /**
   * Refuses another model of Meta's, whose folders have the same names: Llama's.
   *
   * @throws UnsupportedModelException if there is no sign of a Chameleon
   */
  void requireChameleon() {
    JsonMap params = params();
    JsonMap model = params.has("model") ? params.object("model") : params;
    if (beside(ChameleonFiles.TEXT_TOKENIZER).isEmpty()
        && !model.has("qk_normalization")
        && !model.has("swin_norm")) {
      throw new UnsupportedModelException(
          "The model in " + weights + " is no Chameleon\n  expected " + ChameleonFiles.TEXT_TOKENIZER
              + " near it, or qk_normalization or swin_norm in " + PARAMS
              + "\n  found    none of them, as in a download of Llama, which this library does not"
              + " run");
    }
  }

  private JsonMap params() {
    return JsonMap.read(weights.resolve(PARAMS), LIMIT);
  }

  /** {@return the sizes} */
  ChameleonConfig config() {
    Path consolidate = weights.resolve("consolidate_params.json");
    return ChameleonConfig.readMeta(
        params(),
        Files.exists(consolidate)
            ? Optional.of(JsonMap.read(consolidate, LIMIT))
            : Optional.empty(),
        shards.size(),
        beside("vqgan.yaml").map(MetaFolder::vq).orElse(ChameleonConfig.none("vqgan.yaml")));
  }

  private static JsonMap vq(Path yaml) {
    try {
      if (Files.size(yaml) > LIMIT) {
        throw new CheckpointException(
            yaml + " is " + Files.size(yaml) + " bytes; at most " + LIMIT + " are read");
      }
      Matcher resolution = RESOLUTION.matcher(Files.readString(yaml));
      String members = resolution.find() ? "\"resolution\":" + resolution.group(1) : "";
      return JsonMap.parse("vqgan.yaml", ("{" + members + "}").getBytes(StandardCharsets.UTF_8));
    } catch (MalformedInputException e) {
      throw new CheckpointException(yaml + " is no text", e);
    } catch (IOException | UncheckedIOException e) {
      throw new CheckpointException("Cannot read " + yaml + ": " + e.getMessage(), e);
    }
  }
}
