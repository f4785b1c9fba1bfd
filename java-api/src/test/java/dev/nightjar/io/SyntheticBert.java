package dev.nightjar.io;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.zip.CRC32C;

/**
 * A small BERT of random weights, and the files in which exporters would leave it. Dimension 12, hidden 6, 7 words, 5
 * positions.
 */
final class SyntheticBert {
    static final int DIM = 12;
    static final int HIDDEN = 6;

    /** A tensor under its PyTorch name. */
    record Weight(List<Long> shape, float[] values) {
        boolean matrix() {
            return shape.size() == 2;
        }

        Weight transposed() {
            int rows = shape.get(0).intValue();
            int columns = shape.get(1).intValue();
            float[] turned = new float[values.length];
            for (int row = 0; row < rows; row++) {
                for (int column = 0; column < columns; column++) {
                    turned[column * rows + row] = values[row * columns + column];
                }
            }
            return new Weight(shape.reversed(), turned);
        }

        byte[] bytes() {
            return SafetensorsBytes.floats(values);
        }
    }

    final Map<String, Weight> weights = new LinkedHashMap<>();
    private final Random random = new Random(7);

    SyntheticBert(int layers) {
        add("embeddings.word_embeddings.weight", 7, DIM);
        add("embeddings.position_embeddings.weight", 5, DIM);
        add("embeddings.token_type_embeddings.weight", 2, DIM);
        norm("embeddings.LayerNorm");
        for (int i = 0; i < layers; i++) {
            String layer = "encoder.layer." + i + ".";
            for (String part : List.of("self.query", "self.key", "self.value", "output.dense")) {
                linear(layer + "attention." + part, DIM, DIM);
            }
            norm(layer + "attention.output.LayerNorm");
            linear(layer + "intermediate.dense", HIDDEN, DIM);
            linear(layer + "output.dense", DIM, HIDDEN);
            norm(layer + "output.LayerNorm");
        }
    }

    private void linear(String name, long out, long in) {
        add(name + ".weight", out, in);
        add(name + ".bias", out);
    }

    private void norm(String name) {
        add(name + ".weight", DIM);
        add(name + ".bias", DIM);
    }

    private void add(String name, long... shape) {
        float[] values = new float[(int) Arrays.stream(shape).reduce(1, (a, b) -> a * b)];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextGaussian();
        }
        weights.put(name, new Weight(Arrays.stream(shape).boxed().toList(), values));
    }

    private static boolean isLinear(String name) {
        return name.startsWith("encoder") && name.endsWith(".weight") && !name.contains("LayerNorm");
    }

    /**
     * As PyTorch exports: matrices of linear layers transposed, nameless, found by the bias that is added to their
     * product.
     */
    byte[] onnx() {
        ProtoWriter graph = new ProtoWriter();
        ProtoWriter initializers = new ProtoWriter();
        int next = 0;
        for (Map.Entry<String, Weight> entry : weights.entrySet()) {
            String name = entry.getKey();
            Weight weight = entry.getValue();
            if (isLinear(name)) {
                String matrix = "onnx::MatMul_" + 100 * ++next;
                String bias = name.replace(".weight", ".bias");
                graph.message(1, node("MatMul", "x", matrix, "product" + next));
                graph.message(1, next % 2 == 0
                        ? node("Add", "product" + next, bias, "y")
                        : node("Add", bias, "product" + next, "y"));
                initializers.message(5, tensor(matrix, weight.transposed(), next % 2 == 0));
            } else {
                initializers.message(5, tensor(name, weight, false));
            }
        }
        // What a graph holds besides: products of activations, constants spelt out by type, types that are no weights.
        graph.message(1, node("MatMul", "x", "y", "scores")).message(1, node("Add", "scores", "mask", "z"));
        graph.string(2, "torch_jit").raw(initializers.toByteArray());
        graph.message(5, new ProtoWriter().number(1, 1).number(2, 7).number(7, 3).string(8, "constant"));
        graph.message(5, new ProtoWriter().number(1, 1).number(2, 9).bytes(9, new byte[1]).string(8, "flag"));
        return new ProtoWriter().number(1, 6).string(2, "pytorch").message(7, graph).fixed32(20).fixed64(21)
                .toByteArray();
    }

    private static ProtoWriter node(String operation, String left, String right, String output) {
        return new ProtoWriter().string(1, left).string(1, right).string(2, output).string(3, "n").string(4, operation);
    }

    private static ProtoWriter tensor(String name, Weight weight, boolean packed) {
        ProtoWriter tensor = new ProtoWriter();
        ProtoWriter extents = new ProtoWriter();
        weight.shape().forEach(extent -> {
            extents.varint(extent);
            if (!packed) {
                tensor.number(1, extent);
            }
        });
        if (packed) {
            tensor.message(1, extents);
        }
        return tensor.number(2, 1).string(8, name).bytes(9, weight.bytes());
    }

    /** Index and data of a checkpoint under TensorFlow's names, below the scope {@code module/bert/}. */
    Map<String, byte[]> tensorFlow() {
        ByteArrayOutputStream data = new ByteArrayOutputStream();
        TreeMap<String, byte[]> index = new TreeMap<>();
        index.put("", new ProtoWriter().number(1, 1).message(3, new ProtoWriter().number(1, 1)).toByteArray());
        weights.forEach((name, weight) -> {
            Weight stored = isLinear(name) ? weight.transposed() : weight;
            ProtoWriter shape = new ProtoWriter();
            stored.shape().forEach(extent -> shape.message(2, new ProtoWriter().number(1, extent)));
            ProtoWriter entry = new ProtoWriter().number(1, 1).message(2, shape);
            if (data.size() > 0) {
                entry.number(4, data.size());
            }
            data.writeBytes(stored.bytes());
            index.put("module/bert/" + tensorFlowName(name),
                    entry.number(5, 4L * stored.values().length).fixed32(6).toByteArray());
        });
        index.put("save_counter",
                new ProtoWriter().number(1, 7).message(2, new ProtoWriter()).number(5, 3).toByteArray());
        return Map.of("index", sortedTable(index), "data-00000-of-00001", data.toByteArray());
    }

    private static String tensorFlowName(String name) {
        String path = name.replace("layer.", "layer_").replace('.', '/');
        if (path.contains("LayerNorm")) {
            return path.replace("weight", "gamma").replace("bias", "beta");
        }
        return path.startsWith("embeddings") ? path.replace("/weight", "") : path.replace("weight", "kernel");
    }

    /** LevelDB's table of these entries, sixteen to a block, every fourth key whole. */
    static byte[] sortedTable(SortedMap<String, byte[]> entries) {
        ByteArrayOutputStream table = new ByteArrayOutputStream();
        TreeMap<String, byte[]> handles = new TreeMap<>();
        TreeMap<String, byte[]> block = new TreeMap<>();
        for (Map.Entry<String, byte[]> entry : entries.entrySet()) {
            block.put(entry.getKey(), entry.getValue());
            if (block.size() == 16 || entry.getKey().equals(entries.lastKey())) {
                handles.put(entry.getKey(), appendBlock(table, block));
                block.clear();
            }
        }
        byte[] meta = appendBlock(table, new TreeMap<>());
        byte[] index = appendBlock(table, handles);
        table.writeBytes(ByteBuffer.allocate(40).put(meta).put(index).array());
        table.writeBytes(littleEndian(8).putLong(0xdb4775248b80fb57L).array());
        return table.toByteArray();
    }

    private static byte[] appendBlock(ByteArrayOutputStream table, SortedMap<String, byte[]> entries) {
        ProtoWriter block = new ProtoWriter();
        List<Integer> restarts = new ArrayList<>();
        byte[] last = {};
        int count = 0;
        for (Map.Entry<String, byte[]> entry : entries.entrySet()) {
            byte[] key = entry.getKey().getBytes(StandardCharsets.UTF_8);
            int shared = Arrays.mismatch(last, key);
            if (count++ % 4 == 0) {
                shared = 0;
                restarts.add(block.toByteArray().length);
            }
            shared = Math.max(shared, 0);
            block.varint(shared).varint(key.length - shared).varint(entry.getValue().length);
            block.raw(Arrays.copyOfRange(key, shared, key.length)).raw(entry.getValue());
            last = key;
        }
        restarts.add(restarts.size());
        restarts.forEach(restart -> block.raw(littleEndian(4).putInt(restart).array()));
        byte[] bytes = block.raw(new byte[1]).toByteArray();
        CRC32C crc = new CRC32C();
        crc.update(bytes);
        long value = crc.getValue();
        long masked = (((value >>> 15) | (value << 17)) + 0xa282ead8L) & 0xFFFFFFFFL;
        byte[] handle = new ProtoWriter().varint(table.size()).varint(bytes.length - 1).toByteArray();
        table.writeBytes(bytes);
        table.writeBytes(littleEndian(4).putInt((int) masked).array());
        return handle;
    }

    private static ByteBuffer littleEndian(int bytes) {
        return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }
}
