package dev.diptych.core;

/** Why an answer ended. */
public enum FinishReason {
  /** The model ended it, or the picture is complete. */
  STOP,
  /** {@link GenerationOptions#maxTokens()} or the context was reached. */
  LENGTH
}
