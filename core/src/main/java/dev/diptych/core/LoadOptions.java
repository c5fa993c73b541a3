package dev.diptych.core;

import java.nio.file.Path;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * How a checkpoint is loaded.
 *
 * @param dtype the number format to compute in
 * @param device where the transformer runs
 * @param memoryLimit bytes that weights and caches may take together; empty means what the machine
 *     has free
 * @param imageDecoder an ONNX file that turns image codes into pixels, instead of the one built
 *     from the checkpoint
 * @param imageCoder a folder or a file of weights with the picture coder, for checkpoints that are
 *     published without one or without its decoder; it stands in for the checkpoint's own
 */
public record LoadOptions(
    DType dtype,
    DeviceChoice device,
    OptionalLong memoryLimit,
    Optional<Path> imageDecoder,
    Optional<Path> imageCoder) {

  /** Everything left to the library. */
  public static final LoadOptions DEFAULT =
      new LoadOptions(
          DType.AUTO,
          DeviceChoice.AUTO,
          OptionalLong.empty(),
          Optional.empty(),
          Optional.empty());

  /** Checks the values. */
  public LoadOptions {
    Objects.requireNonNull(dtype, "dtype");
    Objects.requireNonNull(device, "device");
    Objects.requireNonNull(imageDecoder, "imageDecoder");
    Objects.requireNonNull(imageCoder, "imageCoder");
    if (memoryLimit.isPresent() && memoryLimit.getAsLong() < 1) {
      throw new InvalidRequestException(
          "memoryLimit is " + memoryLimit.getAsLong() + " bytes; expected at least 1");
    }
  }

  /** {@return the same with another number format} */
  public LoadOptions withDtype(DType dtype) {
    return new LoadOptions(dtype, device, memoryLimit, imageDecoder, imageCoder);
  }

  /** {@return the same on another device} */
  public LoadOptions withDevice(DeviceChoice device) {
    return new LoadOptions(dtype, device, memoryLimit, imageDecoder, imageCoder);
  }

  /** {@return the same with another limit, in bytes} */
  public LoadOptions withMemoryLimit(long bytes) {
    return new LoadOptions(dtype, device, OptionalLong.of(bytes), imageDecoder, imageCoder);
  }

  /** {@return the same with a decoder of the caller's} */
  public LoadOptions withImageDecoder(Path onnxFile) {
    return new LoadOptions(dtype, device, memoryLimit, Optional.of(onnxFile), imageCoder);
  }

  /** {@return the same with a picture coder from elsewhere: a folder or one file of weights} */
  public LoadOptions withImageCoder(Path folderOrFile) {
    return new LoadOptions(dtype, device, memoryLimit, imageDecoder, Optional.of(folderOrFile));
  }
}
