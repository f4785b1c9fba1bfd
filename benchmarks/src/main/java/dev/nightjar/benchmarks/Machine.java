package dev.nightjar.benchmarks;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.util.stream.Stream;

/** What a table of figures must say about where they come from. */
public final class Machine {
    private Machine() {
    }

    /** Prints {@link #description}. */
    public static void main(String[] args) {
        System.out.println(description());
    }

    /** Date, processor, system and JDK in one line. */
    public static String description() {
        return LocalDate.now(ZoneOffset.UTC) + ", " + processor() + ", " + Runtime.getRuntime().availableProcessors()
                + " processors, " + System.getProperty("os.name") + " " + System.getProperty("os.arch") + ", JDK "
                + Runtime.version();
    }

    /** Bytes of main memory that this process occupies; 0 where the system does not tell. */
    public static long residentBytes() {
        return statusBytes("VmRSS:");
    }

    /** The most of them since {@link #forgetPeak}, or since the process began. */
    public static long peakResidentBytes() {
        return statusBytes("VmHWM:");
    }

    /** Starts {@link #peakResidentBytes} anew, where the system lets it. */
    public static void forgetPeak() {
        try {
            Files.writeString(Path.of("/proc/self/clear_refs"), "5");
        } catch (IOException e) {
            // Not Linux.
        }
    }

    private static long statusBytes(String name) {
        try (Stream<String> lines = Files.lines(Path.of("/proc/self/status"))) {
            return lines.filter(line -> line.startsWith(name))
                    .mapToLong(line -> 1024 * Long.parseLong(line.replaceAll("\\D", ""))).findFirst().orElse(0);
        } catch (IOException e) {
            return 0; // Not Linux.
        }
    }

    private static String processor() {
        try (Stream<String> lines = Files.lines(Path.of("/proc/cpuinfo"))) {
            return lines.filter(line -> line.startsWith("model name")).findFirst()
                    .map(line -> line.substring(line.indexOf(':') + 1).strip()).orElse("unknown processor");
        } catch (IOException e) {
            return "unknown processor"; // Not Linux.
        }
    }
}
