package dev.diptych.core.engine;

import ai.onnxruntime.NodeInfo;
import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OnnxTensorLike;
import ai.onnxruntime.OnnxValue;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import ai.onnxruntime.TensorInfo;
import dev.diptych.core.DeviceChoice;
import dev.diptych.core.EngineException;
import dev.diptych.core.InvalidRequestException;
import dev.diptych.core.Lifetime;
import dev.diptych.core.ResourceLimitException;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * A graph that ONNX Runtime runs: one that Java wrote, with a checkpoint's weights, or a file of
 * the user's. Any number of threads may run it at once; {@link #close} waits for them.
 */
public final class OnnxProgram implements AutoCloseable {
  private final String name;
  private final OrtSession session;
  private final Map<String, Port> inputs;
  private final Map<String, Port> outputs;
  private final Lifetime lifetime;

  /**
   * How a program is run.
   *
   * @param threads threads of one run; 0 leaves it to ONNX Runtime, which takes one for each core,
   *     or to a container's quota where that is less
   * @param device {@code GPU} asks for CUDA; {@code AUTO} means the CPU
   */
  public record Options(int threads, DeviceChoice device) {
    /** The CPU, all its cores. */
    public static final Options DEFAULT = new Options(0, DeviceChoice.AUTO);

    /** Checks the number of threads. */
    public Options {
      if (threads < 0) {
        throw new InvalidRequestException("threads is " + threads + "; expected at least 0");
      }
    }
  }

  /**
   * An input or output.
   *
   * @param name its name in the graph
   * @param type the element type in lower case, such as {@code float32} or {@code int64}
   * @param shape sizes, outermost first; -1 where each run chooses
   */
  public record Port(String name, String type, List<Long> shape) {
    @Override
    public String toString() {
      return name + " " + type + " " + shape;
    }
  }

  private OnnxProgram(String name, OrtSession session) throws OrtException {
    this.name = name;
    this.session = session;
    this.inputs = ports(session.getInputInfo());
    this.outputs = ports(session.getOutputInfo());
    this.lifetime = new Lifetime("ONNX program " + name);
  }

  /**
   * Makes a program of a graph. Its weights are read one by one, copied by ONNX Runtime and let go.
   *
   * @throws EngineException if ONNX Runtime refuses the graph
   * @throws ResourceLimitException if the weights do not fit into direct memory
   */
  public static OnnxProgram of(OnnxGraph graph, OnnxWeights weights, Options options) {
    OrtEnvironment environment = OnnxEnvironment.get();
    Map<String, OnnxTensorLike> injected = new LinkedHashMap<>();
    try (OnnxEnvironment.Call call = OnnxEnvironment.enter(() -> {});
        OrtSession.SessionOptions settings = settings(graph.name(), options)) {
      for (OnnxGraph.Weight weight : graph.weights()) {
        FloatBuffer data = weights.read(weight);
        injected.put(weight.name(), OnnxTensor.createTensor(environment, data, weight.dims()));
      }
      settings.addExternalInitializers(injected);
      OrtSession session = environment.createSession(graph.withExternalWeights(), settings);
      return new OnnxProgram(graph.name(), session);
    } catch (OrtException e) {
      throw failure("Cannot make a session of graph " + graph.name(), e);
    } catch (OutOfMemoryError e) {
      throw outOfDirectMemory("the weights of graph " + graph.name(), graph.weightBytes(), e);
    } finally {
      injected.values().forEach(OnnxTensorLike::close);
    }
  }

  /**
   * Opens a file of the user's, after looking through it: data outside its folder, operators of
   * unknown makers and what is not ONNX are refused before ONNX Runtime sees it.
   *
   * @throws dev.diptych.core.CheckpointException if the file or its external data are wrong
   * @throws dev.diptych.core.UnsupportedModelException if it needs operators that nobody has
   */
  public static OnnxProgram open(Path file, Options options) {
    ByteBuffer model;
    try {
      model = OnnxFile.read(file);
    } catch (OutOfMemoryError e) {
      throw outOfDirectMemory(file.toString(), file.toFile().length(), e);
    }
    OrtEnvironment environment = OnnxEnvironment.get();
    try (OnnxEnvironment.Call call = OnnxEnvironment.enter(() -> {});
        OrtSession.SessionOptions settings = settings(file.toString(), options)) {
      settings.addConfigEntry(
          "session.model_external_initializers_file_folder_path",
          file.toAbsolutePath().getParent().toString());
      return new OnnxProgram(file.toString(), environment.createSession(model, settings));
    } catch (OrtException e) {
      throw failure("Cannot make a session of " + file, e);
    }
  }

  /** {@return what goes in, in the graph's order} */
  public List<Port> inputs() {
    return List.copyOf(inputs.values());
  }

  /** {@return what comes out, in the graph's order} */
  public List<Port> outputs() {
    return List.copyOf(outputs.values());
  }

  /**
   * Runs the graph.
   *
   * @param given every input by name
   * @return every output by name; float16 comes out as float32
   * @throws InvalidRequestException if an input is missing, unknown, or of another type or shape
   * @throws EngineException if the run fails
   * @throws IllegalStateException after {@link #close}
   */
  public Map<String, OnnxArray> run(Map<String, OnnxArray> given) {
    return run(given, () -> {});
  }

  /**
   * Runs the graph and may end it early.
   *
   * @param given every input by name
   * @param step asked about fifty times a second from another thread; what it throws ends the run
   *     after the node at hand, and is thrown here
   */
  public Map<String, OnnxArray> run(Map<String, OnnxArray> given, Runnable step) {
    check(given);
    Map<String, OnnxTensor> tensors = new LinkedHashMap<>();
    try (Lifetime.Lease lease = lifetime.enter();
        OrtSession.RunOptions settings = new OrtSession.RunOptions();
        OnnxWatch watch = new OnnxWatch(settings, step);
        OnnxEnvironment.Call call = OnnxEnvironment.enter(watch::leave)) {
      // A picture of 384 x 384 pixels takes 450 MB for its features; they are given back at once.
      settings.addRunConfigEntry("memory.enable_memory_arena_shrinkage", "cpu:0");
      for (Map.Entry<String, OnnxArray> input : given.entrySet()) {
        tensors.put(input.getKey(), tensor(input.getValue()));
      }
      try (OrtSession.Result result = session.run(tensors, settings)) {
        watch.rethrow();
        Map<String, OnnxArray> out = new LinkedHashMap<>();
        for (Map.Entry<String, OnnxValue> output : result) {
          out.put(output.getKey(), array((OnnxTensor) output.getValue()));
        }
        return out;
      } catch (OrtException e) {
        watch.rethrow();
        throw e;
      }
    } catch (OrtException e) {
      throw failure("Cannot run " + name, e);
    } finally {
      tensors.values().forEach(OnnxTensor::close);
    }
  }

  /** Waits for the runs under way, then frees the graph. Closing again does nothing. */
  @Override
  public void close() {
    lifetime.close(
        () -> {
          try {
            session.close();
          } catch (OrtException e) {
            throw failure("Cannot close " + name, e);
          }
        });
  }

  @Override
  public String toString() {
    return "OnnxProgram[" + name + "]";
  }

  private void check(Map<String, OnnxArray> given) {
    for (String key : given.keySet()) {
      if (!inputs.containsKey(key)) {
        throw new InvalidRequestException(
            "Cannot run " + name + ": it has no input " + key + "\n  expected " + inputs.values());
      }
    }
    for (Port port : inputs.values()) {
      OnnxArray array = given.get(port.name());
      if (array == null || !fits(port, array)) {
        throw new InvalidRequestException(
            "Cannot run " + name + "\n  expected " + port + "\n  found    "
                + (array == null ? "no such input" : array));
      }
    }
  }

  private static boolean fits(Port port, OnnxArray array) {
    long[] shape = array.shape();
    if (!port.type().equals(array.type().name().toLowerCase(Locale.ROOT))
        || port.shape().size() != shape.length) {
      return false;
    }
    for (int i = 0; i < shape.length; i++) {
      long wanted = port.shape().get(i);
      if (wanted >= 0 && wanted != shape[i]) {
        return false;
      }
    }
    return true;
  }

  private static OrtSession.SessionOptions settings(String name, Options options)
      throws OrtException {
    OrtSession.SessionOptions settings = new OrtSession.SessionOptions();
    settings.setOptimizationLevel(OrtSession.SessionOptions.OptLevel.ALL_OPT);
    int threads = options.threads() > 0 ? options.threads() : CpuQuota.processors();
    if (threads > 0) {
      settings.setIntraOpNumThreads(threads);
    }
    // Its threads wait busily between nodes; after a run the cores belong to libtorch again.
    settings.addConfigEntry("session.force_spinning_stop", "1");
    if (options.device() == DeviceChoice.GPU) {
      try {
        settings.addCUDA(0);
      } catch (OrtException e) {
        settings.close();
        throw new EngineException(
            "Cannot run " + name + " on the GPU: " + e.getMessage()
                + "\n  expected com.microsoft.onnxruntime:onnxruntime_gpu on the class path in"
                + " place of onnxruntime, CUDA 12 and cuDNN 9 on the library path, and a GPU",
            e);
      }
    }
    return settings;
  }

  private static OnnxTensor tensor(OnnxArray array) throws OrtException {
    OrtEnvironment environment = OnnxEnvironment.get();
    return switch (array.type()) {
      case FLOAT32 -> OnnxTensor.createTensor(environment, array.floats(), array.shape());
      case INT64 -> OnnxTensor.createTensor(environment, array.longs(), array.shape());
    };
  }

  private OnnxArray array(OnnxTensor tensor) {
    TensorInfo info = tensor.getInfo();
    return switch (info.type) {
      case FLOAT, FLOAT16, BFLOAT16 -> OnnxArray.of(tensor.getFloatBuffer(), info.getShape());
      case INT64 -> OnnxArray.of(tensor.getLongBuffer(), info.getShape());
      default ->
          throw new EngineException(
              "Cannot read an output of " + name + "\n  expected float32, float16 or int64"
                  + "\n  found    " + type(info));
    };
  }

  private static Map<String, Port> ports(Map<String, NodeInfo> infos) {
    Map<String, Port> ports = new LinkedHashMap<>();
    infos.forEach(
        (name, node) -> {
          if (node.getInfo() instanceof TensorInfo info) {
            List<Long> shape = Arrays.stream(info.getShape()).boxed().toList();
            ports.put(name, new Port(name, type(info), shape));
          } else {
            ports.put(name, new Port(name, "no tensor", List.of()));
          }
        });
    return ports;
  }

  private static String type(TensorInfo info) {
    String type = info.type.name().toLowerCase(Locale.ROOT);
    return switch (type) {
      case "float" -> "float32";
      case "double" -> "float64";
      default -> type;
    };
  }

  private static EngineException failure(String what, OrtException e) {
    return new EngineException(what + "\n  ONNX Runtime says: " + e.getMessage(), e);
  }

  private static ResourceLimitException outOfDirectMemory(
      String what, long bytes, OutOfMemoryError e) {
    long allowed = Runtime.getRuntime().maxMemory();
    ResourceLimitException limit =
        new ResourceLimitException(
            "Cannot load " + what + ": it takes " + bytes
                + " bytes of direct memory for a moment, of which this JVM allows as many as its"
                + " heap, " + allowed + "\n  Raise -XX:MaxDirectMemorySize or -Xmx",
            bytes,
            allowed);
    limit.initCause(e);
    return limit;
  }
}
