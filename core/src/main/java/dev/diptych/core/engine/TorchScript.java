package dev.diptych.core.engine;

import ai.djl.pytorch.engine.PtSymbolBlock;
import ai.djl.pytorch.jni.IValue;
import ai.djl.pytorch.jni.IValueUtils;
import ai.djl.pytorch.jni.JniUtils;
import dev.diptych.core.EngineException;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.util.List;

/**
 * A compiled script: TorchScript text that lies beside the Java class of the same name. Stateless,
 * so any number of threads may call it at once.
 */
public final class TorchScript implements AutoCloseable {
  private final TorchDevice device;
  private final String name;
  private final PtSymbolBlock module;

  private TorchScript(TorchDevice device, String name, PtSymbolBlock module) {
    this.device = device;
    this.name = name;
    this.module = module;
  }

  /**
   * Compiles the script beside a class.
   *
   * @param twin the class whose {@code <Name>.torchscript.py} is the script; its script class has
   *     the same name
   * @param shared resources of free functions that the script calls, such as {@code
   *     core/nn/attention}
   * @throws EngineException with the script's file and line if it does not compile
   */
  public static TorchScript load(TorchDevice device, Class<?> twin, List<String> shared) {
    byte[] archive = ScriptArchive.pack(twin, shared);
    try {
      PtSymbolBlock module =
          JniUtils.loadModule(device.manager(), new ByteArrayInputStream(archive), false, false);
      return new TorchScript(device, twin.getSimpleName(), module);
    } catch (IOException | RuntimeException e) {
      throw new EngineException(
          "Cannot compile the script " + twin.getSimpleName() + "\n" + e.getMessage(), e);
    }
  }

  /**
   * Runs a method: one native call.
   *
   * @return the result, for the caller to close
   * @throws EngineException with the script's file and line if it fails
   */
  public Value call(String method, Value... arguments) {
    LibTorch.requireUsable();
    IValue[] handles = new IValue[arguments.length];
    for (int i = 0; i < handles.length; i++) {
      handles[i] = arguments[i].handle();
    }
    TorchCalls.enter();
    try {
      // The setting belongs to the thread, and the default recompiles for every new shape.
      JniUtils.setGraphExecutorOptimize(false);
      return new Value(device, IValueUtils.runMethod(module, method, handles), null);
    } catch (RuntimeException e) {
      throw failure(method, e);
    } finally {
      TorchCalls.leave();
    }
  }

  private EngineException failure(String method, RuntimeException e) {
    String text = String.valueOf(e.getMessage());
    // An illegal access poisons the CUDA context: nothing runs in this process afterwards.
    boolean poisoned =
        text.contains("illegal memory access") || text.contains("device-side assert");
    if (poisoned) {
      LibTorch.markFatal(text.lines().findFirst().orElse("CUDA error"));
    }
    boolean memory =
        text.contains("out of memory")
            || text.contains("can't allocate memory")
            || text.contains("DefaultCPUAllocator");
    return new EngineException(
        name
            + "."
            + method
            + " failed"
            + (memory ? ": out of memory; ask for fewer pictures or a shorter context" : "")
            + "\n"
            + text,
        e,
        poisoned);
  }

  /** Frees the compiled code. Closing again does nothing. */
  @Override
  public void close() {
    module.close();
  }
}
