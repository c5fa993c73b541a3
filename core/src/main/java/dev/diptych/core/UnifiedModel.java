package dev.diptych.core;

import java.util.Set;

/**
 * A model that reads and writes text and pictures. Immutable and shared by any number of threads;
 * each conversation is a {@link Session} of its own.
 */
public interface UnifiedModel extends AutoCloseable {
  /** {@return the model's name: its folder's, or its repository's} */
  String name();

  /** {@return the number format that it computes in; never {@link DType#AUTO}} */
  DType dtype();

  /** {@return what goes in and what comes out} */
  Capabilities capabilities();

  /**
   * {@return the options that a request in words gets where it leaves them open} Of the options of
   * denoising they name every one that the model heeds; others are refused.
   */
  GenerationOptions defaults(Output output);

  /**
   * {@return the options that a request gets where it leaves them open} For models that draw from
   * words otherwise than from pictures.
   *
   * @param reads the modalities of the conversation: of the request's parts and of the turns before
   *     it, what the model said and drew among them
   */
  default GenerationOptions defaults(Set<Modality> reads, Output output) {
    return defaults(output);
  }

  /** {@return the question that {@link #caption} asks} */
  String captionQuestion();

  /**
   * Begins a conversation.
   *
   * @throws IllegalStateException after {@link #close()}
   */
  Session newSession();

  /** Answers one request in a session of its own. */
  default GenerationResult generate(GenerationRequest request) {
    try (Session session = newSession()) {
      return session.generate(request);
    }
  }

  /** Describes a picture in words. */
  default String caption(Image image) {
    return ask(image, captionQuestion());
  }

  /** Answers a question about a picture. */
  default String ask(Image image, String question) {
    return generate(GenerationRequest.builder().image(image).text(question).build()).text();
  }

  /** Draws a picture. */
  default Image draw(String prompt) {
    return generate(GenerationRequest.builder().text(prompt).output(Output.IMAGE).build())
        .images()
        .get(0);
  }

  /**
   * Draws a picture anew as an instruction says, such as "make the circle green".
   *
   * @param image the picture to start from
   * @throws UnsupportedRequestException if the model does not draw from a picture and words
   * @throws InvalidRequestException if there is no picture
   */
  default Image edit(Image image, String instruction) {
    if (image == null) {
      throw new InvalidRequestException(
          "There is no picture to edit\n  expected a picture and an instruction\n  found    \""
              + instruction
              + "\" alone\n  remedy   give a picture, or draw one from words");
    }
    return generate(
            GenerationRequest.builder()
                .image(image)
                .text(instruction)
                .output(Output.IMAGE)
                .build())
        .images()
        .get(0);
  }

  /**
   * Cancels the generations that are under way, waits until they have left native code, and frees
   * the weights. Closing again does nothing.
   */
  @Override
  void close();
}
