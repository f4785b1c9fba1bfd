package dev.nightjar.study;

import dev.nightjar.FormatException;
import dev.nightjar.io.Json;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.BiFunction;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/** The objects of a {@link StudyJournal}. A number that is not finite is null. */
final class StudyJson {
    private static final int FORMAT = 1;
    private static final JsonNodeFactory NODES = JsonNodeFactory.instance;

    private StudyJson() {
    }

    static String header(Map<String, String> identity) {
        ObjectNode header = NODES.objectNode().put("format", FORMAT);
        identity.forEach(header.putObject("identity")::put);
        return header.toString();
    }

    static Map<String, String> parseHeader(String source, byte[] json) {
        JsonNode header = Json.object(source, json);
        if (header.path("format").asInt(0) != FORMAT) {
            throw new FormatException(source,
                    "is a journal of format " + header.path("format") + "; this version reads " + FORMAT);
        }
        return map(source, header, "identity", StudyJson::text);
    }

    static String run(StudyRun run) {
        ObjectNode node = NODES.objectNode();
        run.configuration().forEach(node.putObject("configuration")::put);
        node.put("seed", run.seed()).put("status", run.status().name().toLowerCase(Locale.ROOT))
                .put("note", run.note()).put("steps", run.stepCount());
        putNumbers(node.putObject("metrics"), run.metrics());
        putColumns(node.putObject("training_curve"), run.trainingCurve());
        putColumns(node.putObject("validation_curve"), run.validationCurve());
        putNumbers(node.putObject("costs"), run.costs());
        return node.toString();
    }

    static StudyRun parseRun(String source, byte[] json) {
        JsonNode node = Json.object(source, json);
        String status = text(source, member(source, node, "status"));
        return new StudyRun(map(source, node, "configuration", StudyJson::text), integer(source, node, "seed"),
                switch (status) {
                    case "completed" -> StudyRun.Status.COMPLETED;
                    case "diverged" -> StudyRun.Status.DIVERGED;
                    default -> throw new FormatException(source, "unknown status \"" + status + "\"");
                }, text(source, member(source, node, "note")), Math.toIntExact(integer(source, node, "steps")),
                map(source, node, "metrics", StudyJson::number),
                map(source, node, "training_curve", StudyJson::numbers),
                map(source, node, "validation_curve", StudyJson::numbers),
                map(source, node, "costs", StudyJson::number));
    }

    private static void putNumbers(ObjectNode node, Map<String, Double> numbers) {
        numbers.forEach((name, value) -> node.set(name, numberNode(value)));
    }

    private static void putColumns(ObjectNode node, Map<String, List<Double>> columns) {
        columns.forEach((name, values) -> {
            ArrayNode array = node.putArray(name);
            values.forEach(value -> array.add(numberNode(value)));
        });
    }

    private static JsonNode numberNode(double value) {
        if (!Double.isFinite(value)) {
            return NODES.nullNode();
        }
        return value == Math.rint(value) && Math.abs(value) < 1e15
                ? NODES.numberNode((long) value)
                : NODES.numberNode(value);
    }

    private static <V> Map<String, V> map(String source, JsonNode node, String name,
            BiFunction<String, JsonNode, V> value) {
        JsonNode object = member(source, node, name);
        Map<String, V> map = new LinkedHashMap<>();
        object.propertyStream().forEach(
                property -> map.put(property.getKey(), value.apply(source + ": " + name, property.getValue())));
        return map;
    }

    private static JsonNode member(String source, JsonNode node, String name) {
        JsonNode member = node.get(name);
        if (member == null) {
            throw new FormatException(source, "has no \"" + name + "\"");
        }
        return member;
    }

    private static String text(String source, JsonNode node) {
        if (!node.isString()) {
            throw new FormatException(source, "expected text, found " + node);
        }
        return node.stringValue();
    }

    private static long integer(String source, JsonNode node, String name) {
        JsonNode member = member(source, node, name);
        if (!member.isIntegralNumber()) {
            throw new FormatException(source, "expected \"" + name + "\" to be an integer, found " + member);
        }
        return member.longValue();
    }

    private static double number(String source, JsonNode node) {
        if (node.isNull()) {
            return Double.NaN;
        }
        if (!node.isNumber()) {
            throw new FormatException(source, "expected a number, found " + node);
        }
        return node.doubleValue();
    }

    private static List<Double> numbers(String source, JsonNode node) {
        if (!node.isArray()) {
            throw new FormatException(source, "expected numbers, found " + node);
        }
        List<Double> numbers = new ArrayList<>();
        node.forEach(element -> numbers.add(number(source, element)));
        return numbers;
    }
}
