package dev.nightjar.backend.cpu;

import dev.nightjar.UnavailableException;
import dev.nightjar.backend.cpu.CpuBackend.Kernels;
import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;

/**
 * The best instruction set that the user lets the backend choose, as {@code ONEDNN_MAX_CPU_ISA} does for oneDNN: a maximum, which
 * the processor may fall short of.
 *
 * @param most {@code AUTO} for no limit
 * @param setting what set it, as in {@code NIGHTJAR_MAX_CPU_ISA=avx2}; null for no limit
 */
record IsaLimit(Kernels most, String setting) {
    /** System property that limits. */
    static final String PROPERTY = "nightjar.cpu.maxIsa";
    /** Environment variable that limits where the property is not set. */
    static final String VARIABLE = "NIGHTJAR_MAX_CPU_ISA";

    /** @throws UnavailableException if the user's setting is not the name of an instruction set */
    static IsaLimit chosen() {
        return of(System.getProperty(PROPERTY), System.getenv(VARIABLE));
    }

    /** Of the property's and the variable's values, null where they are not set. */
    static IsaLimit of(String property, String variable) {
        String name = property != null ? property : variable;
        if (name == null) {
            return new IsaLimit(Kernels.AUTO, null);
        }
        String setting = (property != null ? PROPERTY : VARIABLE) + "=" + name;
        for (Kernels kernels : Kernels.values()) {
            if (kernels != Kernels.AUTO && kernels.name().equalsIgnoreCase(name)) {
                return new IsaLimit(kernels, setting);
            }
        }
        throw new UnavailableException(setting + " is not an instruction set, expected one of "
                + Arrays.stream(Kernels.values()).filter(kernels -> kernels != Kernels.AUTO)
                        .map(kernels -> kernels.name().toLowerCase(Locale.ROOT)).collect(Collectors.joining(", ")));
    }

    /** The best instruction set allowed, where it is not plain Java. */
    NativeKernels.Isa isa() {
        return most == Kernels.AUTO ? NativeKernels.Isa.BEST : NativeKernels.Isa.valueOf(most.name());
    }

    /** Why there is nothing better. */
    String reason() {
        return "limited by " + setting;
    }
}
