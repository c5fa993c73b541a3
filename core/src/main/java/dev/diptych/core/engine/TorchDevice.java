package dev.diptych.core.engine;

import ai.djl.Device;
import ai.djl.engine.Engine;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.engine.PtNDManager;
import ai.djl.pytorch.jni.IValue;
import ai.djl.pytorch.jni.JniUtils;
import dev.diptych.core.DeviceChoice;
import dev.diptych.core.EngineException;
import dev.diptych.core.LoadOptions;
import dev.diptych.core.WeightMemory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/**
 * A processor that libtorch computes on, and the one place where numbers cross into native code.
 *
 * <p>Only float32, int64, int8 (raw bytes) and bool cross: DJL aborts the process on bfloat16,
 * int16, uint16 and strings, so their creation is not offered, and sizes are checked before the
 * call.
 */
public final class TorchDevice implements AutoCloseable {
  private final PtNDManager manager;
  private final WeightMemory weightMemory;

  private TorchDevice(PtNDManager manager, WeightMemory weightMemory) {
    this.manager = manager;
    this.weightMemory = weightMemory;
  }

  /**
   * Finds the processor that a model is loaded on.
   *
   * @throws EngineException as {@link #open(DeviceChoice)}
   */
  public static TorchDevice open(LoadOptions options) {
    return open(options.device(), options.weightMemory());
  }

  /**
   * Finds the processor.
   *
   * @throws EngineException if libtorch cannot be loaded, or a GPU was asked for and there is none;
   *     the message names the remedy
   */
  public static TorchDevice open(DeviceChoice choice) {
    return open(choice, WeightMemory.MAPPED);
  }

  private static TorchDevice open(DeviceChoice choice, WeightMemory weightMemory) {
    Engine engine = LibTorch.engine();
    boolean gpu = choice != DeviceChoice.CPU && engine.getGpuCount() > 0;
    if (choice == DeviceChoice.GPU && !gpu) {
      throw new EngineException(LibTorch.noGpu());
    }
    Device device = gpu ? Device.gpu() : Device.cpu();
    return new TorchDevice((PtNDManager) engine.newBaseManager(device), weightMemory);
  }

  /** {@return where weights lie, if this is no GPU} */
  WeightMemory weightMemory() {
    return weightMemory;
  }

  /** {@return whether this is a GPU} */
  public boolean gpu() {
    return manager.getDevice().isGpu();
  }

  /**
   * {@return whether a key cache is read faster when it lies transposed} Measured on CPUs of both
   * makers; what was not measured is as AMD's.
   */
  public boolean turnedKeys() {
    return gpu() || !CpuFeatures.intel();
  }

  PtNDManager manager() {
    return manager;
  }

  /**
   * Makes a float32 tensor.
   *
   * @param values row-major, as many as the shape says
   */
  public Value floats(float[] values, long... shape) {
    check(values.length, shape);
    ByteBuffer bytes = ByteBuffer.allocateDirect(4 * values.length).order(ByteOrder.nativeOrder());
    bytes.asFloatBuffer().put(values);
    return tensor(bytes, shape, DataType.FLOAT32);
  }

  /**
   * Makes an int64 tensor.
   *
   * @param values row-major, as many as the shape says
   */
  public Value longs(long[] values, long... shape) {
    check(values.length, shape);
    ByteBuffer bytes = ByteBuffer.allocateDirect(8 * values.length).order(ByteOrder.nativeOrder());
    bytes.asLongBuffer().put(values);
    return tensor(bytes, shape, DataType.INT64);
  }

  /**
   * Makes an int64 tensor.
   *
   * @param values row-major, as many as the shape says
   */
  public Value longs(int[] values, long... shape) {
    return longs(Arrays.stream(values).asLongStream().toArray(), shape);
  }

  /**
   * Makes a float32 tensor over a direct buffer without copying it (on the CPU).
   *
   * @param bytes direct, native order, kept alive by the value
   */
  public Value floats(ByteBuffer bytes, long... shape) {
    check(bytes.remaining() / 4, shape);
    return tensor(bytes, shape, DataType.FLOAT32);
  }

  /**
   * Makes an int8 tensor of raw bytes over a direct buffer without copying it (on the CPU); a script
   * reads them as any dtype with {@code torch.view_copy}.
   *
   * @param bytes direct, kept alive by the value
   */
  public Value bytes(ByteBuffer bytes, long... shape) {
    check(bytes.remaining(), shape);
    return tensor(bytes, shape, DataType.INT8);
  }

  /**
   * {@return the memory of a tensor on the CPU, of less than 2 GiB and without gaps} Only while the
   * value is open: nothing else keeps it.
   */
  ByteBuffer memory(Value value) {
    try (PtNDArray array = value.handle().toTensor(manager)) {
      return JniUtils.getByteBuffer(array, true);
    }
  }

  private Value tensor(ByteBuffer bytes, long[] shape, DataType type) {
    if (!bytes.isDirect()) {
      throw new IllegalArgumentException("A tensor is made over a direct buffer");
    }
    ByteBuffer slice = bytes.slice().order(ByteOrder.nativeOrder());
    try (PtNDArray array = manager.create(slice, new Shape(shape), type)) {
      return new Value(this, IValue.from(array), slice);
    }
  }

  /** Makes an int argument. */
  public Value of(long value) {
    return new Value(this, IValue.from(value), null);
  }

  /** Makes a float argument. */
  public Value of(double value) {
    return new Value(this, IValue.from(value), null);
  }

  /** Makes a bool argument. */
  public Value of(boolean value) {
    return new Value(this, IValue.from(value), null);
  }

  /** Makes a List[int] argument. */
  public Value ints(long... values) {
    return new Value(this, IValue.listFrom(values), null);
  }

  /** Makes a str argument. */
  public Value of(String value) {
    return new Value(this, IValue.from(value), null);
  }

  /** Makes a List[Tensor]; the tensors stay alive in it. */
  public Value list(List<Value> tensors) {
    PtNDArray[] arrays = new PtNDArray[tensors.size()];
    try {
      for (int i = 0; i < arrays.length; i++) {
        arrays[i] = tensors.get(i).handle().toTensor(manager);
      }
      return new Value(
          this, IValue.listFrom(arrays), tensors.stream().map(Value::memory).toList());
    } finally {
      close(arrays);
    }
  }

  /** Makes a Dict[str, Tensor]; the tensors stay alive in it. */
  public Value dictionary(Map<String, Value> tensors) {
    return dictionary(tensors, () -> {});
  }

  /**
   * Makes a Dict[str, Tensor]; the tensors stay alive in it.
   *
   * @param onClose run when the dictionary is closed, once
   */
  Value dictionary(Map<String, Value> tensors, Runnable onClose) {
    Map<String, PtNDArray> arrays = new java.util.LinkedHashMap<>();
    try {
      tensors.forEach((name, value) -> arrays.put(name, value.handle().toTensor(manager)));
      return new Value(
          this,
          IValue.stringMapFrom(arrays),
          tensors.values().stream().map(Value::memory).toArray(),
          onClose);
    } finally {
      close(arrays.values().toArray(PtNDArray[]::new));
    }
  }

  float[] floats(Value value) {
    try (PtNDArray array = value.handle().toTensor(manager)) {
      require(array, DataType.FLOAT32);
      return array.toFloatArray();
    }
  }

  long[] longs(Value value) {
    try (PtNDArray array = value.handle().toTensor(manager)) {
      require(array, DataType.INT64);
      return array.toLongArray();
    }
  }

  /** Gives memory that libtorch keeps for later back to the GPU's driver; nothing on the CPU. */
  public void releaseCachedMemory() {
    if (gpu()) {
      JniUtils.emptyCudaCache();
    }
  }

  /** Frees what is still attached to this device. Closing again does nothing. */
  @Override
  public void close() {
    manager.close();
  }

  private static void require(PtNDArray array, DataType type) {
    if (array.getDataType() != type) {
      throw new EngineException(
          "Cannot read a tensor of dtype "
              + array.getDataType()
              + " as "
              + type
              + ": only float32 and int64 leave a script");
    }
  }

  private static void close(PtNDArray[] arrays) {
    for (PtNDArray array : arrays) {
      if (array != null) {
        array.close();
      }
    }
  }

  private static void check(long found, long[] shape) {
    long expected = 1;
    for (long side : shape) {
      if (side < 0) {
        throw new IllegalArgumentException("Negative side in shape " + Arrays.toString(shape));
      }
      expected = Math.multiplyExact(expected, side);
    }
    if (found != expected) {
      throw new IllegalArgumentException(
          "Shape " + Arrays.toString(shape) + " holds " + expected + " numbers, found " + found);
    }
  }
}
