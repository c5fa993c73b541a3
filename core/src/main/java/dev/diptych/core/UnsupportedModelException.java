package dev.diptych.core;

/** The files are sound, but this library does not run such a model. */
public final class UnsupportedModelException extends DiptychException {
  private static final long serialVersionUID = 1L;

  /** Creates the error with a message of what failed, what was expected, what was found, and where. */
  public UnsupportedModelException(String message) {
    super(message);
  }

  /** Creates the error with the failure that led to it. */
  public UnsupportedModelException(String message, Throwable cause) {
    super(message, cause);
  }
}
