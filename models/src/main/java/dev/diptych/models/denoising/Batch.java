package dev.diptych.models.denoising;

import dev.diptych.core.engine.Scope;
import dev.diptych.core.engine.Value;

/**
 * Contexts that are computed together, and where new rows stand in each: what a family's script
 * takes beside its own arguments. The values are those of one span; they may serve any number of
 * calls, as they do while a picture is denoised.
 *
 * @param caches List[List[Tensor]], keys and values of every context
 * @param span (lengths, positions, blocks, pictures), see the script
 * @param contexts G
 * @param rows of each context, one for every picture that is drawn from it
 * @param scope what is freed with it
 */
public record Batch(Value caches, Value span, int contexts, int rows, Scope scope)
    implements AutoCloseable {
  @Override
  public void close() {
    scope.close();
  }
}
