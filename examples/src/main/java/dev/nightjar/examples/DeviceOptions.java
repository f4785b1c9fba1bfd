package dev.nightjar.examples;

import dev.nightjar.Device;
import java.util.Iterator;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/** Where to compute. */
final class DeviceOptions {
    @Option(names = "--device", defaultValue = "auto", paramLabel = "BACKEND", completionCandidates = Backends.class,
            converter = DeviceConverter.class,
            description = "${COMPLETION-CANDIDATES}; auto is the fastest that is available (default: "
                    + "${DEFAULT-VALUE}). NIGHTJAR_CUDA_GEMM in the environment says who multiplies for cuda: auto, "
                    + "cublaslt, jcublas or nightjar.")
    private Device device;

    @Option(names = "--threads", paramLabel = "N", converter = PositiveConverter.class,
            description = "Threads to compute with (default: the processors of this machine).")
    private Integer threads;

    Device device() {
        return device(1);
    }

    /** The device of each of several workers, who share the processors where nothing else is asked for. */
    Device device(int workers) {
        int share = Math.max(1, Runtime.getRuntime().availableProcessors() / workers);
        return device.withThreads(threads == null ? share : threads);
    }

    static final class Backends implements Iterable<String> {
        @Override
        public Iterator<String> iterator() {
            return Device.BACKENDS.stream().sorted().iterator();
        }
    }

    static final class DeviceConverter implements ITypeConverter<Device> {
        @Override
        public Device convert(String value) {
            try {
                return Device.of(value);
            } catch (IllegalArgumentException e) {
                throw new TypeConversionException(e.getMessage());
            }
        }
    }

    static final class PositiveConverter implements ITypeConverter<Integer> {
        @Override
        public Integer convert(String value) {
            int number;
            try {
                number = Integer.parseInt(value);
            } catch (NumberFormatException e) {
                throw new TypeConversionException("'" + value + "' is not a whole number");
            }
            if (number < 1) {
                throw new TypeConversionException("'" + value + "' is not positive");
            }
            return number;
        }
    }
}
