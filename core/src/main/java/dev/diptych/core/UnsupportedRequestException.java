package dev.diptych.core;

/** The request asks for something that this model cannot do; the message lists what it can. */
public final class UnsupportedRequestException extends DiptychException {
  private static final long serialVersionUID = 1L;

  /** Creates the error with a message of what failed, what was expected, what was found, and where. */
  public UnsupportedRequestException(String message) {
    super(message);
  }

  /** Creates the error with the failure that led to it. */
  public UnsupportedRequestException(String message, Throwable cause) {
    super(message, cause);
  }
}
