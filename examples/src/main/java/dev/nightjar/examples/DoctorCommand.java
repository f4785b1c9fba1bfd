package dev.nightjar.examples;

import com.sun.management.OperatingSystemMXBean;
import dev.nightjar.Device;
import dev.nightjar.Precision;
import dev.nightjar.PretrainedEncoder;
import java.io.IOException;
import java.io.PrintWriter;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/** Says what this machine offers: backends and why one is missing, instruction sets, weights and library versions. */
@Command(name = "doctor", description = "What this machine offers, what is missing and what to do about it.")
final class DoctorCommand implements Callable<Integer> {
    private static final Path CPU_INFO = Path.of("/proc/cpuinfo");
    /** Instruction sets that change how fast Nightjar can be, as Linux names them on x86-64 and AArch64. */
    private static final List<String> INSTRUCTION_SETS = List.of("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16",
            "amx_tile", "amx_bf16", "amx_int8", "asimd", "asimddp", "bf16", "i8mm", "sve");

    @Spec
    private CommandSpec spec;

    @Option(names = "--json", description = "Print one JSON object.")
    private boolean json;

    @Override
    public Integer call() {
        Map<String, String> system = system();
        List<Device.Status> backends = Device.statuses();
        List<String> advice = advice(backends);
        PrintWriter out = spec.commandLine().getOut();
        if (json) {
            out.println(Json.line(json(system, backends, advice)));
        } else {
            print(out, system, backends, advice);
        }
        out.flush();
        return backends.stream().anyMatch(Device.Status::available) ? 0 : Nightjar.FAILED;
    }

    private static Map<String, String> system() {
        Map<String, String> system = new LinkedHashMap<>();
        system.put("java", Runtime.version() + ", " + System.getProperty("java.vendor") + ", "
                + System.getProperty("java.home"));
        system.put("system", System.getProperty("os.name") + " " + System.getProperty("os.arch"));
        List<String> cpuInfo = cpuInfo();
        cpuInfo.stream().filter(line -> line.startsWith("model name")).findFirst()
                .ifPresent(line -> system.put("processor", line.substring(line.indexOf(':') + 1).strip()));
        system.put("processors", String.valueOf(Runtime.getRuntime().availableProcessors()));
        List<String> flags = cpuInfo.stream().filter(line -> line.startsWith("flags") || line.startsWith("Features"))
                .findFirst().map(line -> List.of(line.substring(line.indexOf(':') + 1).strip().split(" ")))
                .orElse(List.of());
        List<String> sets = INSTRUCTION_SETS.stream().filter(flags::contains).toList();
        if (!sets.isEmpty()) {
            system.put("instruction sets", String.join(" ", sets));
        }
        if (ManagementFactory.getOperatingSystemMXBean() instanceof OperatingSystemMXBean machine) {
            system.put("memory", gibibytes(machine.getTotalMemorySize()));
        }
        system.put("java heap", "at most " + gibibytes(Runtime.getRuntime().maxMemory()));
        return system;
    }

    private static List<String> cpuInfo() {
        try (Stream<String> lines = Files.lines(CPU_INFO)) {
            return lines.toList();
        } catch (IOException e) {
            return List.of(); // Not Linux: nothing to tell.
        }
    }

    private static String gibibytes(long bytes) {
        return String.format(Locale.ROOT, "%.1f GiB", bytes / (double) (1L << 30));
    }

    private static List<String> advice(List<Device.Status> backends) {
        List<String> advice = new ArrayList<>();
        Device.Status best = backends.stream().filter(Device.Status::available).findFirst().orElse(null);
        if (best == null) {
            advice.add("No backend can be used; the reasons are above.");
            return advice;
        }
        advice.add("Use --device auto, which is " + best.backend() + " here.");
        if (best.backend().equals("reference")) {
            advice.add("reference is an oracle for tests and slow; make another backend available.");
        }
        if (best.details().values().stream().anyMatch(detail -> detail.contains("is not on the class path"))) {
            advice.add(
                    "Part of it runs in pure Java. For native code install a C++ compiler and cmake and build again.");
        }
        return advice;
    }

    private static void print(PrintWriter out, Map<String, String> system, List<Device.Status> backends,
            List<String> advice) {
        out.println("Machine");
        system.forEach((name, value) -> row(out, name, value));
        out.println("Backends");
        for (Device.Status backend : backends) {
            row(out, backend.backend(), backend.available() ? "available" : "not available: " + backend.reason());
            if (backend.available()) {
                row(out, "", "precisions: " + names(backend.precisions()) + "; of training: "
                        + names(backend.trainingPrecisions()));
            }
            backend.details().forEach((name, value) -> row(out, "", name + ": " + value));
        }
        out.println("Weights on the class path");
        for (PretrainedEncoder encoder : PretrainedEncoder.values()) {
            row(out, EncoderNames.name(encoder),
                    encoder.isPresent() ? "found" : "not found; it comes with " + encoder.artifact());
        }
        out.println("Versions");
        Versions.all().forEach((name, version) -> row(out, name, version));
        out.println("Advice");
        advice.forEach(line -> out.println("  " + line));
    }

    private static String names(List<Precision> precisions) {
        return precisions.stream().map(Precision::toString).collect(Collectors.joining(", "));
    }

    private static void row(PrintWriter out, String name, String value) {
        out.printf("  %-17s %s%n", name, value);
    }

    private static ObjectNode json(Map<String, String> system, List<Device.Status> backends, List<String> advice) {
        ObjectNode node = JsonNodeFactory.instance.objectNode();
        ObjectNode machine = node.putObject("machine");
        system.forEach(machine::put);
        ArrayNode list = node.putArray("backends");
        for (Device.Status backend : backends) {
            ObjectNode entry = list.addObject().put("name", backend.backend()).put("available", backend.available());
            if (!backend.available()) {
                entry.put("reason", backend.reason());
            }
            ArrayNode precisions = entry.putArray("precisions");
            backend.precisions().forEach(precision -> precisions.add(precision.toString()));
            ArrayNode training = entry.putArray("trainingPrecisions");
            backend.trainingPrecisions().forEach(precision -> training.add(precision.toString()));
            backend.details().forEach(entry.putObject("details")::put);
        }
        ObjectNode weights = node.putObject("weights");
        for (PretrainedEncoder encoder : PretrainedEncoder.values()) {
            weights.put(EncoderNames.name(encoder), encoder.isPresent());
        }
        Versions.all().forEach(node.putObject("versions")::put);
        advice.forEach(node.putArray("advice")::add);
        return node;
    }
}
