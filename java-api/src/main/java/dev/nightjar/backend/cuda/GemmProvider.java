package dev.nightjar.backend.cuda;

import dev.nightjar.tensor.DType;

/**
 * Something that computes products on a device: found once per backend by {@link GemmProviders}, then opened for each
 * {@link CudaOps}. Thread-safe. Close it after everything it opened.
 */
interface GemmProvider extends AutoCloseable {
    /**
     * What a provider may use.
     *
     * @param launcher the stream of the operations it works for
     * @param type storage type of all tensors
     * @param tickets address of as many zeroed int32 as a grid may have rows
     */
    record Site(CudaContext context, CudaKernels kernels, KernelLauncher launcher, DType type, long tickets) {
    }

    /** The name that asks for it, one of {@link GemmProviders}. */
    String name();

    /** The name, and the version of its library where it has one. */
    String description();

    /** Products of inference on one stream. */
    CudaGemm open(Site site);

    /** Products of training on one stream. */
    CudaTrainingGemm openTraining(Site site, Scratch scratch);

    @Override
    void close();
}
