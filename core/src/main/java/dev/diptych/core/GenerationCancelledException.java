package dev.diptych.core;

/** The generation was cancelled; the session and the model stay usable. */
public final class GenerationCancelledException extends DiptychException {
  private static final long serialVersionUID = 1L;

  /** Creates the error with a message of what failed, what was expected, what was found, and where. */
  public GenerationCancelledException(String message) {
    super(message);
  }

  /** Creates the error with the failure that led to it. */
  public GenerationCancelledException(String message, Throwable cause) {
    super(message, cause);
  }
}
