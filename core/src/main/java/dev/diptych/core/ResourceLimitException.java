package dev.diptych.core;

/** The request or the model needs more than is allowed; nothing was allocated. */
public final class ResourceLimitException extends DiptychException {
  private static final long serialVersionUID = 1L;

  private final long asked;
  private final long allowed;

  /**
   * Creates the error.
   *
   * @param message what was asked of what limit, with both numbers and the remedy
   * @param asked the amount asked for, in the unit that the message names
   * @param allowed the largest amount allowed, in the same unit
   */
  public ResourceLimitException(String message, long asked, long allowed) {
    super(message);
    this.asked = asked;
    this.allowed = allowed;
  }

  /** {@return the amount asked for, in the unit that the message names} */
  public long asked() {
    return asked;
  }

  /** {@return the largest amount allowed, in the unit that the message names} */
  public long allowed() {
    return allowed;
  }
}
