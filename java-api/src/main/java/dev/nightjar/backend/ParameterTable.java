package dev.nightjar.backend;

import dev.nightjar.tensor.DType;
import dev.nightjar.tensor.Tensor;
import dev.nightjar.tensor.Workspace;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;

/** Groups of parameters, also in the memory of a backend. Immutable. */
public final class ParameterTable implements AutoCloseable {
    /** Elements of 4 bytes of a group in memory: offset, length, float32 factor on the learning rate, and 1 for weight decay. */
    public static final int GROUP_SIZE = 4;

    private final List<ParameterGroup> groups;
    private final Workspace workspace;
    private final Tensor entries;

    /**
     * @param groups disjoint and in the order of their offsets; those whose factor is 0 are left out
     * @throws IllegalArgumentException if they overlap or are not in order
     */
    public ParameterTable(Backend backend, List<ParameterGroup> groups) {
        this.groups = groups.stream().filter(group -> group.learningRateScale() != 0 && group.length() != 0).toList();
        long end = 0;
        for (ParameterGroup group : this.groups) {
            if (group.offset() < end || group.length() < 0) {
                throw new IllegalArgumentException(group + " begins before " + end + ", or is no range");
            }
            end = (long) group.offset() + group.length();
        }
        int elements = GROUP_SIZE * this.groups.size();
        workspace = Workspace.allocate(backend::allocate, 4L * elements + 64);
        entries = workspace.vector(DType.I32, elements);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment host = arena.allocate(ValueLayout.JAVA_INT, elements);
            int i = 0;
            for (ParameterGroup group : this.groups) {
                host.setAtIndex(ValueLayout.JAVA_INT, i++, group.offset());
                host.setAtIndex(ValueLayout.JAVA_INT, i++, group.length());
                host.setAtIndex(ValueLayout.JAVA_FLOAT, i++, group.learningRateScale());
                host.setAtIndex(ValueLayout.JAVA_INT, i++, group.decay() ? 1 : 0);
            }
            backend.upload(host, entries);
        }
    }

    /** Those that are updated. */
    public List<ParameterGroup> groups() {
        return groups;
    }

    /** [groups, {@link #GROUP_SIZE}], in the backend's memory. */
    public Tensor entries() {
        return entries;
    }

    /** The end of the last group: elements that a vector of all parameters must at least have. */
    public int end() {
        return groups.isEmpty() ? 0 : groups.getLast().offset() + groups.getLast().length();
    }

    @Override
    public void close() {
        workspace.close();
    }
}
