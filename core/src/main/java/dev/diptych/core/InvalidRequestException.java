package dev.diptych.core;

/** A value of the request is outside its range; the message gives the range. */
public final class InvalidRequestException extends DiptychException {
  private static final long serialVersionUID = 1L;

  /** Creates the error with a message of what failed, what was expected, what was found, and where. */
  public InvalidRequestException(String message) {
    super(message);
  }

  /** Creates the error with the failure that led to it. */
  public InvalidRequestException(String message, Throwable cause) {
    super(message, cause);
  }
}
