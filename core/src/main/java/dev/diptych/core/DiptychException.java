package dev.diptych.core;

/**
 * Root of everything that Diptych throws of its own. The children are divided by what the caller
 * can do about it. The JDK's own exceptions are used for misuse of an object ({@link
 * IllegalStateException} after {@code close()}).
 */
public abstract class DiptychException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /** Creates the error with a message of what failed, what was expected, what was found, and where. */
  protected DiptychException(String message) {
    super(message);
  }

  /** Creates the error with the failure that led to it. */
  protected DiptychException(String message, Throwable cause) {
    super(message, cause);
  }
}
