package dev.diptych.core;

/** The bytes given as a picture are not one that can be read, or are damaged. */
public final class InvalidImageException extends DiptychException {
  private static final long serialVersionUID = 1L;

  /** Creates the error with a message of what failed, what was expected, what was found, and where. */
  public InvalidImageException(String message) {
    super(message);
  }

  /** Creates the error with the failure that led to it. */
  public InvalidImageException(String message, Throwable cause) {
    super(message, cause);
  }
}
