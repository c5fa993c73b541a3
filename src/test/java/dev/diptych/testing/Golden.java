package dev.diptych.testing;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import dev.diptych.core.weights.Checkpoint;
import dev.diptych.core.weights.StoredType;
import dev.diptych.core.weights.TensorSpec;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;

/** Tensors and facts that reference Python wrote, from {@code src/test/resources/golden}. */
public final class Golden implements AutoCloseable {
  private final Path folder;
  private final Checkpoint tensors;

  private Golden(Path folder, Checkpoint tensors) {
    this.folder = folder;
    this.tensors = tensors;
  }

  /** {@return a folder below {@code golden}} */
  public static Path folder(String name) {
    return Path.of(System.getProperty("diptych.root"), "src/test/resources/golden", name);
  }

  /** Opens {@code expected.safetensors} of a folder below {@code golden}. */
  public static Golden open(String name) {
    return new Golden(folder(name), Checkpoint.openFile(folder(name).resolve("expected.safetensors")));
  }

  /** {@return {@code case.json} of a folder below {@code golden}} */
  public static JsonObject facts(String name) {
    try {
      return JsonParser.parseString(Files.readString(folder(name).resolve("case.json")))
          .getAsJsonObject();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** {@return a float32 tensor, row-major} */
  public float[] floats(String tensor) {
    TensorSpec spec = tensors.spec(tensor);
    assertThat(spec.type()).as("%s in %s", tensor, folder).isEqualTo(StoredType.F32);
    float[] values = new float[Math.toIntExact(spec.elements())];
    tensors.read(tensor).asFloatBuffer().get(values);
    return values;
  }

  /** {@return a uint8 tensor, row-major} */
  public byte[] bytes(String tensor) {
    ByteBuffer buffer = tensors.read(tensor);
    byte[] values = new byte[buffer.remaining()];
    buffer.get(values);
    return values;
  }

  /** {@return the shape of a tensor} */
  public long[] shape(String tensor) {
    return tensors.spec(tensor).shape().stream().mapToLong(Long::longValue).toArray();
  }

  @Override
  public void close() {
    tensors.close();
  }
}
