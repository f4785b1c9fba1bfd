package dev.nightjar.backend.cpu;

import static java.lang.foreign.ValueLayout.ADDRESS;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/** The function pointers of a C struct, in order. */
final class FunctionTable {
    private final MemorySegment pointers;
    private long index;

    /** @param entries pointers in the struct */
    FunctionTable(MemorySegment struct, int entries) {
        this.pointers = struct.reinterpret(entries * ADDRESS.byteSize());
    }

    /** @param result null for void */
    MethodHandle next(MemoryLayout result, MemoryLayout... arguments) {
        FunctionDescriptor descriptor = result == null
                ? FunctionDescriptor.ofVoid(arguments)
                : FunctionDescriptor.of(result, arguments);
        return Linker.nativeLinker().downcallHandle(pointers.getAtIndex(ADDRESS, index++), descriptor);
    }
}
