package dev.nightjar.study;

import dev.nightjar.Dataset;
import dev.nightjar.Device;
import dev.nightjar.Example;
import dev.nightjar.InferenceOptions;
import dev.nightjar.SentimentModel;
import dev.nightjar.TinyModel;
import dev.nightjar.TrainingConfig;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;

/** A study whose runs take milliseconds: the tiny model on texts of made-up words. */
final class TinyStudy {
    static final List<String> LABELS = List.of("down", "up");
    static final List<String> TARGETS = List.of("mood");
    static final Dataset TRAINING = rows(24, 1);
    static final Dataset VALIDATION = rows(10, 2);

    private TinyStudy() {
    }

    /** Rows whose class and score depend on which words they hold. */
    static Dataset rows(int count, long seed) {
        Random random = new Random(seed);
        List<Example> examples = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            int[] words = random.ints(1 + random.nextInt(6), 0, 12).toArray();
            double mood = Arrays.stream(words).map(word -> word % 2 == 0 ? 1 : -1).average().orElseThrow();
            examples.add(new Example(TinyModel.text(words), mood > 0 ? 1 : 0, (float) mood));
        }
        return new Dataset(examples, LABELS, TARGETS);
    }

    static TrainingConfig base() {
        return TrainingConfig.builder().maxLength(12).threads(1).keepBest(false).build();
    }

    /** Eight configurations with each seed, of 3 to 12 steps. */
    static StudyPlan plan(Long... seeds) {
        Map<String, List<String>> grid = new LinkedHashMap<>();
        grid.put("learning_rate", List.of("1e-3", "5e-3"));
        grid.put("batch_size", List.of("4", "8"));
        grid.put("epochs", List.of("1", "2"));
        return StudyPlan.grid(base(), grid, List.of(seeds));
    }

    static Study.ModelSource model(Path folder) {
        return seed -> SentimentModel.loadWithHeads(folder, LABELS, TARGETS, seed,
                InferenceOptions.defaults().withDevice(Device.of("cpu")));
    }

    static Study study(Path model, StudyPlan plan) throws IOException {
        return new Study(plan, model(model), TRAINING, VALIDATION);
    }
}
