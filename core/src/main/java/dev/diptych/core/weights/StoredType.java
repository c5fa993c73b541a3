package dev.diptych.core.weights;

import java.util.Optional;

/** How a checkpoint stores the elements of a tensor; the constants are spelled as in safetensors. */
public enum StoredType {
  /** IEEE double precision. */
  F64(8, true),
  /** IEEE single precision. */
  F32(4, true),
  /** IEEE half precision. */
  F16(2, true),
  /** The upper half of a float32. */
  BF16(2, true),
  /** 64-bit signed integer. */
  I64(8, true),
  /** 32-bit signed integer. */
  I32(4, true),
  /** 16-bit signed integer. */
  I16(2, true),
  /** 8-bit signed integer. */
  I8(1, true),
  /** 8-bit unsigned integer. */
  U8(1, true),
  /** One byte, 0 or 1. */
  BOOL(1, true),
  /** 16-bit unsigned integer; listed, not bound. */
  U16(2, false),
  /** 32-bit unsigned integer; listed, not bound. */
  U32(4, false),
  /** 64-bit unsigned integer; listed, not bound. */
  U64(8, false),
  /** 8-bit float with 4 exponent bits; listed, not bound. */
  F8_E4M3(1, false),
  /** 8-bit float with 5 exponent bits; listed, not bound. */
  F8_E5M2(1, false);

  private final int bytes;
  private final boolean bindable;

  StoredType(int bytes, boolean bindable) {
    this.bytes = bytes;
    this.bindable = bindable;
  }

  /** {@return the size of one element in bytes} */
  public int bytes() {
    return bytes;
  }

  /**
   * {@return whether a model may use tensors of this type; others can only be listed and ignored}
   */
  public boolean isBindable() {
    return bindable;
  }

  static Optional<StoredType> named(String spelling) {
    for (StoredType type : values()) {
      if (type.name().equals(spelling)) {
        return Optional.of(type);
      }
    }
    return Optional.empty();
  }
}
