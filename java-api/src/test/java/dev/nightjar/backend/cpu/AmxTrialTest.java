package dev.nightjar.backend.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.abort;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.nightjar.UnavailableException;
import dev.nightjar.backend.cpu.CpuBackend.Kernels;
import dev.nightjar.backend.cpu.CpuBackend.Products;
import dev.nightjar.ffi.NativeLibrary;
import dev.nightjar.tensor.DType;
import java.lang.foreign.AddressLayout;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The trial itself, of other kernels than AMX's where there are no others; and AMX where there is AMX. */
class AmxTrialTest {
    private static final int AVX512_BF16 = 4;
    /** Entry of {@code nj_low_precision}. */
    private static final int LINEAR = 5;
    private static final FunctionDescriptor LINEAR_TYPE = FunctionDescriptor.ofVoid(arguments("iiiiiiiippppipiip"));

    private static LowPrecisionKernels kernels(NativeKernels.Isa isa) {
        assumeTrue(NativeKernels.isPackaged(), "built without a C++ compiler");
        try {
            return NativeKernels.load(isa).lowPrecision();
        } catch (UnavailableException e) {
            return abort(e.getMessage());
        }
    }

    @Test
    void kernelsThatAgreeAreTimed() {
        AmxTrial trial = AmxTrial.of(kernels(NativeKernels.Isa.AVX512_VNNI), kernels(NativeKernels.Isa.AVX512_BF16));
        assertThat(trial.difference()).isNull();
        assertThat(trial.times()).contains("bfloat16 ", "int8 ");
        assertThat(trial.chosen()).isEqualTo(trial.faster());
        assertThat(trial.toString()).startsWith(trial.faster() ? "right and faster: " : "right and no faster: ");
    }

    /** Multiplies as it should and adds to one element of the result what bfloat16 can just tell. */
    @Test
    void oneWrongElementIsFound() throws ReflectiveOperationException {
        LowPrecisionKernels trusted = kernels(NativeKernels.Isa.AVX512_BF16);
        String resource = NativeKernels.resource();
        int slash = resource.lastIndexOf('/');
        NativeLibrary library = NativeLibrary.load(resource.substring(0, slash), resource.substring(slash + 1));
        AddressLayout address = ValueLayout.ADDRESS;
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment table = arena.allocate(address, LowPrecisionKernels.ENTRIES);
            table.copyFrom(table(library).reinterpret(table.byteSize()));
            MethodHandle right = Linker.nativeLinker().downcallHandle(table.getAtIndex(address, LINEAR), LINEAR_TYPE);
            MethodHandle wrong = MethodHandles.lookup()
                    .findStatic(AmxTrialTest.class, "wrong",
                            LINEAR_TYPE.toMethodType().insertParameterTypes(0, MethodHandle.class))
                    .bindTo(right);
            table.setAtIndex(address, LINEAR, Linker.nativeLinker().upcallStub(wrong, LINEAR_TYPE, arena));
            AmxTrial trial = AmxTrial.of(new LowPrecisionKernels(table), trusted);
            assertThat(trial.chosen()).isFalse();
            assertThat(trial.difference()).startsWith("int8, 5 x 90 x 45: [3, 7] is ");
            assertThat(trial.toString()).startsWith("wrong products (int8");
        }
    }

    private static MemorySegment table(NativeLibrary library) {
        try {
            return (MemorySegment) library.downcall("nj_low_precision_for",
                    FunctionDescriptor.of(ValueLayout.ADDRESS, ValueLayout.JAVA_INT)).invokeExact(AVX512_BF16);
        } catch (Throwable t) {
            throw new IllegalStateException(t);
        }
    }

    private static MemoryLayout[] arguments(String types) {
        return types.chars().mapToObj(type -> type == 'i' ? ValueLayout.JAVA_INT : ValueLayout.JAVA_LONG)
                .toArray(MemoryLayout[]::new);
    }

    @SuppressWarnings("unused")
    private static void wrong(MethodHandle right, int type, int firstBlock, int lastBlock, int begin, int end, int rows,
            int n, int k, long left, long stats, long weight, long scales, int biasType, long bias, int activation,
            int outType, long out) {
        try {
            right.invokeExact(type, firstBlock, lastBlock, begin, end, rows, n, k, left, stats, weight, scales,
                    biasType,
                    bias, activation, outType, out);
        } catch (Throwable t) {
            throw new IllegalStateException(t);
        }
        if (type == 2 && rows == 5) {
            MemorySegment element = MemorySegment.ofAddress(out).reinterpret(2L * rows * n)
                    .asSlice(2L * (3 * n + 7), 2);
            element.set(ValueLayout.JAVA_SHORT, 0, (short) (element.get(ValueLayout.JAVA_SHORT, 0) ^ 1));
        }
    }

    @Test
    void amxByNameIsUsedOrRefused() {
        assumeTrue(NativeKernels.isPackaged(), "built without a C++ compiler");
        try (CpuBackend backend = new CpuBackend(Kernels.AMX, Products.AUTO)) {
            assertThat(backend.details()).containsEntry("kernels", "native, amx").containsKey("amx");
            assertThat(backend.inferenceTypes()).containsAll(List.of(DType.BF16, DType.I8));
        } catch (UnavailableException e) {
            assertThat(e).hasMessageMatching(
                    "this processor or operating system has no amx|amx gives wrong products here .*");
        }
    }
}
