package dev.diptych.core;

/** The files of a checkpoint are wrong: damaged, incomplete, or not from the same model. */
public final class CheckpointException extends DiptychException {
  private static final long serialVersionUID = 1L;

  /** Creates the error with a message of what failed, what was expected, what was found, and where. */
  public CheckpointException(String message) {
    super(message);
  }

  /** Creates the error with the failure that led to it. */
  public CheckpointException(String message, Throwable cause) {
    super(message, cause);
  }
}
