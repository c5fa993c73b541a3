package dev.diptych.core.weights;

import dev.diptych.core.CheckpointException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * The pickle of a state dict, as data. Python's pickle is a program that may call anything; here is
 * only what torch.save needs to say "a dictionary of tensors". Names of Python objects are compared
 * with a fixed list of strings and never resolved; an instruction outside the list is an error.
 */
final class StatePickle {
  static final int MAX_BYTES = 16 << 20;

  private static final int MAX_STACK = 10_000;
  private static final int MAX_MEMO = 2_000_000;
  private static final int MAX_CONTAINERS = 1_000_000;
  private static final int MAX_NESTING = 64;

  private static final Object MARK = new Object();
  private static final Object NULL = new Object();

  private static final String ORDERED_DICT = "collections OrderedDict";
  private static final String REBUILD_TENSOR = "torch._utils _rebuild_tensor_v2";
  private static final String REBUILD_PARAMETER = "torch._utils _rebuild_parameter";
  private static final Map<String, StoredType> STORAGES =
      Map.of(
          "torch DoubleStorage", StoredType.F64,
          "torch FloatStorage", StoredType.F32,
          "torch HalfStorage", StoredType.F16,
          "torch BFloat16Storage", StoredType.BF16,
          "torch LongStorage", StoredType.I64,
          "torch IntStorage", StoredType.I32,
          "torch ShortStorage", StoredType.I16,
          "torch CharStorage", StoredType.I8,
          "torch ByteStorage", StoredType.U8,
          "torch BoolStorage", StoredType.BOOL);

  private final PickleBytes in;
  private final List<Object> stack = new ArrayList<>();
  private final Map<Integer, Object> memo = new HashMap<>();
  private int marks;
  private int containers;

  /** A Python dict; keys are {@code String} or {@code Long}. */
  static final class Dict {
    final Map<Object, Object> members = new LinkedHashMap<>();
    private final boolean ordered;

    private Dict(boolean ordered) {
      this.ordered = ordered;
    }
  }

  /** An entry of the list of names, not a Python object. */
  private record Global(String name) {}

  private StatePickle(String where, byte[] pickle) {
    this.in = new PickleBytes(where, pickle);
  }

  /**
   * Runs the data machine to its end.
   *
   * @return what was pickled: {@code Dict}, {@code List} for lists and tuples, {@link
   *     StridedTensor}, {@code String}, {@code Long}, {@code Double}, {@code Boolean}, or null
   */
  static Object read(String where, byte[] pickle) {
    return new StatePickle(where, pickle).run();
  }

  private Object run() {
    if (!in.startsWith(0x80, 2)) {
      throw refused("is not a pickle of protocol 2, which torch.save writes");
    }
    while (true) {
      int op = in.instruction();
      if (op == '.') {
        Object result = pop();
        if (!stack.isEmpty() || !in.isAtEnd()) {
          throw refused("goes on after its end");
        }
        return plain(result);
      }
      step(op);
      if (stack.size() > MAX_STACK) {
        throw refused("needs a stack of more than " + MAX_STACK);
      }
    }
  }

  private void step(int op) {
    switch (op) {
      case 'c' -> push(global());
      case 'Q' -> push(storage(pop()));
      case 'R' -> reduce();
      case 'b' -> build();
      case '}' -> push(container(new Dict(false)));
      case ']' -> push(container(new ArrayList<>()));
      case ')' -> push(List.of());
      case '(' -> {
        if (++marks > MAX_NESTING) {
          throw refused("is nested more than " + MAX_NESTING + " deep");
        }
        push(MARK);
      }
      case 't' -> push(container(toMark()));
      case 0x85 -> push(container(last(1)));
      case 0x86 -> push(container(last(2)));
      case 0x87 -> push(container(last(3)));
      case 's' -> setItems(last(2));
      case 'u' -> setItems(toMark());
      case 'a' -> append(last(1));
      case 'e' -> append(toMark());
      case 'q' -> put(in.unsigned8());
      case 'r' -> put(in.signed32());
      case 'h' -> push(get(in.unsigned8()));
      case 'j' -> push(get(in.signed32()));
      case 'X' -> push(in.string(in.signed32()));
      case 'K' -> push((long) in.unsigned8());
      case 'M' -> push((long) in.unsigned16());
      case 'J' -> push((long) in.signed32());
      case 0x8a -> push(in.integer(in.unsigned8()));
      case 'G' -> push(in.float64());
      case 'N' -> push(NULL);
      case 0x88 -> push(Boolean.TRUE);
      case 0x89 -> push(Boolean.FALSE);
      default -> throw refused(
          String.format(
              Locale.ROOT,
              "has the pickle instruction 0x%02x, which a dictionary of tensors does not need."
                  + " Nothing was run. Save the checkpoint as safetensors",
              op));
    }
  }

  private Global global() {
    String name = in.line() + " " + in.line();
    boolean known =
        name.equals(ORDERED_DICT) || name.equals(REBUILD_TENSOR) || name.equals(REBUILD_PARAMETER)
            || STORAGES.containsKey(name);
    if (!known) {
      throw refused(
          "asks for the Python object " + Shown.name(name.replace(' ', '.'))
              + ", which a dictionary of tensors does not need. Nothing was run. If the file is"
              + " trusted, load it in PyTorch and save its tensors as safetensors");
    }
    return new Global(name);
  }

  private StridedTensor.Storage storage(Object id) {
    if (id instanceof List<?> tuple && tuple.size() == 5 && "storage".equals(tuple.get(0))
        && tuple.get(1) instanceof Global type && STORAGES.containsKey(type.name())
        && tuple.get(2) instanceof String key && tuple.get(3) instanceof String
        && tuple.get(4) instanceof Long elements && elements >= 0) {
      return new StridedTensor.Storage(STORAGES.get(type.name()), key, elements);
    }
    throw refused("refers to data in a way that torch.save does not");
  }

  private void reduce() {
    Object arguments = pop();
    Object function = pop();
    if (!(function instanceof Global) || !(arguments instanceof List)) {
      throw refused("calls something that is not a function");
    }
    List<?> list = (List<?>) arguments;
    switch (((Global) function).name()) {
      case ORDERED_DICT -> {
        if (!list.isEmpty()) {
          throw refused("makes an OrderedDict from arguments, which torch.save does not");
        }
        push(container(new Dict(true)));
      }
      case REBUILD_TENSOR -> push(tensor(list));
      case REBUILD_PARAMETER -> {
        if (list.size() != 3 || !(list.get(0) instanceof StridedTensor)) {
          throw refused("has a parameter that is no tensor");
        }
        push(list.get(0));
      }
      default -> throw refused("calls " + ((Global) function).name() + ", which is no function");
    }
  }

  /** Arguments: storage, offset, shape, strides, requires_grad, hooks, and metadata since 2.1. */
  private StridedTensor tensor(List<?> arguments) {
    if (arguments.size() == 7 && arguments.get(6) != NULL
        && !(arguments.get(6) instanceof Dict dict && dict.members.isEmpty())) {
      throw refused("has a tensor with metadata, such as a negation yet to be carried out;"
          + " save it with .resolve_neg().clone()");
    }
    if (arguments.size() >= 6 && arguments.size() <= 7
        && arguments.get(0) instanceof StridedTensor.Storage storage
        && arguments.get(1) instanceof Long offset
        && arguments.get(2) instanceof List<?> shape && arguments.get(3) instanceof List<?> strides
        && shape.size() == strides.size()) {
      StridedTensor tensor =
          new StridedTensor(storage, offset, naturals(shape), naturals(strides));
      tensor.fault().ifPresent(fault -> {
        throw refused(fault);
      });
      return tensor;
    }
    throw refused("has a tensor that is not described as torch.save does it");
  }

  private List<Long> naturals(List<?> values) {
    List<Long> naturals = new ArrayList<>(values.size());
    for (Object value : values) {
      if (!(value instanceof Long) || (Long) value < 0) {
        throw refused("has a tensor whose shape or strides are not integers from 0");
      }
      naturals.add((Long) value);
    }
    return List.copyOf(naturals);
  }

  /** Python attributes of a dict, such as a module's {@code _metadata}: read over. */
  private void build() {
    pop();
    if (!(peek() instanceof Dict dict) || !dict.ordered) {
      throw refused("sets attributes of something else than an OrderedDict");
    }
  }

  private void setItems(List<Object> items) {
    if (!(peek() instanceof Dict dict) || items.size() % 2 != 0) {
      throw refused("fills something that is no dict");
    }
    for (int i = 0; i < items.size(); i += 2) {
      Object key = items.get(i);
      if (!(key instanceof String) && !(key instanceof Long)) {
        throw refused("has a dict key that is neither a string nor an integer");
      }
      if (dict.members.containsKey(key)) {
        throw refused("has a duplicate key: " + Shown.name(String.valueOf(key)));
      }
      dict.members.put(key, plain(items.get(i + 1)));
    }
  }

  @SuppressWarnings("unchecked")
  private void append(List<Object> items) {
    if (!(peek() instanceof ArrayList)) {
      throw refused("appends to something that is no list");
    }
    ((List<Object>) peek()).addAll(items);
  }

  private <T> T container(T made) {
    if (++containers > MAX_CONTAINERS) {
      throw refused("makes more than " + MAX_CONTAINERS + " dicts, lists and tuples");
    }
    return made;
  }

  private List<Object> toMark() {
    int mark = stack.lastIndexOf(MARK);
    if (mark < 0) {
      throw refused("ends a group that did not begin");
    }
    List<Object> above = stack.subList(mark + 1, stack.size());
    List<Object> items = List.copyOf(above);
    above.clear();
    stack.remove(mark);
    marks--;
    return items;
  }

  private List<Object> last(int count) {
    Object[] items = new Object[count];
    for (int i = count - 1; i >= 0; i--) {
      items[i] = pop();
    }
    return List.of(items);
  }

  private void put(int index) {
    if (index < 0 || index >= MAX_MEMO) {
      throw refused("remembers more than " + MAX_MEMO + " values");
    }
    memo.put(index, peek());
  }

  private Object get(int index) {
    Object value = memo.get(index);
    if (value == null) {
      throw refused("recalls a value that it did not remember");
    }
    return value;
  }

  private static Object plain(Object value) {
    return value == NULL ? null : value;
  }

  private void push(Object value) {
    stack.add(value);
  }

  private Object pop() {
    Object top = peek();
    stack.remove(stack.size() - 1);
    return top;
  }

  private Object peek() {
    if (stack.isEmpty() || stack.get(stack.size() - 1) == MARK) {
      throw refused("takes a value that is not there");
    }
    return stack.get(stack.size() - 1);
  }

  private CheckpointException refused(String what) {
    return in.refused(what);
  }
}
