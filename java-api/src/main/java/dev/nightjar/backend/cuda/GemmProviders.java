package dev.nightjar.backend.cuda;

import dev.nightjar.UnavailableException;
import dev.nightjar.backend.Activation;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Function;
import java.util.stream.Collectors;

/** The providers of products there are, and the choice among them. */
final class GemmProviders {
    /** {@link ByRows}. */
    static final String AUTO = "auto";
    /** {@link CublasLt}. */
    static final String CUBLASLT = "cublaslt";
    /** {@link JCublas}. */
    static final String JCUBLAS = "jcublas";
    /** {@link NightjarGemm}. */
    static final String NIGHTJAR = "nightjar";

    /** System property that chooses. */
    static final String PROPERTY = "nightjar.cuda.gemm";
    /** Environment variable that chooses where the property is not set. */
    static final String VARIABLE = "NIGHTJAR_CUDA_GEMM";

    /** Version 12.0 as cuBLAS numbers it. */
    private static final int OLDEST_CUBLAS = 120_000;

    private record Entry(String name, Function<CudaContext, GemmProvider> load) {
    }

    /** Up to how many rows a product is a matter of launches and of reading the weight once; not measured yet. */
    static final int FEW_ROWS = 128;

    /** In the order of {@link #AUTO}. */
    private static final List<Entry> ENTRIES = List.of(new Entry(CUBLASLT, CublasLt::load),
            new Entry(JCUBLAS, GemmProviders::jcublas), new Entry(NIGHTJAR, context -> new Own()));

    private GemmProviders() {
    }

    /** Nightjar's own kernels, which are always there. */
    private static final class Own implements GemmProvider {
        @Override
        public String name() {
            return NIGHTJAR;
        }

        @Override
        public String description() {
            return NIGHTJAR;
        }

        @Override
        public CudaGemm open(Site site) {
            return new NightjarGemm(site);
        }

        @Override
        public CudaTrainingGemm openTraining(Site site, Scratch scratch) {
            return new NightjarTrainingGemm(site, scratch);
        }

        @Override
        public void close() {
            // Everything belongs to the backend.
        }
    }

    /**
     * Nightjar's kernels for few rows, where fewer launches count, and a library, which NVIDIA tunes for every GPU, for
     * more.
     */
    private record ByRows(GemmProvider many) implements GemmProvider {
        @Override
        public String name() {
            return many.name();
        }

        @Override
        public String description() {
            return NIGHTJAR + " up to " + FEW_ROWS + " rows, beyond " + many.description();
        }

        @Override
        public CudaGemm open(Site site) {
            CudaGemm own = new NightjarGemm(site);
            CudaGemm library = many.open(site);
            return new CudaGemm() {
                private CudaGemm of(Product product) {
                    return product.rows() <= FEW_ROWS ? own : library;
                }

                @Override
                public void linear(Product product, Activation activation) {
                    of(product).linear(product, activation);
                }

                @Override
                public void linearResidualLayerNorm(Product product, long sum, long residual, long gamma, long beta) {
                    of(product).linearResidualLayerNorm(product, sum, residual, gamma, beta);
                }

                @Override
                public void close() {
                    library.close();
                    own.close();
                }
            };
        }

        @Override
        public CudaTrainingGemm openTraining(Site site, Scratch scratch) {
            CudaTrainingGemm own = new NightjarTrainingGemm(site, scratch);
            CudaTrainingGemm library = many.openTraining(site, scratch);
            return new CudaTrainingGemm() {
                private CudaTrainingGemm of(int rows) {
                    return rows <= FEW_ROWS ? own : library;
                }

                @Override
                public void linear(CudaGemm.Product product, Activation activation, long preActivation) {
                    of(product.rows()).linear(product, activation, preActivation);
                }

                @Override
                public void backwardInput(Gradient gradient, long weight, boolean accumulate, long dX) {
                    of(gradient.rows()).backwardInput(gradient, weight, accumulate, dX);
                }

                @Override
                public void backwardWeight(Gradient gradient, long dWeight, long dBias) {
                    of(gradient.rows()).backwardWeight(gradient, dWeight, dBias);
                }

                @Override
                public void close() {
                    library.close();
                    own.close();
                }
            };
        }

        @Override
        public void close() {
            many.close();
        }
    }

    /** JCuda is optional: its classes must not be touched before they were found. */
    private static GemmProvider jcublas(CudaContext context) {
        try {
            for (String type : List.of("jcuda.Pointer", "jcuda.jcublas.JCublas2")) {
                // Where Nightjar is a module, it must be told to read the one JCuda is in, named or not.
                Class<?> found = Class.forName(type, false, GemmProviders.class.getClassLoader());
                GemmProviders.class.getModule().addReads(found.getModule());
            }
        } catch (ClassNotFoundException e) {
            throw new UnavailableException("no JCublas2: org.jcuda:jcublas 12.6.0 is not on the class path", e);
        }
        try {
            return JCublas.load(context);
        } catch (LinkageError e) {
            throw new UnavailableException("no JCublas2: org.jcuda:jcublas is not 12.6.0 (" + e + ")", e);
        }
    }

    /** What the user chose, else {@link #AUTO}. */
    static String chosen() {
        return System.getProperty(PROPERTY, Objects.requireNonNullElse(System.getenv(VARIABLE), AUTO));
    }

    /**
     * Loads a provider.
     *
     * @param name {@link #AUTO}, or the name of one, for which nothing else is ever put
     * @throws UnavailableException if it cannot be used, or there is none of that name
     */
    static GemmProvider load(String name, CudaContext context) {
        if (name.equals(AUTO)) {
            GemmProvider first = first(context);
            return first.name().equals(NIGHTJAR) ? first : new ByRows(first);
        }
        for (Entry entry : ENTRIES) {
            if (entry.name.equals(name)) {
                return entry.load.apply(context);
            }
        }
        throw new UnavailableException("no provider of matrix products is called " + name + ", expected " + AUTO + ", "
                + ENTRIES.stream().map(Entry::name).collect(Collectors.joining(", ")) + " (system property " + PROPERTY
                + " or environment variable " + VARIABLE + ")");
    }

    private static GemmProvider first(CudaContext context) {
        UnavailableException none = new UnavailableException("no provider of matrix products can be used");
        for (Entry entry : ENTRIES) {
            try {
                return entry.load.apply(context);
            } catch (UnavailableException e) {
                none.addSuppressed(e);
            }
        }
        throw none;
    }

    /** Tries the providers but {@code used} and says by name what came of it. */
    static Map<String, String> others(GemmProvider used, CudaContext context) {
        Map<String, String> result = new LinkedHashMap<>();
        for (Entry entry : ENTRIES) {
            if (!entry.name.equals(used.name())) {
                try {
                    entry.load.apply(context).close();
                    result.put(entry.name, "available");
                } catch (UnavailableException e) {
                    result.put(entry.name, "not available: " + e.getMessage());
                }
            }
        }
        return result;
    }

    /**
     * Refuses a cuBLAS or cuBLASLt that Nightjar or the driver cannot work with.
     *
     * @param library what to call it
     * @param version as the library states it, such as 120603 for 12.6.3
     * @throws UnavailableException naming the versions
     */
    static void requireVersion(String library, long version, CudaDriver driver) {
        if (version < OLDEST_CUBLAS) {
            throw new UnavailableException(library + " is too old: it has version " + versionText(version)
                    + ", and Nightjar needs " + versionText(OLDEST_CUBLAS) + " or later");
        }
        long needed = version / 10_000;
        if (driver.version() / 1000 < needed) {
            throw new UnavailableException("the NVIDIA driver is too old for " + library + " " + versionText(version)
                    + ": it supports CUDA " + CudaDriver.versionText(driver.version()) + ", and " + needed
                    + ".0 or later is needed");
        }
    }

    /** As in {@code 12.6.3}, from 120603. */
    static String versionText(long version) {
        return version / 10_000 + "." + version % 10_000 / 100 + "." + version % 100;
    }
}
