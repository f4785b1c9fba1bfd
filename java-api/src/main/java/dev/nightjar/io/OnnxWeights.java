package dev.nightjar.io;

import dev.nightjar.FormatException;
import dev.nightjar.io.MappedWeights.Stored;
import dev.nightjar.tensor.DType;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;

/**
 * The weights of a PyTorch model within its ONNX export, under their PyTorch names, read without an ONNX runtime.
 *
 * <p>The exporter keeps the names of what it stores unchanged. The matrix of a linear layer it stores transposed,
 * {@code [in, out]}, under a made-up name; that becomes {@code X.weight [out, in]} again, where {@code X.bias} is what
 * the graph adds to the product. Field numbers are those of {@code onnx.proto3}.
 */
public final class OnnxWeights {
    private static final Map<Long, DType> DTYPES = Map.of(1L, DType.F32, 3L, DType.I8, 6L, DType.I32, 7L, DType.I64,
            10L,
            DType.F16, 11L, DType.F64, 16L, DType.BF16);

    private final String source;
    private final SequencedMap<String, Stored> initializers = new LinkedHashMap<>();
    private final List<Node> nodes = new ArrayList<>();

    /** An operation of the graph: names of its operands and of its result. */
    private record Node(String operation, List<String> inputs, String output) {
    }

    private OnnxWeights(String source) {
        this.source = source;
    }

    /**
     * Opens a file.
     *
     * @throws FormatException if it is not an ONNX model, or keeps tensors in other files
     */
    public static WeightSource open(Path file) throws IOException {
        Arena arena = Arena.ofShared();
        try {
            return read(file.toString(), arena, MappedWeights.map(file, arena));
        } catch (Throwable t) {
            arena.close();
            throw t;
        }
    }

    /**
     * Opens a model that comes as a stream, such as a resource of the class path, by way of a temporary file.
     *
     * @param source what to call it in messages
     * @param model read to its end, not closed
     */
    public static WeightSource open(String source, InputStream model) throws IOException {
        Arena arena = Arena.ofShared();
        try {
            return read(source, arena, MappedWeights.spool(model, arena));
        } catch (Throwable t) {
            arena.close();
            throw t;
        }
    }

    static WeightSource read(String source, Arena arena, MemorySegment model) {
        OnnxWeights onnx = new OnnxWeights(source);
        boolean hasGraph = false;
        ProtoReader fields = new ProtoReader(source, model);
        while (fields.next()) {
            if (fields.field() == 7) {
                onnx.readGraph(fields.message());
                hasGraph = true;
            }
        }
        if (!hasGraph) {
            throw new FormatException(source, "expected an ONNX model, found no graph");
        }
        return new DerivedWeights(new MappedWeights(source, arena, onnx.initializers), onnx.origins());
    }

    private void readGraph(ProtoReader graph) {
        while (graph.next()) {
            switch (graph.field()) {
                case 1 -> readNode(graph.message());
                case 5 -> readInitializer(graph.message());
                default -> {
                    // Inputs, outputs and documentation do not matter.
                }
            }
        }
    }

    private void readNode(ProtoReader node) {
        List<String> inputs = new ArrayList<>();
        String output = "";
        String operation = "";
        while (node.next()) {
            switch (node.field()) {
                case 1 -> inputs.add(node.string());
                case 2 -> output = node.string();
                case 4 -> operation = node.string();
                default -> {
                    // Name and attributes do not matter.
                }
            }
        }
        if ((operation.equals("MatMul") || operation.equals("Add")) && inputs.size() == 2) {
            nodes.add(new Node(operation, inputs, output));
        }
    }

    private void readInitializer(ProtoReader tensor) {
        List<Long> shape = new ArrayList<>();
        long type = 0;
        String name = "";
        MemorySegment data = null;
        boolean external = false;
        while (tensor.next()) {
            switch (tensor.field()) {
                case 1 -> tensor.addExtents(shape);
                case 2 -> type = tensor.number();
                case 8 -> name = tensor.string();
                case 9 -> data = tensor.bytes();
                case 14 -> external = tensor.number() == 1;
                default -> {
                    // Values spelt out by type are for small constants, no weights; their absence is found below.
                }
            }
        }
        DType dtype = DTYPES.get(type);
        if (external) {
            throw new FormatException(source + ", tensor " + name,
                    "is kept in another file, expected it within the model");
        }
        if (dtype != null && data != null) {
            add(name, dtype, shape, data);
        }
    }

    private void add(String name, DType dtype, List<Long> shape, MemorySegment data) {
        TensorInfo info;
        try {
            info = new TensorInfo(name, dtype, shape);
        } catch (IllegalArgumentException e) {
            throw new FormatException(source + ", tensor " + name, e.getMessage(), e);
        }
        if (data.byteSize() != info.byteCount()) {
            throw new FormatException(source + ", tensor " + name,
                    "expected " + info.byteCount() + " bytes for " + dtype + " "
                            + shape + ", found " + data.byteSize());
        }
        if (initializers.put(name, new Stored(info, data)) != null) {
            throw new FormatException(source + ", tensor " + name, "is given twice");
        }
    }

    /** Where each tensor comes from under its PyTorch name. */
    private SequencedMap<String, DerivedWeights.Origin> origins() {
        Map<String, String> biasOf = new HashMap<>();
        for (Node node : nodes) {
            if (node.operation().equals("Add")) {
                addBias(biasOf, node.inputs().get(0), node.inputs().get(1));
                addBias(biasOf, node.inputs().get(1), node.inputs().get(0));
            }
        }
        SequencedMap<String, DerivedWeights.Origin> origins = new LinkedHashMap<>();
        initializers.keySet().forEach(name -> origins.put(name, new DerivedWeights.Same(name)));
        for (Node node : nodes) {
            String matrix = node.inputs().get(1);
            String bias = biasOf.get(node.output());
            if (node.operation().equals("MatMul") && bias != null && initializers.containsKey(matrix)) {
                String name = bias.substring(0, bias.length() - "bias".length()) + "weight";
                origins.remove(matrix);
                if (origins.put(name, new DerivedWeights.Transposed(matrix)) != null) {
                    throw new FormatException(source + ", tensor " + name, "is the matrix of two products");
                }
            }
        }
        return origins;
    }

    private void addBias(Map<String, String> biasOf, String bias, String sum) {
        if (bias.endsWith(".bias") && initializers.containsKey(bias)) {
            biasOf.put(sum, bias);
        }
    }
}
