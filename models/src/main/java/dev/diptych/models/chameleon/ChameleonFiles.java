package dev.diptych.models.chameleon;

import dev.diptych.core.CheckpointException;
import dev.diptych.core.LoadOptions;
import dev.diptych.core.vq.VqConfig;
import dev.diptych.core.weights.Checkpoint;
import dev.diptych.core.weights.JsonMap;
import dev.diptych.tokenizers.TextTokenizer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The files of a checkpoint as they were published: a folder of transformers, or Meta's download,
 * which Anole keeps. All tensors are in one {@link Checkpoint}; a shard's names begin with the file's,
 * and the names of a picture coder from another file with {@value #CODER}.
 */
final class ChameleonFiles implements AutoCloseable {
  /** Before the names of a picture coder that has a file of its own. */
  static final String CODER = "image_coder.";

  private static final String CODEBOOK = "quantize.embedding.weight";
  static final String TEXT_TOKENIZER = "text_tokenizer.json";
  private static final String VQGAN = "vqgan.ckpt";
  private static final long CONFIG_LIMIT = 16 << 20;
  private static final long TOKENIZER_LIMIT = 64 << 20;

  private final Path folder;
  private final Path weightsFolder;
  private final Path tokenizerFile;
  private final ChameleonConfig config;
  private final Checkpoint checkpoint;
  private final Optional<String> coderPrefix;
  private final ChameleonVocabulary vocabulary;

  private ChameleonFiles(Path folder, LoadOptions options) {
    this.folder = folder;
    boolean meta = MetaFolder.isOne(folder);
    MetaFolder found = meta ? MetaFolder.of(folder) : null;
    if (meta) {
      found.requireChameleon();
    }
    this.weightsFolder = meta ? found.weights() : folder;
    this.tokenizerFile =
        meta
            ? found.beside(TEXT_TOKENIZER).orElseThrow(() -> found.missing(TEXT_TOKENIZER))
            : folder.resolve("tokenizer.json");
    JsonMap json = meta ? null : JsonMap.read(folder.resolve("config.json"), CONFIG_LIMIT);
    this.config = meta ? found.config() : ChameleonConfig.readHf(json, folder);
    Map<String, Integer> names = names(json);
    this.vocabulary =
        ChameleonVocabulary.of(names, config.transformer().vocabSize(), folder.toString());
    if (config.family() == ChameleonConfig.Family.LUMINA) {
      vocabulary.newLine();
      vocabulary.size(1);
    }
    Map<String, Checkpoint> parts = new LinkedHashMap<>();
    try {
      if (meta) {
        found.open(parts);
      } else {
        parts.put("", Checkpoint.open(folder));
      }
      Optional<Path> coder = options.imageCoder();
      if (coder.isEmpty() && meta) {
        coder = found.beside(VQGAN);
      }
      coder.ifPresent(path -> parts.put(CODER, openCoder(path)));
      this.checkpoint = Checkpoint.join(folder, parts);
      this.coderPrefix = coderPrefix(checkpoint, coder.isPresent() ? CODER : "");
      coderPrefix.ifPresent(
          prefix ->
              vocabulary.requireCodebook(
                  checkpoint.spec(prefix + CODEBOOK).shape().stream().findFirst().orElse(0L),
                  prefix + CODEBOOK));
      if (coderPrefix.isEmpty() && config.vq().has("num_embeddings")) {
        long entries = config.vq().integer("num_embeddings", 1, 1 << 24);
        vocabulary.requireCodebook(entries, config.vq().toString());
      }
    } catch (RuntimeException | Error e) {
      parts.values().forEach(Checkpoint::close);
      throw e;
    }
  }

  /**
   * Opens the files and checks all that needs no tensor's data.
   *
   * @param folder of transformers, or Meta's download: the folder with {@code models} and {@code
   *     tokenizer}, one of the folders in {@code models}, or all files in one
   * @throws CheckpointException if a file is missing or wrong
   * @throws dev.diptych.core.UnsupportedModelException if it is no Chameleon
   */
  static ChameleonFiles open(Path folder, LoadOptions options) {
    return new ChameleonFiles(folder, options);
  }

  /** config.json's vocabulary_map where there is one, and the tokenizer's; they must agree. */
  private Map<String, Integer> names(JsonMap json) {
    boolean mapped = json != null && json.has("vocabulary_map");
    Map<String, Integer> names = new LinkedHashMap<>();
    if (mapped) {
      names.putAll(ChameleonVocabulary.names(json.object("vocabulary_map")));
    }
    if (!mapped || Files.exists(tokenizerFile)) {
      Map<String, Integer> tokens =
          ChameleonVocabulary.namesOfTokenizer(JsonMap.read(tokenizerFile, TOKENIZER_LIMIT));
      ChameleonVocabulary.requireAgreement(
          names, "config.json: vocabulary_map", tokens, tokenizerFile.getFileName().toString());
      if (!mapped) {
        names.putAll(tokens);
      }
    }
    return names;
  }

  private static Checkpoint openCoder(Path path) {
    if (!Files.isDirectory(path)) {
      if (!Files.exists(path)) {
        throw new CheckpointException(
            "No picture coder at " + path
                + "\n  expected a folder of transformers or a file such as " + VQGAN
                + "\n  found    nothing");
      }
      return Checkpoint.openFile(path);
    }
    for (String place : List.of(VQGAN, "tokenizer/" + VQGAN)) {
      if (Files.exists(path.resolve(place))) {
        return Checkpoint.openFile(path.resolve(place));
      }
    }
    return Checkpoint.open(path);
  }

  /** The coder is where the codebook is. */
  private static Optional<String> coderPrefix(Checkpoint checkpoint, String below) {
    List<String> found =
        checkpoint.names().stream()
            .filter(n -> n.startsWith(below) && n.endsWith(CODEBOOK))
            .map(n -> n.substring(0, n.length() - CODEBOOK.length()))
            .filter(prefix -> prefix.isEmpty() || prefix.endsWith("."))
            .toList();
    if (found.size() > 1) {
      throw new CheckpointException(
          checkpoint.location() + " has " + found.size() + " picture coders, below "
              + String.join(" and ", found) + "; expected one");
    }
    if (found.isEmpty() && !below.isEmpty()) {
      throw new CheckpointException(
          "The picture coder of " + checkpoint.location() + " has no codebook\n  expected a tensor "
              + CODEBOOK + ", with or without a prefix");
    }
    return found.stream().findFirst();
  }

  /** {@return the name that the checkpoint goes by} */
  String name() {
    Path path = folder.toAbsolutePath().normalize();
    boolean inside = path.getParent() != null && path.getParent().endsWith("models");
    Path named = inside && path.getNameCount() > 2 ? path.getParent().getParent() : path;
    return String.valueOf(named.getFileName());
  }

  ChameleonConfig config() {
    return config;
  }

  /** {@return all tensors; closed with the files} */
  Checkpoint checkpoint() {
    return checkpoint;
  }

  ChameleonVocabulary vocabulary() {
    return vocabulary;
  }

  /** {@return the tokenizer, in which the names of codes are letters; the caller closes it} */
  TextTokenizer openTokenizer() {
    return config.layout() == ChameleonConfig.Layout.HF
        ? TextTokenizer.load(folder, ChameleonVocabulary.control())
        : TextTokenizer.loadFile(tokenizerFile, ChameleonVocabulary.control());
  }

  /** {@return what stands before the picture coder's names, its last dot included} */
  Optional<String> coderPrefix() {
    return coderPrefix;
  }

  /** {@return whether there is what turns codes into pixels; transformers' folders lack it} */
  boolean hasDecoder() {
    return coderPrefix
        .filter(p -> checkpoint.names().contains(p + "decoder.conv_in.weight"))
        .isPresent();
  }

  /**
   * Refuses a checkpoint without any part of a picture coder.
   *
   * @throws CheckpointException with where one is expected
   */
  void requireCoder() {
    if (coderPrefix.isEmpty()) {
      throw new CheckpointException(
          "No picture coder in " + folder + "\n  expected "
              + (config.layout() == ChameleonConfig.Layout.META
                  ? VQGAN + " beside " + tokenizerFile
                  : "tensors model.vqmodel.*")
              + "\n  found    none\n  Give one with LoadOptions.withImageCoder or --image-coder: "
              + VQGAN + " of Meta's download or the folder of a ChameleonVQVAE");
    }
  }

  /**
   * {@return the sizes of the picture coder, read off its tensors and held against the config}
   *
   * @throws CheckpointException if there is none, or the two disagree
   */
  VqConfig vq() {
    requireCoder();
    return VqConfig.taming(checkpoint, coderPrefix.orElseThrow(), config.vq());
  }

  /** {@return a small JSON file of the weights' folder, or an empty object} */
  JsonMap optional(String file) {
    Path path = weightsFolder.resolve(file);
    return Files.exists(path)
        ? JsonMap.read(path, CONFIG_LIMIT)
        : ChameleonConfig.none(file);
  }

  @Override
  public void close() {
    checkpoint.close();
  }
}
