/**
 * The engines: libtorch for transformers, ONNX Runtime for convolutional coders. The only package
 * that knows DJL's PyTorch engine and ONNX Runtime by name.
 *
 * <p><b>Decisions.</b> Java decides, TorchScript computes: files, tokens, policies, loops, lifetimes
 * and errors are Java's; everything from tensor to tensor is script text beside its Java class,
 * packed into an archive in memory and compiled once. Weights go in as a dictionary under their
 * checkpoint names. One native call a step. A second engine would re-open the choice of TorchScript,
 * which its authors call deprecated; the scripts use plain operations only, and libtorch is pinned.
 *
 * <p>Convolutional coders are ONNX graphs written in Java, structure only, with the checkpoint's
 * weights injected: ONNX Runtime's convolutions are the faster ones on a CPU, and a file of the
 * user's runs the same way. A coder that must run in bfloat16 would re-open this: ONNX Runtime has
 * no such convolution for CPUs.
 *
 * <p><b>The dialect</b> that libtorch's importer takes. Yes: comments, untyped {@code self}, {@code
 * B, T, D = x.shape}, method calls, slices with {@code ...}, {@code @}, keyword arguments, defaults,
 * ternary, {@code while}, {@code for ... in range}, {@code str(i)}, {@code Dict}, {@code List},
 * tuples, {@code inf}. No: {@code import}, constants outside functions, f-strings, {@code raise},
 * {@code torch.float32} as a value: dtypes are integers, 1 int8, 4 int64, 5 float16, 6 float32, 7
 * float64, 11 bool, 15 bfloat16. A free function is compiled only when something calls it.
 */
package dev.diptych.core.engine;
