package dev.nightjar;

import dev.nightjar.backend.Backends;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;

/**
 * Where a model runs.
 *
 * <p>Who computes the matrix products of {@code cuda} is said by the system property {@code nightjar.cuda.gemm} or the
 * environment variable {@code NIGHTJAR_CUDA_GEMM}: {@code auto}, which is {@code nightjar} for few tokens and the first
 * available of {@code cublaslt}, {@code jcublas} and {@code nightjar} for more, or one of these, which is then used or
 * refused.
 *
 * <p>{@code cpu} uses the best instructions that the processor has, up to the set that the system property
 * {@code nightjar.cpu.maxIsa} or else the environment variable {@code NIGHTJAR_MAX_CPU_ISA} names: {@code java} (no
 * native code), {@code baseline}, {@code avx2}, {@code avx512}, {@code avx512_vnni},
 * {@code avx512_bf16} or {@code amx}.
 *
 * @param backend {@code auto} for the fastest backend that is available, or the name of one, which is then used or
 *         refused, never replaced
 * @param threads threads that one operation of one session may use, the caller's among them; results do not depend on it
 * @param workerCpus processors on which each session keeps its threads but the caller's, one for each, numbered as the
 *         operating system does; empty for wherever that likes. On Linux and {@code cpu} only
 */
public record Device(String backend, int threads, List<Integer> workerCpus) {
    /** What {@link #backend()} may be. */
    public static final Set<String> BACKENDS = Set.of("auto", "cuda", "cpu", "reference");

    public Device {
        if (!BACKENDS.contains(backend)) {
            throw new IllegalArgumentException("backend \"" + backend + "\" is not one of " + BACKENDS);
        }
        if (threads < 1) {
            throw new IllegalArgumentException("threads " + threads + " is not positive");
        }
        workerCpus = List.copyOf(workerCpus);
        if (!workerCpus.isEmpty() && workerCpus.size() != threads - 1) {
            throw new IllegalArgumentException("processors " + workerCpus + " are not one for each of "
                    + (threads - 1) + " threads beside the caller's");
        }
    }

    /**
     * Whether a backend can be used here.
     *
     * @param reason why it cannot; null if it can
     * @param precisions what models can compute in there; empty if it cannot be used
     * @param trainingPrecisions what {@link TrainingConfig#precision()} can be there; empty if it cannot be used
     * @param details what it runs on: instruction sets, libraries and their versions; empty if it cannot be used
     */
    public record Status(String backend, String reason, List<Precision> precisions,
            List<Precision> trainingPrecisions, Map<String, String> details) {
        public boolean available() {
            return reason == null;
        }
    }

    /** Tries every backend and says what came of it, fastest first. */
    public static List<Status> statuses() {
        return Backends.explain().stream()
                .map(backend -> new Status(backend.name(),
                        backend.available() ? null : backend.cause().getMessage(), Precision.of(backend.types()),
                        Precision.of(backend.trainingTypes()), backend.details()))
                .toList();
    }

    /** The fastest available backend, one thread per session. */
    public static Device auto() {
        return new Device("auto", 1, List.of());
    }

    /** A backend by name, one thread per session. */
    public static Device of(String backend) {
        return new Device(backend, 1, List.of());
    }

    /** The same backend with another number of threads per session, wherever the operating system likes. */
    public Device withThreads(int newThreads) {
        return new Device(backend, newThreads, List.of());
    }

    /** The same backend with a thread on each of these processors beside the caller's; see {@link #workerCpus()}. */
    public Device withWorkerCpus(int... cpus) {
        return new Device(backend, cpus.length + 1, IntStream.of(cpus).boxed().toList());
    }
}
