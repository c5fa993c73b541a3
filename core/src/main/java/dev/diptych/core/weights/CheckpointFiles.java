package dev.diptych.core.weights;

import dev.diptych.core.CheckpointException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.Set;
import java.util.stream.Stream;

/**
 * Which files of a folder hold the weights. A name that comes from an index file is untrusted: it
 * must be a plain name of a file in that folder.
 */
final class CheckpointFiles {
  static final long MAX_INDEX_BYTES = 64L << 20;

  private static final String[][] LAYOUTS = {
    {"model.safetensors", "model.safetensors.index.json"},
    {"pytorch_model.bin", "pytorch_model.bin.index.json"},
  };

  private final List<Path> files;
  private final Map<String, String> weightMap;
  private final OptionalLong totalSize;
  private final String indexName;

  private CheckpointFiles(
      List<Path> files, Map<String, String> weightMap, OptionalLong totalSize, String indexName) {
    this.files = files;
    this.weightMap = weightMap;
    this.totalSize = totalSize;
    this.indexName = indexName;
  }

  static CheckpointFiles in(Path folder) {
    if (!Files.exists(folder)) {
      throw new CheckpointException(
          folder + " does not exist; expected the folder of a checkpoint");
    }
    if (!Files.isDirectory(folder)) {
      throw new CheckpointException(
          folder + " is a file; expected the folder that holds it with its config.json");
    }
    for (String[] layout : LAYOUTS) {
      if (Files.exists(folder.resolve(layout[0]))) {
        return new CheckpointFiles(
            List.of(folder.resolve(layout[0])), Map.of(), OptionalLong.empty(), "");
      }
      if (Files.exists(folder.resolve(layout[1]))) {
        return sharded(folder, layout[1]);
      }
    }
    throw new CheckpointException(
        folder + " holds no weights; looked for model.safetensors, model.safetensors.index.json,"
            + " pytorch_model.bin, pytorch_model.bin.index.json; found " + listing(folder));
  }

  private static CheckpointFiles sharded(Path folder, String indexName) {
    JsonMap index = JsonMap.read(folder.resolve(indexName), MAX_INDEX_BYTES);
    JsonMap map = index.object("weight_map");
    Map<String, String> weightMap = new LinkedHashMap<>();
    Set<String> names = new LinkedHashSet<>();
    for (String tensor : map.keys()) {
      weightMap.put(tensor, map.string(tensor));
      names.add(map.string(tensor));
    }
    if (names.isEmpty()) {
      throw index.refuse("weight_map", "at least one tensor and its file");
    }
    List<Path> files = new ArrayList<>();
    for (String name : names) {
      files.add(shard(folder, indexName, name));
    }
    OptionalLong totalSize = OptionalLong.empty();
    if (index.has("metadata") && index.object("metadata").has("total_size")) {
      totalSize =
          OptionalLong.of(index.object("metadata").integer("total_size", 0L, Long.MAX_VALUE));
    }
    return new CheckpointFiles(List.copyOf(files), weightMap, totalSize, indexName);
  }

  private static Path shard(Path folder, String indexName, String name) {
    String where = indexName + ": weight_map names the file " + Shown.name(name);
    Path file;
    try {
      file = folder.resolve(name);
    } catch (InvalidPathException e) {
      throw new CheckpointException(where + ", which is no file name", e);
    }
    boolean plain = !name.isEmpty() && !name.equals(".") && !name.equals("..")
        && name.indexOf('/') < 0 && name.indexOf('\\') < 0 && name.indexOf(':') < 0;
    if (!plain) {
      throw new CheckpointException(
          where + "; expected a plain name of a file in the same folder");
    }
    if (!Files.exists(file)) {
      throw new CheckpointException(
          where + ", which is missing in " + folder + ". Is the download complete?");
    }
    try {
      Path real = file.toRealPath();
      Path realFolder = folder.toRealPath();
      if (!real.startsWith(realFolder) && !inHubCache(real, realFolder)) {
        throw new CheckpointException(
            where + ", which is a link out of the folder to " + real + "; put the file there");
      }
    } catch (IOException e) {
      throw new CheckpointException(where + ", which cannot be read: " + e.getMessage(), e);
    }
    return file;
  }

  /** The Hugging Face cache keeps snapshots/REVISION/NAME as links to blobs/DIGEST beside it. */
  private static boolean inHubCache(Path real, Path folder) {
    Path snapshots = folder.getParent();
    return snapshots != null
        && snapshots.endsWith("snapshots")
        && snapshots.resolveSibling("blobs").equals(real.getParent());
  }

  private static String listing(Path folder) {
    try (Stream<Path> entries = Files.list(folder)) {
      List<String> names =
          entries.limit(1000).map(p -> p.getFileName().toString()).sorted().toList();
      return names.isEmpty() ? "an empty folder" : Shown.some(names);
    } catch (IOException e) {
      return "a folder that cannot be listed";
    }
  }

  List<Path> files() {
    return files;
  }

  /** Checks the opened files against the index, where there is one. */
  void check(Map<String, TensorSpec> specs, long dataBytes) {
    weightMap.forEach((tensor, file) -> {
      TensorSpec spec = specs.get(tensor);
      if (spec == null) {
        throw new CheckpointException(
            indexName + " says that " + Shown.name(tensor) + " is in " + Shown.name(file)
                + ", which does not hold it. Are the files from the same download?");
      }
      if (!spec.file().getFileName().toString().equals(file)) {
        throw new CheckpointException(
            indexName + " says that " + Shown.name(tensor) + " is in " + Shown.name(file)
                + "; it is in " + Shown.file(spec.file()));
      }
    });
    long sum = specs.values().stream().mapToLong(TensorSpec::bytes).sum();
    // writers differ in whether tensors that share memory count once or every time
    if (totalSize.isPresent() && totalSize.getAsLong() != sum
        && totalSize.getAsLong() != dataBytes) {
      throw new CheckpointException(
          indexName + ": metadata.total_size is " + totalSize.getAsLong() + "; the files hold "
              + sum + " bytes of tensors. Are they from the same download? If they are known to be right,"
              + " remove total_size from the index");
    }
  }
}
