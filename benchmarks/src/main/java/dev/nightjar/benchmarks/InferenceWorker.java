package dev.nightjar.benchmarks;

import dev.nightjar.Device;
import dev.nightjar.InferenceOptions;
import dev.nightjar.InferenceSession;
import dev.nightjar.Precision;
import dev.nightjar.SentimentModel;
import dev.nightjar.UnavailableException;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.StringJoiner;
import java.util.stream.IntStream;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordingFile;

/**
 * Nightjar's side of {@code benchmarks/compare}: reads commands line by line and answers each with a line of JSON.
 *
 * <p>Usage: {@code InferenceWorker FOLDER PRECISION THREADS}, with the folder that {@code distilbert_base.py} wrote. The first line is that
 * it is ready, or why the precision is refused. {@code logits CASE}
 * answers with the logits of every sequence less their mean, {@code time CASE SECONDS} with minimum, median and maximum of the milliseconds of
 * a pass, {@code tail CASE COUNT} with percentiles of so many passes one after the other and the number of collections meanwhile, which a
 * flight recording counts.
 */
public final class InferenceWorker {
    private static final int TOKENS = 4096;
    private static final String COLLECTION = "jdk.GarbageCollection";

    private final SentimentModel model;
    private final InferenceSession session;
    private final Map<String, List<int[]>> cases = new LinkedHashMap<>();

    private InferenceWorker(Path folder, Precision precision, int threads) throws IOException {
        for (String line : Files.readAllLines(folder.resolve("inputs.txt"))) {
            String[] words = line.split(" ", -1);
            int[] ids = Arrays.stream(words).skip(1).mapToInt(Integer::parseInt).toArray();
            cases.computeIfAbsent(words[0], name -> new ArrayList<>()).add(ids);
        }
        Device device = Device.of("cpu").withThreads(threads);
        model = SentimentModel.load(folder.resolve("model"),
                InferenceOptions.defaults().withDevice(device).withPrecision(precision).withTokenBudget(TOKENS));
        session = model.newSession();
    }

    /** Serves standard input until it ends; see the class comment for its arguments. */
    public static void main(String[] args) throws IOException {
        InferenceWorker worker;
        try {
            worker = new InferenceWorker(Path.of(args[0]), Precision.valueOf(args[1]), Integer.parseInt(args[2]));
        } catch (UnavailableException e) {
            System.out.println("{\"refused\": \"" + e.getMessage() + "\"}");
            return;
        }
        Map<String, String> details = Device.statuses().stream().filter(status -> status.backend().equals("cpu"))
                .findFirst().orElseThrow().details();
        System.out.println("{\"ready\": \"nightjar\", \"isa\": \"" + String.join("; ", details.values()) + "\"}");
        BufferedReader commands = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String command = commands.readLine(); command != null; command = commands.readLine()) {
            System.out.println(worker.answer(command.split(" ", -1)));
        }
        worker.session.close();
        worker.model.close();
    }

    private String answer(String... command) throws IOException {
        List<int[]> sequences = cases.get(command[1]);
        return switch (command[0]) {
            case "logits" -> logits(sequences);
            case "time" -> time(sequences, Double.parseDouble(command[2]));
            case "tail" -> tail(sequences, Integer.parseInt(command[2]));
            default -> throw new IllegalArgumentException(command[0]);
        };
    }

    private void predict(List<int[]> sequences) {
        for (int i = 0; i < sequences.size(); i++) {
            session.add(sequences.get(i));
        }
        session.run();
    }

    /** A session gives probabilities; their logarithms are the logits but for a constant, which goes with the mean. */
    private String logits(List<int[]> sequences) {
        predict(sequences);
        StringJoiner rows = new StringJoiner(", ", "{\"logits\": [", "]}");
        for (int row = 0; row < session.rows(); row++) {
            int number = row;
            double[] logs = IntStream.range(0, model.labels().size())
                    .mapToDouble(label -> Math.log(session.probability(number, label))).toArray();
            double mean = Arrays.stream(logs).average().orElseThrow();
            rows.add(Arrays.toString(Arrays.stream(logs).map(log -> log - mean).toArray()));
        }
        return rows.toString();
    }

    private String time(List<int[]> sequences, double seconds) {
        List<Long> nanos = new ArrayList<>();
        predict(sequences);
        long end = System.nanoTime() + (long) (seconds * 1e9);
        while (System.nanoTime() < end || nanos.size() < 3) {
            long start = System.nanoTime();
            predict(sequences);
            nanos.add(System.nanoTime() - start);
        }
        double[] sorted = nanos.stream().mapToDouble(n -> n / 1e6).sorted().toArray();
        return String.format(Locale.ROOT, "{\"min\": %f, \"median\": %f, \"max\": %f, \"runs\": %d}", sorted[0],
                quantile(sorted, 0.5), sorted[sorted.length - 1], sorted.length);
    }

    private String tail(List<int[]> sequences, int count) throws IOException {
        double[] millis = new double[count];
        for (int i = 0; i < count / 10; i++) {
            predict(sequences);
        }
        Path file = Files.createTempFile("nightjar-tail", ".jfr");
        try (Recording recording = new Recording()) {
            recording.enable(COLLECTION);
            recording.start();
            for (int i = 0; i < count; i++) {
                long start = System.nanoTime();
                predict(sequences);
                millis[i] = (System.nanoTime() - start) / 1e6;
            }
            recording.stop();
            recording.dump(file);
            // Nightjar's own events are in the file too.
            long collections = RecordingFile.readAllEvents(file).stream()
                    .filter(event -> event.getEventType().getName().equals(COLLECTION)).count();
            Arrays.sort(millis);
            return String.format(Locale.ROOT,
                    "{\"p50\": %f, \"p99\": %f, \"p999\": %f, \"max\": %f, \"collections\": %d}",
                    quantile(millis, 0.5), quantile(millis, 0.99), quantile(millis, 0.999), millis[count - 1],
                    collections);
        } finally {
            Files.delete(file);
        }
    }

    private static double quantile(double[] sorted, double fraction) {
        return sorted[(int) Math.min(sorted.length - 1, Math.ceil(fraction * sorted.length))];
    }
}
