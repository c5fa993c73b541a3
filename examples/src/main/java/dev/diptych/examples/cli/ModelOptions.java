package dev.diptych.examples.cli;

import dev.diptych.core.CheckpointException;
import dev.diptych.core.DType;
import dev.diptych.core.DeviceChoice;
import dev.diptych.core.LoadOptions;
import dev.diptych.core.UnifiedModel;
import dev.diptych.core.WeightMemory;
import dev.diptych.core.UnsupportedRequestException;
import dev.diptych.examples.Demo;
import dev.diptych.examples.DemoModel;
import dev.diptych.models.Diptych;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;
import picocli.CommandLine.TypeConversionException;

/** Which model, and how it is loaded. */
final class ModelOptions {
  @Spec(Spec.Target.MIXEE)
  CommandSpec spec;

  @Option(
      names = {"-m", "--model"},
      paramLabel = "DIR",
      description = "Folder of a checkpoint as it was published (default: the embedded demo).")
  Path model;

  @Option(
      names = "--demo",
      paramLabel = "NAME",
      converter = DemoConverter.class,
      description = "Which embedded demo: janus; chameleon and transfusion, which also tell stories and"
          + " edit (default: janus; of tell: chameleon; of edit: transfusion).")
  Demo demo;

  @Option(
      names = "--device",
      paramLabel = "DEVICE",
      defaultValue = "auto",
      converter = DeviceConverter.class,
      description = "Where the transformer runs: auto, cpu or gpu (default: auto).")
  DeviceChoice device;

  @Option(
      names = "--dtype",
      paramLabel = "DTYPE",
      defaultValue = "auto",
      converter = DTypeConverter.class,
      description = "Number format: auto, float32, bfloat16, int8 or int4 (default: auto).")
  DType dtype;

  @Option(
      names = "--image-decoder",
      paramLabel = "FILE.onnx",
      description = "Exported decoder that turns codes or latents into pixels.")
  Path imageDecoder;

  @Option(
      names = "--image-coder",
      paramLabel = "PATH",
      description = "Picture coder for a checkpoint without one: a folder or a file of weights.")
  Path imageCoder;

  @Option(
      names = "--weights",
      paramLabel = "WHERE",
      defaultValue = "mapped",
      converter = WeightMemoryConverter.class,
      description =
          "mapped where the files lie; copied, where files may change or a drive go away; or packed:"
              + " bfloat16 loads slower and computes faster (default: ${DEFAULT-VALUE}).")
  WeightMemory weightMemory;

  /** Bytes for pictures that are asked about again; no option of its own. */
  long pictureMemory;

  private Path folder;
  private long loadMillis;
  private DType loadedDtype;

  /** {@return the folder that is loaded; the demo is unpacked when none was given} */
  Path folder() {
    if (folder == null) {
      if (model != null && demo != null) {
        throw new ParameterException(
            spec.commandLine(), "--model and --demo are two answers to which model; give one");
      }
      folder = model != null ? model : DemoModel.folder(demo == null ? Demo.JANUS : demo);
    }
    return folder;
  }

  /** Has the first demo that was taught this where neither a model nor a demo was asked for. */
  void prefer(Demo.Skill skill) {
    if (model == null && demo == null) {
      demo = Demo.that(skill);
    }
  }

  /** {@return whether this is worth asking of the model: of a demo, whether it was taught it} */
  boolean taught(Demo.Skill skill) {
    return model != null || (demo == null ? Demo.JANUS : demo).can(skill);
  }

  /**
   * Refuses a demo that was not taught this, before it is loaded.
   *
   * @throws UnsupportedRequestException with the name of one that was
   */
  void require(Demo.Skill skill) {
    if (!taught(skill)) {
      throw new UnsupportedRequestException(
          "The demo "
              + demo
              + " was not taught to "
              + skill
              + "\n  expected --demo "
              + Demo.that(skill)
              + "\n  found    --demo "
              + demo
              + "\n  remedy   leave --demo out, or give the folder of a checkpoint that can with"
              + " --model");
    }
  }

  /** Loads the model and keeps the time that it took. */
  UnifiedModel load() {
    return load(dtype);
  }

  /** Loads the model in a format of the caller's and keeps the time that it took. */
  UnifiedModel load(DType dtype) {
    if (imageDecoder != null && !Files.isRegularFile(imageDecoder)) {
      throw new CheckpointException(
          "No image decoder at " + imageDecoder + "\n  expected an ONNX file\n  found    nothing");
    }
    LoadOptions options =
        LoadOptions.DEFAULT
            .withDevice(device)
            .withDtype(dtype)
            .withPictureMemory(pictureMemory)
            .withWeightMemory(weightMemory);
    if (imageDecoder != null) {
      options = options.withImageDecoder(imageDecoder);
    }
    if (imageCoder != null) {
      options = options.withImageCoder(imageCoder);
    }
    long begin = System.nanoTime();
    UnifiedModel loaded = Diptych.load(folder(), options);
    loadedDtype = loaded.dtype();
    loadMillis = (System.nanoTime() - begin) / 1_000_000;
    return loaded;
  }

  /** {@return milliseconds that loading took} */
  long loadMillis() {
    return loadMillis;
  }

  /** {@return the number format of the loaded model} */
  DType loadedDtype() {
    return loadedDtype;
  }

  /** Lower case on the command line, whatever the locale. */
  static final class DemoConverter implements ITypeConverter<Demo> {
    @Override
    public Demo convert(String value) {
      return Arrays.stream(Demo.values())
          .filter(demo -> demo.toString().equals(value))
          .findFirst()
          .orElseThrow(
              () ->
                  new TypeConversionException(
                      "expected one of " + Demo.names() + "; found " + value));
    }
  }

  /** Lower case on the command line, whatever the locale. */
  static final class DeviceConverter implements ITypeConverter<DeviceChoice> {
    @Override
    public DeviceChoice convert(String value) {
      return switch (value) {
        case "auto" -> DeviceChoice.AUTO;
        case "cpu" -> DeviceChoice.CPU;
        case "gpu" -> DeviceChoice.GPU;
        default -> throw new TypeConversionException("expected auto, cpu or gpu; found " + value);
      };
    }
  }

  /** Lower case on the command line, whatever the locale. */
  static final class WeightMemoryConverter implements ITypeConverter<WeightMemory> {
    @Override
    public WeightMemory convert(String value) {
      return switch (value) {
        case "mapped" -> WeightMemory.MAPPED;
        case "copied" -> WeightMemory.COPIED;
        case "packed" -> WeightMemory.PACKED;
        default ->
            throw new TypeConversionException("expected mapped, copied or packed; found " + value);
      };
    }
  }

  static final class DTypeConverter implements ITypeConverter<DType> {
    @Override
    public DType convert(String value) {
      return switch (value) {
        case "auto" -> DType.AUTO;
        case "float32" -> DType.FLOAT32;
        case "bfloat16" -> DType.BFLOAT16;
        case "int8" -> DType.INT8;
        case "int4" -> DType.INT4;
        default ->
            throw new TypeConversionException(
                "expected auto, float32, bfloat16, int8 or int4; found " + value);
      };
    }
  }
}
