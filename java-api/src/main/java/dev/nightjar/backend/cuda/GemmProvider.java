package dev.nightjar.backend.cuda;

import dev.nightjar.tensor.DType;

/**
 * Something that computes products on a device: found once per backend, then opened for each {@link CudaOps}.
 * Thread-safe.
 */
interface GemmProvider {
    /**
     * What a provider may use.
     *
     * @param launcher the stream of the operations it works for
     * @param type storage type of all tensors
     * @param tickets address of as many zeroed int32 as a grid may have rows
     */
    record Site(CudaContext context, CudaKernels kernels, KernelLauncher launcher, DType type, long tickets) {
    }

    /** Nightjar's own kernels, which are always there. */
    GemmProvider NIGHTJAR = new GemmProvider() {
        @Override
        public String description() {
            return "nightjar";
        }

        @Override
        public CudaGemm open(Site site) {
            return new NightjarGemm(site);
        }
    };

    /** The name that asks for it, and the version of its library where it has one. */
    String description();

    /** Products on one stream. */
    CudaGemm open(Site site);
}
