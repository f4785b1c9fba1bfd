package dev.nightjar.io;

import dev.nightjar.FormatException;
import dev.nightjar.tensor.DType;
import dev.nightjar.tensor.Int8Rows;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.foreign.ValueLayout.OfFloat;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.Set;

/**
 * A view of another source under other names, with the few changes that separate one framework's layout from another's.
 */
final class DerivedWeights implements WeightSource {
    private static final OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED;
    private static final int TILE = 32;

    /** Where a tensor of the view comes from. */
    sealed interface Origin {
        String name();
    }

    /** The tensor as it is. */
    record Same(String name) implements Origin {
    }

    /** A matrix turned around: {@code [in, out]} to {@code [out, in]}. */
    record Transposed(String name) implements Origin {
    }

    /** A matrix with row 0 of another added to each of its rows. */
    record RowAdded(String name, String addend) implements Origin {
    }

    /** A matrix of int8s whose rows are multiplied by the elements of a vector or column. */
    record Scaled(String name, String scales) implements Origin {
    }

    private final WeightSource base;
    private final SequencedMap<String, Origin> origins;

    /** Takes over {@code base}, which is closed with the view, but not if this throws. */
    DerivedWeights(WeightSource base, SequencedMap<String, Origin> origins) {
        this.base = base;
        this.origins = new LinkedHashMap<>(origins);
        for (Map.Entry<String, Origin> entry : origins.entrySet()) {
            requireShapes(entry.getValue());
        }
    }

    private void requireShapes(Origin origin) {
        List<Long> shape = base.info(origin.name()).shape();
        if (!(origin instanceof Same) && shape.size() != 2) {
            throw new FormatException(base.location() + ", tensor " + origin.name(),
                    "expected a matrix, found shape " + shape);
        }
        if (origin instanceof Scaled scaled) {
            requireScales(scaled, shape.get(0));
        }
        if (origin instanceof RowAdded added) {
            List<Long> rows = base.info(added.addend()).shape();
            if (rows.size() != 2 || rows.get(0) < 1 || !rows.get(1).equals(shape.get(1))) {
                throw new FormatException(base.location() + ", tensor " + added.addend(),
                        "expected rows of " + shape.get(1) + ", found shape " + rows);
            }
        }
    }

    private void requireScales(Scaled scaled, long rows) {
        TensorInfo info = base.info(scaled.scales());
        if (base.info(scaled.name()).dtype() != DType.I8 || info.dtype() != DType.F32 || info.elementCount() != rows) {
            throw new FormatException(base.location() + ", tensor " + scaled.scales(),
                    "expected " + rows + " F32 scales for the rows of an I8 matrix, found " + info.dtype() + " "
                            + info.shape() + " for " + base.info(scaled.name()).dtype());
        }
        for (float scale : base.read(scaled.scales())) {
            if (!(scale >= 0 && scale <= Float.MAX_VALUE / Int8Rows.LIMIT)) {
                throw new FormatException(base.location() + ", tensor " + scaled.scales(), "has a scale " + scale);
            }
        }
    }

    @Override
    public String location() {
        return base.location();
    }

    @Override
    public Set<String> names() {
        return Collections.unmodifiableSet(origins.keySet());
    }

    @Override
    public TensorInfo info(String name) {
        Origin origin = origin(name);
        TensorInfo info = base.info(origin.name());
        List<Long> shape = origin instanceof Transposed ? info.shape().reversed() : info.shape();
        return new TensorInfo(name, info.dtype(), shape);
    }

    @Override
    public void read(String name, MemorySegment destination) {
        WeightSource.requireSize(location(), info(name), destination);
        switch (origin(name)) {
            case Same same -> base.read(same.name(), destination);
            case Transposed transposed -> transpose(transposed.name(), destination);
            case RowAdded added -> {
                base.read(added.name(), destination);
                addRow(base.read(added.addend()), base.info(added.name()).shape(), destination);
            }
            case Scaled scaled -> {
                base.read(scaled.name(), destination);
                scaleRows(base.read(scaled.scales()), base.info(scaled.name()).shape().get(1), destination);
            }
        }
    }

    private void transpose(String name, MemorySegment destination) {
        float[] source = base.read(name);
        List<Long> shape = base.info(name).shape();
        int rows = shape.get(0).intValue();
        int columns = shape.get(1).intValue();
        for (int top = 0; top < rows; top += TILE) {
            for (int left = 0; left < columns; left += TILE) {
                for (int column = left; column < Math.min(left + TILE, columns); column++) {
                    for (int row = top; row < Math.min(top + TILE, rows); row++) {
                        destination.setAtIndex(FLOAT, (long) column * rows + row, source[row * columns + column]);
                    }
                }
            }
        }
    }

    private static void scaleRows(float[] scales, long columns, MemorySegment destination) {
        for (int row = 0; row < scales.length; row++) {
            for (long index = row * columns; index < (row + 1) * columns; index++) {
                destination.setAtIndex(FLOAT, index, destination.getAtIndex(FLOAT, index) * scales[row]);
            }
        }
    }

    private static void addRow(float[] rows, List<Long> shape, MemorySegment destination) {
        long columns = shape.get(1);
        for (long row = 0; row < shape.get(0); row++) {
            for (int column = 0; column < columns; column++) {
                long index = row * columns + column;
                destination.setAtIndex(FLOAT, index, destination.getAtIndex(FLOAT, index) + rows[column]);
            }
        }
    }

    private Origin origin(String name) {
        Origin origin = origins.get(name);
        if (origin == null) {
            throw new FormatException(location(), "there is no tensor " + name);
        }
        return origin;
    }

    @Override
    public void close() {
        base.close();
    }
}
