package dev.nightjar.examples;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** The model of the golden tests with a vocabulary of made-up words, and texts of them. */
public final class TinyModel {
    private static final int WORDS = 115;

    private TinyModel() {
    }

    /** Writes the model as a folder: three classes and a score. */
    public static Path save(Path folder) throws IOException {
        Files.createDirectories(folder);
        for (String name : List.of("config.json", "model.safetensors")) {
            try (InputStream in = TinyModel.class.getResourceAsStream("/golden/tiny/" + name)) {
                Files.copy(in, folder.resolve(name));
            }
        }
        List<String> vocabulary = new ArrayList<>(List.of("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"));
        IntStream.range(0, WORDS).forEach(word -> vocabulary.add("w" + word));
        Files.write(folder.resolve("vocab.txt"), vocabulary);
        return folder;
    }

    /** Writes rows whose class and score are those of their even words. */
    static Path saveData(Path file, int rows) throws IOException {
        Random random = new Random(5);
        List<String> lines = new ArrayList<>(List.of("text\tlabel\tscore"));
        for (int row = 0; row < rows; row++) {
            int[] words = random.ints(2 + random.nextInt(6), 0, WORDS).toArray();
            double even = IntStream.of(words).filter(word -> word % 2 == 0).count() / (double) words.length;
            lines.add(IntStream.of(words).mapToObj(word -> "w" + word).collect(Collectors.joining(" ")) + "\t"
                    + (even < 0.4 ? "down" : even > 0.6 ? "up" : "flat") + "\t" + even);
        }
        return Files.write(file, lines);
    }
}
