package dev.nightjar.tensor;

/** Element types of tensors, with their size in bytes; the constants are named as in safetensors files. */
public enum DType {
    F64("float64", 8), F32("float32", 4), F16("float16", 2), BF16("bfloat16", 2), I64("int64", 8), I32("int32",
            4), I8("int8", 1);

    private final String fullName;
    private final int bytes;

    DType(String fullName, int bytes) {
        this.fullName = fullName;
        this.bytes = bytes;
    }

    /** The name that NumPy and PyTorch use, {@code bfloat16} for instance. */
    public String fullName() {
        return fullName;
    }

    /** Size of one element in bytes. */
    public int bytes() {
        return bytes;
    }
}
