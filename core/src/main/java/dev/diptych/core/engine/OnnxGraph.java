package dev.diptych.core.engine;

import ai.onnx.proto.OnnxMl;
import com.google.protobuf.ByteString;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * An ONNX graph written in Java: structure and small constants only, a few kilobytes. Weights are
 * declared by name and shape; {@link OnnxProgram#of} injects them when the session is made, {@link
 * OnnxExport} writes them into a file. Nodes are added in execution order.
 *
 * @see <a href="https://onnx.ai/onnx/operators/">ONNX operators</a>
 */
public final class OnnxGraph {
  /** Old enough for every ONNX Runtime since 1.12, new enough for every operator used here. */
  private static final int OPSET = 17;

  private static final int IR_VERSION = 8;

  /** What crosses the border of a program. */
  public enum ElementType {
    /** 32-bit float. */
    FLOAT32(OnnxMl.TensorProto.DataType.FLOAT_VALUE, 4),
    /** 64-bit signed integer. */
    INT64(OnnxMl.TensorProto.DataType.INT64_VALUE, 8);

    private final int onnx;
    private final int bytes;

    ElementType(int onnx, int bytes) {
      this.onnx = onnx;
      this.bytes = bytes;
    }

    /** {@return bytes of one element} */
    public int bytes() {
      return bytes;
    }
  }

  /**
   * A tensor that some node makes or that comes in.
   *
   * @param name unique in the graph
   */
  public record Edge(String name) {}

  /**
   * A float32 tensor that comes from a checkpoint.
   *
   * @param name unique in the graph
   * @param shape sizes, outermost first
   */
  public record Weight(String name, List<Long> shape) {
    /** {@return the shape as an array} */
    public long[] dims() {
      return shape.stream().mapToLong(Long::longValue).toArray();
    }

    /** {@return the size in bytes} */
    public long bytes() {
      return shape.stream().reduce((long) Float.BYTES, Math::multiplyExact);
    }
  }

  private final OnnxMl.GraphProto.Builder graph = OnnxMl.GraphProto.newBuilder();
  private final Map<String, Weight> weights = new LinkedHashMap<>();
  private int nextValue;
  private int nextConstant;

  /**
   * Begins an empty graph.
   *
   * @param name for error messages and for viewers of an exported file
   */
  public OnnxGraph(String name) {
    graph.setName(name);
  }

  /** {@return the name of the graph} */
  public String name() {
    return graph.getName();
  }

  /** {@return the weights that the graph needs, in the order of their first use} */
  public Collection<Weight> weights() {
    return Collections.unmodifiableCollection(weights.values());
  }

  /** {@return the size in bytes of all weights} */
  public long weightBytes() {
    return weights.values().stream().mapToLong(Weight::bytes).sum();
  }

  /**
   * Declares an input.
   *
   * @param dims a {@link Number} for a fixed size, a {@link String} for one that each run chooses
   */
  public Edge input(String name, ElementType type, Object... dims) {
    graph.addInput(valueInfo(name, type, dims));
    return new Edge(name);
  }

  /**
   * Declares a result under a name of its own.
   *
   * @param dims a {@link Number} for a fixed size, a {@link String} for one that each run chooses
   */
  public void output(Edge value, String name, ElementType type, Object... dims) {
    graph.addNode(
        OnnxMl.NodeProto.newBuilder()
            .setOpType("Identity")
            .addInput(value.name)
            .addOutput(name));
    graph.addOutput(valueInfo(name, type, dims));
  }

  /** Declares a weight; declaring it again with the same shape gives the same value. */
  public Edge weight(String name, long... shape) {
    Weight weight = new Weight(name, Arrays.stream(shape).boxed().toList());
    Weight known = weights.putIfAbsent(name, weight);
    if (known != null && !known.equals(weight)) {
      throw new IllegalArgumentException(
          "Weight " + name + " is declared as " + known.shape + " and as " + weight.shape);
    }
    return new Edge(name);
  }

  /** {@return a float32 constant without dimensions} */
  public Edge scalar(float value) {
    return constant(ElementType.FLOAT32, bytes(value));
  }

  /** {@return [n] float32} */
  public Edge floats(float... numbers) {
    return constant(ElementType.FLOAT32, bytes(numbers), numbers.length);
  }

  /** {@return [n] float32, every element the same} */
  public Edge filled(int n, float value) {
    float[] numbers = new float[n];
    Arrays.fill(numbers, value);
    return floats(numbers);
  }

  /** {@return [n] int64} */
  public Edge ints(long... numbers) {
    ByteBuffer bytes =
        ByteBuffer.allocate(Long.BYTES * numbers.length).order(ByteOrder.LITTLE_ENDIAN);
    for (long number : numbers) {
      bytes.putLong(number);
    }
    return constant(ElementType.INT64, bytes.flip(), numbers.length);
  }

  /**
   * Adds a node with one output.
   *
   * @param operator the ONNX operator of the default domain
   * @param attributes {@link Long}, {@link Float}, {@link String} or {@code long[]} by name
   * @param inputs in the operator's order; null for an optional one that is left out
   */
  public Edge node(String operator, Map<String, ?> attributes, Edge... inputs) {
    Edge out = new Edge(operator.toLowerCase(Locale.ROOT) + "_" + nextValue++);
    OnnxMl.NodeProto.Builder node =
        OnnxMl.NodeProto.newBuilder().setOpType(operator).setName(out.name).addOutput(out.name);
    for (Edge input : inputs) {
      node.addInput(input == null ? "" : input.name);
    }
    attributes.forEach((name, value) -> node.addAttribute(attribute(name, value)));
    graph.addNode(node);
    return out;
  }

  /** Adds a node with one output and no attributes. */
  public Edge node(String operator, Edge... inputs) {
    return node(operator, Map.of(), inputs);
  }

  /**
   * {@return the ModelProto whose weights are external tensors of a file that does not exist: they
   * must be injected before a session is made}
   */
  byte[] withExternalWeights() {
    OnnxMl.ModelProto.Builder model = model().toBuilder();
    for (Weight weight : weights.values()) {
      model
          .getGraphBuilder()
          .addInitializer(
              header(weight)
                  .setDataLocation(OnnxMl.TensorProto.DataLocation.EXTERNAL)
                  .addExternalData(entry("location", "injected")));
    }
    return model.build().toByteArray();
  }

  /** {@return the ModelProto without its weights} */
  OnnxMl.ModelProto model() {
    return OnnxMl.ModelProto.newBuilder()
        .setIrVersion(IR_VERSION)
        .setProducerName("diptych")
        .addOpsetImport(OnnxMl.OperatorSetIdProto.newBuilder().setVersion(OPSET))
        .setGraph(graph)
        .build();
  }

  /** {@return name, shape and type of a weight, without its data} */
  static OnnxMl.TensorProto.Builder header(Weight weight) {
    return OnnxMl.TensorProto.newBuilder()
        .setName(weight.name)
        .setDataType(ElementType.FLOAT32.onnx)
        .addAllDims(weight.shape);
  }

  static OnnxMl.StringStringEntryProto entry(String key, String value) {
    return OnnxMl.StringStringEntryProto.newBuilder().setKey(key).setValue(value).build();
  }

  private Edge constant(ElementType type, ByteBuffer bytes, long... shape) {
    Edge value = new Edge("constant_" + nextConstant++);
    OnnxMl.TensorProto.Builder tensor =
        OnnxMl.TensorProto.newBuilder()
            .setName(value.name)
            .setDataType(type.onnx)
            .setRawData(ByteString.copyFrom(bytes));
    for (long size : shape) {
      tensor.addDims(size);
    }
    graph.addInitializer(tensor);
    return value;
  }

  private static ByteBuffer bytes(float... numbers) {
    ByteBuffer bytes =
        ByteBuffer.allocate(Float.BYTES * numbers.length).order(ByteOrder.LITTLE_ENDIAN);
    for (float number : numbers) {
      bytes.putFloat(number);
    }
    return bytes.flip();
  }

  private static OnnxMl.AttributeProto attribute(String name, Object value) {
    OnnxMl.AttributeProto.Builder attribute = OnnxMl.AttributeProto.newBuilder().setName(name);
    if (value instanceof Long number) {
      attribute.setType(OnnxMl.AttributeProto.AttributeType.INT).setI(number);
    } else if (value instanceof Float number) {
      attribute.setType(OnnxMl.AttributeProto.AttributeType.FLOAT).setF(number);
    } else if (value instanceof String text) {
      attribute
          .setType(OnnxMl.AttributeProto.AttributeType.STRING)
          .setS(ByteString.copyFromUtf8(text));
    } else if (value instanceof long[] numbers) {
      attribute.setType(OnnxMl.AttributeProto.AttributeType.INTS);
      for (long number : numbers) {
        attribute.addInts(number);
      }
    } else {
      throw new IllegalArgumentException(
          "Attribute " + name + " is a " + value.getClass().getName()
              + "; expected Long, Float, String or long[]");
    }
    return attribute.build();
  }

  private static OnnxMl.ValueInfoProto valueInfo(String name, ElementType type, Object... dims) {
    OnnxMl.TensorShapeProto.Builder shape = OnnxMl.TensorShapeProto.newBuilder();
    for (Object dim : dims) {
      if (dim instanceof Number number) {
        shape.addDimBuilder().setDimValue(number.longValue());
      } else {
        shape.addDimBuilder().setDimParam((String) dim);
      }
    }
    return OnnxMl.ValueInfoProto.newBuilder()
        .setName(name)
        .setType(
            OnnxMl.TypeProto.newBuilder()
                .setTensorType(
                    OnnxMl.TypeProto.Tensor.newBuilder().setElemType(type.onnx).setShape(shape)))
        .build();
  }
}
