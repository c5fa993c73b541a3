package dev.diptych.core;

/** The deadline of the request passed; the session and the model stay usable. */
public final class DeadlineExceededException extends DiptychException {
  private static final long serialVersionUID = 1L;

  /** Creates the error with a message of what failed, what was expected, what was found, and where. */
  public DeadlineExceededException(String message) {
    super(message);
  }

  /** Creates the error with the failure that led to it. */
  public DeadlineExceededException(String message, Throwable cause) {
    super(message, cause);
  }
}
