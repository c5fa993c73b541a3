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
 * @param pictureMemory bytes that the model may keep of pictures that questions began with, so that
 *     the next question about the same picture is answered without reading it again, in whatever
 *     session; 0 keeps nothing. A session always keeps its own. Counted in the memory limit and
 *     given back where a request needs it; so far Janus alone keeps anything
 * @param weightMemory where the weights lie on the CPU
 */
public record LoadOptions(
    DType dtype,
    DeviceChoice device,
    OptionalLong memoryLimit,
    Optional<Path> imageDecoder,
    Optional<Path> imageCoder,
    long pictureMemory,
    WeightMemory weightMemory) {

  /** Everything left to the library. */
  public static final LoadOptions DEFAULT =
      new LoadOptions(
          DType.AUTO,
          DeviceChoice.AUTO,
          OptionalLong.empty(),
          Optional.empty(),
          Optional.empty(),
          0,
          WeightMemory.MAPPED);

  /** Checks the values. */
  public LoadOptions {
    Objects.requireNonNull(dtype, "dtype");
    Objects.requireNonNull(device, "device");
    Objects.requireNonNull(imageDecoder, "imageDecoder");
    Objects.requireNonNull(imageCoder, "imageCoder");
    Objects.requireNonNull(weightMemory, "weightMemory");
    if (memoryLimit.isPresent() && memoryLimit.getAsLong() < 1) {
      throw new InvalidRequestException(
          "memoryLimit is " + memoryLimit.getAsLong() + " bytes; expected at least 1");
    }
    if (pictureMemory < 0) {
      throw new InvalidRequestException(
          "pictureMemory is " + pictureMemory + " bytes; expected at least 0");
    }
  }

  /** {@return the same with another number format} */
  public LoadOptions withDtype(DType dtype) {
    return new LoadOptions(
        dtype, device, memoryLimit, imageDecoder, imageCoder, pictureMemory, weightMemory);
  }

  /** {@return the same on another device} */
  public LoadOptions withDevice(DeviceChoice device) {
    return new LoadOptions(
        dtype, device, memoryLimit, imageDecoder, imageCoder, pictureMemory, weightMemory);
  }

  /** {@return the same with another limit, in bytes} */
  public LoadOptions withMemoryLimit(long bytes) {
    return new LoadOptions(
        dtype,
        device,
        OptionalLong.of(bytes),
        imageDecoder,
        imageCoder,
        pictureMemory,
        weightMemory);
  }

  /** {@return the same with a decoder of the caller's} */
  public LoadOptions withImageDecoder(Path onnxFile) {
    return new LoadOptions(
        dtype,
        device,
        memoryLimit,
        Optional.of(onnxFile),
        imageCoder,
        pictureMemory,
        weightMemory);
  }

  /** {@return the same with a picture coder from elsewhere: a folder or one file of weights} */
  public LoadOptions withImageCoder(Path folderOrFile) {
    return new LoadOptions(
        dtype,
        device,
        memoryLimit,
        imageDecoder,
        Optional.of(folderOrFile),
        pictureMemory,
        weightMemory);
  }

  /** {@return the same with room for pictures that are asked about again, in bytes} */
  public LoadOptions withPictureMemory(long bytes) {
    return new LoadOptions(
        dtype, device, memoryLimit, imageDecoder, imageCoder, bytes, weightMemory);
  }

  /** {@return the same with weights elsewhere} */
  public LoadOptions withWeightMemory(WeightMemory weightMemory) {
    return new LoadOptions(
        dtype, device, memoryLimit, imageDecoder, imageCoder, pictureMemory, weightMemory);
  }
}
