package dev.nightjar.io;

import dev.nightjar.tensor.DType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.foreign.ValueLayout.OfByte;
import java.lang.foreign.ValueLayout.OfDouble;
import java.lang.foreign.ValueLayout.OfFloat;
import java.lang.foreign.ValueLayout.OfInt;
import java.lang.foreign.ValueLayout.OfLong;
import java.lang.foreign.ValueLayout.OfShort;
import java.nio.ByteOrder;

/** Conversion between the little-endian element types of files and native float32. */
final class Float32Codec {
    private static final OfByte I8 = ValueLayout.JAVA_BYTE;
    private static final OfShort I16 = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final OfInt I32 = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final OfLong I64 = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final OfFloat F32 = ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final OfDouble F64 = ValueLayout.JAVA_DOUBLE_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final OfFloat NATIVE = ValueLayout.JAVA_FLOAT_UNALIGNED;

    private Float32Codec() {
    }

    /** Converts {@code count} elements of type {@code from} at the start of {@code source}. */
    static void decode(DType from, MemorySegment source, MemorySegment destination, long count) {
        switch (from) {
            case F32 -> MemorySegment.copy(source, F32, 0, destination, NATIVE, 0, count);
            case F64 -> {
                for (long i = 0; i < count; i++) {
                    destination.set(NATIVE, 4 * i, (float) source.get(F64, 8 * i));
                }
            }
            case F16 -> {
                for (long i = 0; i < count; i++) {
                    destination.set(NATIVE, 4 * i, Float.float16ToFloat(source.get(I16, 2 * i)));
                }
            }
            case BF16 -> {
                for (long i = 0; i < count; i++) {
                    destination.set(NATIVE, 4 * i, Float.intBitsToFloat(source.get(I16, 2 * i) << 16));
                }
            }
            case I64 -> {
                for (long i = 0; i < count; i++) {
                    destination.set(NATIVE, 4 * i, (float) source.get(I64, 8 * i));
                }
            }
            case I32 -> {
                for (long i = 0; i < count; i++) {
                    destination.set(NATIVE, 4 * i, source.get(I32, 4 * i));
                }
            }
            case I8 -> {
                for (long i = 0; i < count; i++) {
                    destination.set(NATIVE, 4 * i, source.get(I8, i));
                }
            }
        }
    }

    /** Converts {@code count} floats to {@code to}, one of F32, F16 and BF16, rounding to nearest even. */
    static void encode(DType to, MemorySegment source, MemorySegment destination, long count) {
        switch (to) {
            case F32 -> MemorySegment.copy(source, NATIVE, 0, destination, F32, 0, count);
            case F16 -> {
                for (long i = 0; i < count; i++) {
                    destination.set(I16, 2 * i, Float.floatToFloat16(source.get(NATIVE, 4 * i)));
                }
            }
            case BF16 -> {
                for (long i = 0; i < count; i++) {
                    destination.set(I16, 2 * i, toBfloat16(source.get(NATIVE, 4 * i)));
                }
            }
            default -> throw new IllegalArgumentException(to + " is not a type weights are written in");
        }
    }

    private static short toBfloat16(float value) {
        int bits = Float.floatToRawIntBits(value);
        if (Float.isNaN(value)) {
            return (short) ((bits >>> 16) | 0x40);
        }
        int halfUp = 0x7FFF + ((bits >>> 16) & 1);
        return (short) ((bits + halfUp) >>> 16);
    }
}
