package dev.diptych.models;

import dev.diptych.core.CheckpointException;
import dev.diptych.core.InvalidRequestException;
import dev.diptych.core.LoadOptions;
import dev.diptych.core.UnifiedModel;
import dev.diptych.core.UnsupportedModelException;
import dev.diptych.core.weights.Checkpoint;
import dev.diptych.core.weights.CheckpointSummary;
import dev.diptych.core.weights.JsonMap;
import dev.diptych.models.bagel.BagelCheckpoint;
import dev.diptych.models.bagel.BagelModel;
import dev.diptych.models.chameleon.ChameleonCheckpoint;
import dev.diptych.models.chameleon.ChameleonModel;
import dev.diptych.models.emu3.Emu3Checkpoint;
import dev.diptych.models.emu3.Emu3Model;
import dev.diptych.models.janus.JanusCheckpoint;
import dev.diptych.models.janus.JanusModel;
import dev.diptych.models.janusflow.JanusFlowCheckpoint;
import dev.diptych.models.janusflow.JanusFlowModel;
import dev.diptych.models.monoformer.MonoFormerCheckpoint;
import dev.diptych.models.monoformer.MonoFormerModel;
import dev.diptych.models.transfusion.TransfusionCheckpoint;
import dev.diptych.models.transfusion.TransfusionModel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;

/** The way in: a folder of a published checkpoint becomes a model. */
public final class Diptych {
  // config.json of Chameleon and of Emu3 holds the whole vocabulary
  private static final long CONFIG_LIMIT = 16 << 20;

  private Diptych() {}

  /** What the library does with the checkpoints of one family. */
  private enum Family {
    JANUS("janus", "multi_modality") {
      @Override
      boolean isOne(Path folder, Optional<JsonMap> config) {
        return super.isOne(folder, config) && !JanusFlowCheckpoint.isOne(config.orElseThrow());
      }

      @Override
      UnifiedModel load(Path folder, LoadOptions options) {
        if (options.imageCoder().isPresent()) {
          throw new InvalidRequestException(
              "imageCoder is " + options.imageCoder().get() + "; expected none for a Janus, whose"
                  + " picture coder is among its weights");
        }
        return JanusModel.load(folder, options);
      }

      @Override
      CheckpointSummary summary(Path folder) {
        try (Checkpoint checkpoint = Checkpoint.open(folder)) {
          return JanusCheckpoint.summary(checkpoint, config(folder));
        }
      }

      @Override
      List<Path> exportVqEncoder(Path folder, Path file) {
        try (Checkpoint checkpoint = Checkpoint.open(folder)) {
          return JanusCheckpoint.exportVqEncoder(checkpoint, config(folder), file);
        }
      }

      @Override
      List<Path> exportVqDecoder(Path folder, Path file) {
        try (Checkpoint checkpoint = Checkpoint.open(folder)) {
          return JanusCheckpoint.exportVqDecoder(checkpoint, config(folder), file);
        }
      }
    },

    JANUS_FLOW("multi_modality") {
      @Override
      boolean isOne(Path folder, Optional<JsonMap> config) {
        return super.isOne(folder, config) && JanusFlowCheckpoint.isOne(config.orElseThrow());
      }

      @Override
      UnifiedModel load(Path folder, LoadOptions options) {
        return JanusFlowModel.load(folder, options);
      }

      @Override
      CheckpointSummary summary(Path folder) {
        return JanusFlowCheckpoint.summary(folder);
      }

      @Override
      List<Path> exportVqEncoder(Path folder, Path file) {
        return JanusFlowCheckpoint.exportVqEncoder(folder, file);
      }

      @Override
      List<Path> exportVqDecoder(Path folder, Path file) {
        return JanusFlowCheckpoint.exportVqDecoder(folder, file);
      }
    },

    CHAMELEON("chameleon") {
      @Override
      boolean isOne(Path folder, Optional<JsonMap> config) {
        return super.isOne(folder, config) || ChameleonCheckpoint.isOfMeta(folder);
      }

      @Override
      UnifiedModel load(Path folder, LoadOptions options) {
        return ChameleonModel.load(folder, options);
      }

      @Override
      CheckpointSummary summary(Path folder) {
        return ChameleonCheckpoint.summary(folder);
      }

      @Override
      List<Path> exportVqEncoder(Path folder, Path file) {
        return ChameleonCheckpoint.exportVqEncoder(folder, file);
      }

      @Override
      List<Path> exportVqDecoder(Path folder, Path file) {
        return ChameleonCheckpoint.exportVqDecoder(folder, file);
      }
    },

    EMU3("emu3") {
      @Override
      UnifiedModel load(Path folder, LoadOptions options) {
        return Emu3Model.load(folder, options);
      }

      @Override
      CheckpointSummary summary(Path folder) {
        return Emu3Checkpoint.summary(folder);
      }

      @Override
      List<Path> exportVqEncoder(Path folder, Path file) {
        return Emu3Checkpoint.exportVqEncoder(folder, file);
      }

      @Override
      List<Path> exportVqDecoder(Path folder, Path file) {
        return Emu3Checkpoint.exportVqDecoder(folder, file);
      }
    },

    TRANSFUSION("transfusion", "lmfusion") {
      @Override
      UnifiedModel load(Path folder, LoadOptions options) {
        return TransfusionModel.load(folder, options);
      }

      @Override
      CheckpointSummary summary(Path folder) {
        return TransfusionCheckpoint.summary(folder);
      }

      @Override
      List<Path> exportVqEncoder(Path folder, Path file) {
        return TransfusionCheckpoint.exportVqEncoder(folder, file);
      }

      @Override
      List<Path> exportVqDecoder(Path folder, Path file) {
        return TransfusionCheckpoint.exportVqDecoder(folder, file);
      }
    },

    BAGEL("bagel") {
      @Override
      boolean isOne(Path folder, Optional<JsonMap> config) {
        return super.isOne(folder, config)
            || config.isEmpty() && BagelCheckpoint.isWithoutConfig(folder);
      }

      @Override
      UnifiedModel load(Path folder, LoadOptions options) {
        return BagelModel.load(folder, options);
      }

      @Override
      CheckpointSummary summary(Path folder) {
        return BagelCheckpoint.summary(folder);
      }

      @Override
      List<Path> exportVqEncoder(Path folder, Path file) {
        return BagelCheckpoint.exportVqEncoder(folder, file);
      }

      @Override
      List<Path> exportVqDecoder(Path folder, Path file) {
        return BagelCheckpoint.exportVqDecoder(folder, file);
      }
    },

    // Its model_type is that of any Llama; isOne looks at the architectures.
    MONOFORMER("llama of the architecture MonoFormerForCausalLM") {
      @Override
      boolean isOne(Path folder, Optional<JsonMap> config) {
        return config.map(MonoFormerCheckpoint::isOne).orElse(false);
      }

      @Override
      UnifiedModel load(Path folder, LoadOptions options) {
        return MonoFormerModel.load(folder, options);
      }

      @Override
      CheckpointSummary summary(Path folder) {
        return MonoFormerCheckpoint.summary(folder);
      }

      @Override
      List<Path> exportVqEncoder(Path folder, Path file) {
        return MonoFormerCheckpoint.refuseCodes(folder);
      }

      @Override
      List<Path> exportVqDecoder(Path folder, Path file) {
        return MonoFormerCheckpoint.refuseCodes(folder);
      }
    };

    private final List<String> modelTypes;

    Family(String... modelTypes) {
      this.modelTypes = List.of(modelTypes);
    }

    /** {@return whether the folder is of this family: by config.json, unless it has other signs} */
    boolean isOne(Path folder, Optional<JsonMap> config) {
      return config.filter(c -> modelTypes.contains(modelType(c))).isPresent();
    }

    abstract UnifiedModel load(Path folder, LoadOptions options);

    abstract CheckpointSummary summary(Path folder);

    abstract List<Path> exportVqEncoder(Path folder, Path file);

    abstract List<Path> exportVqDecoder(Path folder, Path file);

    /** {@return the family of a folder, if it is one of ours} */
    static Optional<Family> find(Path folder) {
      // Read once for all: some hold a vocabulary.
      Optional<JsonMap> config =
          Files.isRegularFile(folder.resolve("config.json"))
              ? Optional.of(config(folder))
              : Optional.empty();
      return Arrays.stream(values()).filter(f -> f.isOne(folder, config)).findFirst();
    }

    /** {@return the family of a folder, which must be one of ours} */
    static Family of(Path folder) {
      return find(folder)
          .orElseThrow(
              () ->
                  new UnsupportedModelException(
                      "No family of this library runs model_type "
                          + modelType(config(folder))
                          + "\n  in        "
                          + folder.resolve("config.json")
                          + "\n  supported "
                          + Arrays.stream(values())
                              .flatMap(f -> f.modelTypes.stream())
                              .distinct()
                              .collect(Collectors.joining(", "))));
    }
  }

  /** Loads a checkpoint with everything left to the library. */
  public static UnifiedModel load(Path folder) {
    return load(folder, LoadOptions.DEFAULT);
  }

  /**
   * Loads a checkpoint.
   *
   * @param folder as it was published: config.json, weights, tokenizer; or Chameleon's as Meta
   *     publishes it
   * @throws CheckpointException if the files are wrong
   * @throws UnsupportedModelException if no family of this library fits
   * @throws dev.diptych.core.ResourceLimitException if it cannot fit in memory
   */
  public static UnifiedModel load(Path folder, LoadOptions options) {
    return Family.of(folder).load(folder, options);
  }

  /**
   * Says what a checkpoint is, from its headers alone: no tensor is read, no native library loaded.
   *
   * @param location a checkpoint's folder, or one file of weights
   * @throws CheckpointException if the files are wrong
   */
  public static CheckpointSummary inspect(Path location) {
    if (Files.isRegularFile(location)) {
      try (Checkpoint checkpoint = Checkpoint.openFile(location)) {
        return CheckpointSummary.of(checkpoint, "unknown");
      }
    }
    Optional<Family> family = Family.find(location);
    if (family.isPresent()) {
      return family.get().summary(location);
    }
    try (Checkpoint checkpoint = Checkpoint.open(location)) {
      boolean named = Files.isRegularFile(location.resolve("config.json"));
      return CheckpointSummary.of(checkpoint, named ? modelType(config(location)) : "unknown");
    }
  }

  /**
   * Writes the encoder that turns pixels into image codes as an ONNX file that needs nothing else.
   *
   * @param folder a checkpoint's folder
   * @param file replaced if it exists
   * @return the files that were written: weights above 1.5 GB go into a second one
   * @throws UnsupportedModelException if the family has no such part
   */
  public static List<Path> exportVqEncoder(Path folder, Path file) {
    return Family.of(folder).exportVqEncoder(folder, file);
  }

  /**
   * Writes the decoder that turns image codes into pixels as an ONNX file that needs nothing else.
   *
   * @param folder a checkpoint's folder
   * @param file replaced if it exists
   * @return the files that were written: weights above 1.5 GB go into a second one
   * @throws UnsupportedModelException if the family or the checkpoint has no such part
   */
  public static List<Path> exportVqDecoder(Path folder, Path file) {
    return Family.of(folder).exportVqDecoder(folder, file);
  }

  private static String modelType(JsonMap config) {
    return config.stringOr("model_type", "none");
  }

  private static JsonMap config(Path folder) {
    Path config = folder.resolve("config.json");
    if (!Files.isRegularFile(config)) {
      throw new CheckpointException(
          "No checkpoint in "
              + folder
              + "\n  expected config.json beside the weights\n  found    "
              + (Files.isDirectory(folder) ? "a folder without it" : "no such folder"));
    }
    return JsonMap.read(config, CONFIG_LIMIT);
  }
}
