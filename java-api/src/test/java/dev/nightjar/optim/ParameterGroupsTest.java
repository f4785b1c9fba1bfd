package dev.nightjar.optim;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.nightjar.backend.ParameterGroup;
import dev.nightjar.model.DistilBertConfig;
import dev.nightjar.model.ParameterLayout;
import dev.nightjar.model.ParameterLayout.Entry;
import java.util.List;
import org.junit.jupiter.api.Test;

class ParameterGroupsTest {
    private static final String POSITIONS = "distilbert.embeddings.position_embeddings.weight";

    private static DistilBertConfig config(boolean sinusoidal) {
        return new DistilBertConfig(11, 7, 6, 3, 2, 10, sinusoidal, 0, List.of("a", "b"), List.of("s"), 0, 0, 0, 0.02f);
    }

    /** The group that updates all of a parameter, or null if none touches any of it. */
    private static ParameterGroup groupOf(Entry entry, List<ParameterGroup> groups) {
        List<ParameterGroup> touching = groups.stream().filter(group -> group.offset() < entry.offset() + entry.length()
                && entry.offset() < group.offset() + group.length()).toList();
        if (touching.isEmpty()) {
            return null;
        }
        assertThat(touching).as(entry.name()).hasSize(1);
        ParameterGroup group = touching.getFirst();
        assertThat(group.offset()).isLessThanOrEqualTo(entry.offset());
        assertThat(group.offset() + group.length()).isGreaterThanOrEqualTo(entry.offset() + entry.length());
        return group;
    }

    @Test
    void matricesAndEmbeddingsDecayBiasesAndNormsDoNot() {
        ParameterLayout layout = new ParameterLayout(config(false));
        List<ParameterGroup> groups = ParameterGroups.of(config(false), layout, 1, -1);
        for (Entry entry : layout.entries()) {
            ParameterGroup group = groupOf(entry, groups);
            boolean exempt = entry.name().endsWith(".bias") || entry.name().contains("LayerNorm")
                    || entry.name().contains("layer_norm");
            assertThat(group.decay()).as(entry.name()).isEqualTo(!exempt);
            assertThat(group.learningRateScale()).isEqualTo(1);
        }
        assertThat(groups.size()).isLessThan(layout.entries().size());
    }

    @Test
    void learningRateFallsTowardsTheEmbeddings() {
        ParameterLayout layout = new ParameterLayout(config(false));
        List<ParameterGroup> groups = ParameterGroups.of(config(false), layout, 0.5, -1);
        List<String> fromTheTop = List.of("classifier.weight", "distilbert.transformer.layer.2.ffn.lin2.weight",
                "distilbert.transformer.layer.1.attention.k_lin.weight",
                "distilbert.transformer.layer.0.sa_layer_norm.bias", "distilbert.embeddings.word_embeddings.weight");
        for (int distance = 0; distance < fromTheTop.size(); distance++) {
            ParameterGroup group = groupOf(layout.entry(fromTheTop.get(distance)), groups);
            assertThat((double) group.learningRateScale()).isCloseTo(Math.pow(0.5, distance), within(1e-7));
        }
        assertThat(groupOf(layout.entry("pre_classifier.bias"), groups).learningRateScale()).isEqualTo(1);
    }

    @Test
    void frozenLayersAndSinusoidsAreInNoGroup() {
        ParameterLayout layout = new ParameterLayout(config(true));
        List<ParameterGroup> all = ParameterGroups.of(config(true), layout, 1, -1);
        for (Entry entry : layout.entries()) {
            assertThat(groupOf(entry, all) == null).as(entry.name()).isEqualTo(entry.name().equals(POSITIONS));
        }
        for (int frozenLayers = 0; frozenLayers <= 3; frozenLayers++) {
            List<ParameterGroup> upper = ParameterGroups.of(config(false), layout, 0.9, frozenLayers);
            for (Entry entry : layout.entries()) {
                boolean frozen = entry.layer() < frozenLayers;
                assertThat(groupOf(entry, upper) == null).as(entry.name()).isEqualTo(frozen);
            }
        }
    }
}
