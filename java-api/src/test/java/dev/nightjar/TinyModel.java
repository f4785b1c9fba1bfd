package dev.nightjar;

import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;

/** The golden model with a vocabulary of made-up words, dropout and other heads, as a folder that can be loaded. */
public final class TinyModel {
    /** Words {@code w0}, {@code w1}, ... of its vocabulary. */
    public static final int WORDS = 115;

    private TinyModel() {
    }

    static SentimentModel load(Path folder, List<String> labels, List<String> targets, Device device)
            throws IOException {
        return SentimentModel.loadWithHeads(save(folder), labels, targets, 1,
                InferenceOptions.defaults().withDevice(device));
    }

    /** Writes the folder. */
    public static Path save(Path folder) throws IOException {
        Files.createDirectories(folder);
        Files.copy(golden("model.safetensors"), folder.resolve("model.safetensors"));
        String config = Files.readString(golden("config.json")).replaceAll("dropout\": 0.0", "dropout\": 0.1");
        Files.writeString(folder.resolve("config.json"), config);
        List<String> vocabulary = new ArrayList<>(List.of("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"));
        for (int i = 0; i < WORDS; i++) {
            vocabulary.add("w" + i);
        }
        Files.write(folder.resolve("vocab.txt"), vocabulary);
        return folder;
    }

    public static String text(int... words) {
        return Arrays.stream(words).mapToObj(word -> "w" + word).collect(Collectors.joining(" "));
    }

    private static Path golden(String name) {
        try {
            return Path.of(TinyModel.class.getResource("/golden/tiny/" + name).toURI());
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }
}
