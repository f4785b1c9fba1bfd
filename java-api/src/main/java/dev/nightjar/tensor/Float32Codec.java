package dev.nightjar.tensor;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.foreign.ValueLayout.OfByte;
import java.lang.foreign.ValueLayout.OfDouble;
import java.lang.foreign.ValueLayout.OfFloat;
import java.lang.foreign.ValueLayout.OfInt;
import java.lang.foreign.ValueLayout.OfLong;
import java.lang.foreign.ValueLayout.OfShort;
import java.nio.ByteOrder;

/** Conversion between the little-endian element types of files and devices and native float32. */
public final class Float32Codec {
    private static final OfByte I8 = ValueLayout.JAVA_BYTE;
    private static final OfShort I16 = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final OfInt I32 = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final OfLong I64 = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final OfFloat F32 = ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final OfDouble F64 = ValueLayout.JAVA_DOUBLE_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final OfFloat NATIVE = ValueLayout.JAVA_FLOAT_UNALIGNED;

    /** All ones where a value is an infinity or NaN. */
    private static final int F16_EXPONENT = 0x7C00;
    private static final int BF16_EXPONENT = 0x7F80;

    private Float32Codec() {
    }

    /** Converts {@code count} elements of type {@code from} at the start of {@code source}. */
    public static void decode(DType from, MemorySegment source, MemorySegment destination, long count) {
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

    /**
     * Converts {@code count} floats to {@code to}, rounding to nearest even.
     *
     * @param to one of F32, F16 and BF16
     * @throws ArithmeticException naming a number that is beyond the range of {@code to}; infinities and NaN stay what they are
     */
    public static void encode(DType to, MemorySegment source, MemorySegment destination, long count) {
        switch (to) {
            case F32 -> MemorySegment.copy(source, NATIVE, 0, destination, F32, 0, count);
            case F16 -> {
                for (long i = 0; i < count; i++) {
                    float value = source.get(NATIVE, 4 * i);
                    short rounded = Float.floatToFloat16(value);
                    requireFinite(to, value, (rounded & F16_EXPONENT) == F16_EXPONENT);
                    destination.set(I16, 2 * i, rounded);
                }
            }
            case BF16 -> {
                for (long i = 0; i < count; i++) {
                    float value = source.get(NATIVE, 4 * i);
                    short rounded = toBfloat16(value);
                    requireFinite(to, value, (rounded & BF16_EXPONENT) == BF16_EXPONENT);
                    destination.set(I16, 2 * i, rounded);
                }
            }
            default -> throw new IllegalArgumentException(to + " is not a type weights are written in");
        }
    }

    private static void requireFinite(DType to, float value, boolean roundedHasNoValue) {
        if (roundedHasNoValue && Float.isFinite(value)) {
            throw new ArithmeticException(value + " is beyond the range of " + to.fullName());
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
