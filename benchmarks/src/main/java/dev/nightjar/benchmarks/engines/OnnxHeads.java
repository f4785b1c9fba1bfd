package dev.nightjar.benchmarks.engines;

import dev.nightjar.io.EmbeddedModels;
import dev.nightjar.io.SafetensorsFile;
import dev.nightjar.io.WeightSource;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;

/**
 * MiniLM's own ONNX file with the heads of a Nightjar model behind it, so that ONNX Runtime goes from tokens to probabilities by itself.
 *
 * <p>Protobuf merges messages that are written one after the other: repeated fields are joined. So the heads are a second model of a few
 * nodes and tensors, and the bytes of both are one model (field numbers: onnx.proto3).
 */
final class OnnxHeads {
    /** Name of the output [B, classes]. */
    static final String PROBABILITIES = "probabilities";

    private static final String HIDDEN = "last_hidden_state";
    private static final int FLOAT = 1;
    private static final int INT64 = 7;
    private static final int INTEGER_ATTRIBUTE = 2;

    /** A message under construction. */
    private static final class Message {
        private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();

        Message number(int field, long value) {
            varint((long) field << 3);
            varint(value);
            return this;
        }

        Message text(int field, String value) {
            return bytes(field, value.getBytes(StandardCharsets.UTF_8));
        }

        Message message(int field, Message value) {
            return bytes(field, value.bytes.toByteArray());
        }

        Message bytes(int field, byte[] value) {
            varint(((long) field << 3) | 2);
            varint(value.length);
            bytes.writeBytes(value);
            return this;
        }

        private void varint(long value) {
            long rest = value;
            for (; (rest & ~0x7FL) != 0; rest >>>= 7) {
                bytes.write((int) ((rest & 0x7F) | 0x80));
            }
            bytes.write((int) rest);
        }
    }

    private OnnxHeads() {
    }

    /** @param folder a model that Nightjar made of MiniLM and saved */
    static byte[] model(Path folder) throws IOException {
        Message graph = new Message();
        try (WeightSource weights = SafetensorsFile.open(folder.resolve("model.safetensors"))) {
            initializer(graph, "heads.first", INT64, new byte[Long.BYTES], List.of());
            node(graph, "Gather", "heads.cls", integer("axis", 1),
                    HIDDEN, "heads.first");
            linear(graph, weights, "heads.cls", "pre_classifier", "heads.pooled");
            node(graph, "Relu", "heads.active", null, "heads.pooled");
            linear(graph, weights, "heads.active", "classifier", "heads.logits");
            node(graph, "Softmax", PROBABILITIES, integer("axis", 1),
                    "heads.logits");
        }
        Message shape = new Message().message(1, new Message().text(2, "batch_size")).message(1,
                new Message().text(2, "classes"));
        graph.message(12, new Message().text(1, PROBABILITIES).message(2,
                new Message().message(1, new Message().number(1, FLOAT).message(2, shape))));
        ByteArrayOutputStream merged = new ByteArrayOutputStream();
        try (InputStream encoder = OnnxHeads.class.getResourceAsStream("/" + EmbeddedModels.MINILM)) {
            encoder.transferTo(merged);
        }
        merged.writeBytes(new Message().message(7, graph).bytes.toByteArray());
        return merged.toByteArray();
    }

    /** output = input weight' + bias. */
    private static void linear(Message graph, WeightSource weights, String input, String layer, String output) {
        for (String name : List.of(layer + ".weight", layer + ".bias")) {
            byte[] values = MemorySegment.ofArray(weights.read(name)).toArray(ValueLayout.JAVA_BYTE);
            initializer(graph, "heads." + name, FLOAT, values, weights.info(name).shape());
        }
        node(graph, "Gemm", output, integer("transB", 1), input, "heads." + layer + ".weight",
                "heads." + layer + ".bias");
    }

    private static Message integer(String attribute, int value) {
        return new Message().text(1, attribute).number(3, value).number(20, INTEGER_ATTRIBUTE);
    }

    private static void node(Message graph, String operation, String output, Message attribute, String... inputs) {
        Message node = new Message();
        for (String input : inputs) {
            node.text(1, input);
        }
        node.text(2, output).text(3, output).text(4, operation);
        if (attribute != null) {
            node.message(5, attribute);
        }
        graph.message(1, node);
    }

    /** @param values in the order of bytes of this machine, which is little-endian wherever ONNX Runtime runs */
    private static void initializer(Message graph, String name, int type, byte[] values, List<Long> dims) {
        Message tensor = new Message();
        for (long dim : dims) {
            tensor.number(1, dim);
        }
        graph.message(5, tensor.number(2, type).text(8, name).bytes(9, values));
    }
}
