package dev.diptych.core;

/** Native code failed: libtorch or ONNX Runtime. */
public final class EngineException extends DiptychException {
  private static final long serialVersionUID = 1L;

  private final boolean fatal;

  /** Creates an error after which the engine is still usable. */
  public EngineException(String message) {
    super(message);
    this.fatal = false;
  }

  /** Creates an error after which the engine is still usable, with the failure that led to it. */
  public EngineException(String message, Throwable cause) {
    this(message, cause, false);
  }

  /**
   * Creates the error.
   *
   * @param fatal whether the engine is unusable from now on in this process
   */
  public EngineException(String message, Throwable cause, boolean fatal) {
    super(message, cause);
    this.fatal = fatal;
  }

  /** {@return whether the engine is unusable from now on in this process} */
  public boolean fatal() {
    return fatal;
  }
}
