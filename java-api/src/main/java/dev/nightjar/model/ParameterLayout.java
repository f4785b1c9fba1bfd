package dev.nightjar.model;

import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Where each parameter of a model stands in the one allocation that holds them all, under its Hugging Face name. Parameters, gradients
 * and both Adam moments share it. Queries, keys and values of a layer are neighbours, so that one product computes all three.
 * Immutable.
 */
public final class ParameterLayout {
    /** Parameters start at a multiple of this many elements, but for keys and values, which follow their queries at once. */
    private static final int ALIGNMENT = 16;

    private static final String EMBEDDINGS = "distilbert.embeddings.";
    private static final String LAYER = "distilbert.transformer.layer.";

    /** What a parameter is, which decides how it is initialised and whether weight decay applies to it. */
    public enum Kind {
        EMBEDDING, MATRIX, BIAS, NORM_WEIGHT, NORM_BIAS
    }

    /** Layer number of embeddings. */
    public static final int EMBEDDING_LAYER = -1;

    /**
     * One parameter.
     *
     * @param name as in the checkpoint
     * @param offset first element in the allocation
     * @param rows 1 for vectors
     * @param layer number of its transformer block; {@link #EMBEDDING_LAYER} for embeddings, the number of blocks for the heads
     */
    public record Entry(String name, int offset, int rows, int cols, Kind kind, int layer) {
        public int length() {
            return rows * cols;
        }

        /** Whether it is a matrix in the checkpoint. */
        public boolean matrix() {
            return kind == Kind.EMBEDDING || kind == Kind.MATRIX;
        }

        /** Shape in the checkpoint. */
        public List<Long> shape() {
            return matrix() ? List.of((long) rows, (long) cols) : List.of((long) cols);
        }

        /** Whether the parameter belongs to one task alone, not to what the tasks share. */
        public boolean taskHead() {
            return name.startsWith("classifier.") || name.startsWith("regressor.");
        }
    }

    private final Map<String, Entry> entries = new LinkedHashMap<>();
    private long size;

    /** The layout of a model of this shape. */
    public ParameterLayout(DistilBertConfig config) {
        int dim = config.dim();
        matrix(EMBEDDINGS + "word_embeddings.weight", config.vocabSize(), dim, Kind.EMBEDDING, EMBEDDING_LAYER);
        matrix(EMBEDDINGS + "position_embeddings.weight", config.maxPositions(), dim, Kind.EMBEDDING, EMBEDDING_LAYER);
        norm(EMBEDDINGS + "LayerNorm", dim, EMBEDDING_LAYER);
        for (int i = 0; i < config.layers(); i++) {
            String layer = LAYER + i + ".";
            for (String part : List.of("weight", "bias")) {
                for (String projection : List.of("q_lin", "k_lin", "v_lin")) {
                    boolean weight = part.equals("weight");
                    add(layer + "attention." + projection + "." + part, weight ? dim : 1, dim,
                            weight ? Kind.MATRIX : Kind.BIAS, i,
                            projection.equals("q_lin"));
                }
            }
            linear(layer + "attention.out_lin", dim, dim, i);
            norm(layer + "sa_layer_norm", dim, i);
            linear(layer + "ffn.lin1", config.hiddenDim(), dim, i);
            linear(layer + "ffn.lin2", dim, config.hiddenDim(), i);
            norm(layer + "output_layer_norm", dim, i);
        }
        linear("pre_classifier", dim, dim, config.layers());
        if (config.classes() > 0) {
            linear("classifier", config.classes(), dim, config.layers());
        }
        if (config.scores() > 0) {
            linear("regressor", config.scores(), dim, config.layers());
        }
        Math.toIntExact(align(size));
    }

    private void linear(String name, int outputs, int inputs, int layer) {
        matrix(name + ".weight", outputs, inputs, Kind.MATRIX, layer);
        add(name + ".bias", 1, outputs, Kind.BIAS, layer, true);
    }

    private void norm(String name, int dim, int layer) {
        add(name + ".weight", 1, dim, Kind.NORM_WEIGHT, layer, true);
        add(name + ".bias", 1, dim, Kind.NORM_BIAS, layer, true);
    }

    private void matrix(String name, int rows, int cols, Kind kind, int layer) {
        add(name, rows, cols, kind, layer, true);
    }

    private void add(String name, int rows, int cols, Kind kind, int layer, boolean aligned) {
        if (aligned) {
            size = align(size);
        }
        entries.put(name, new Entry(name, Math.toIntExact(size), rows, cols, kind, layer));
        size += (long) rows * cols;
    }

    private static long align(long elements) {
        return Math.ceilDiv(elements, ALIGNMENT) * ALIGNMENT;
    }

    /** Every parameter, in memory order. */
    public List<Entry> entries() {
        return List.copyOf(entries.values());
    }

    /** The names, in memory order. */
    public List<String> names() {
        return Collections.unmodifiableList(new ArrayList<>(entries.keySet()));
    }

    /**
     * The parameter of this name.
     *
     * @throws IllegalArgumentException if the model has no such parameter
     */
    public Entry entry(String name) {
        Entry entry = entries.get(name);
        if (entry == null) {
            throw new IllegalArgumentException("the model has no parameter " + name);
        }
        return entry;
    }

    /** Elements of the allocation, gaps included (they stay zero). */
    public int size() {
        return (int) align(size);
    }

    /** Trainable numbers of the model. */
    public long parameterCount() {
        return entries.values().stream().mapToLong(Entry::length).sum();
    }
}
