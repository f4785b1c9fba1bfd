package dev.nightjar.optim;

import dev.nightjar.backend.ParameterGroup;
import dev.nightjar.model.DistilBertConfig;
import dev.nightjar.model.ParameterLayout;
import dev.nightjar.model.ParameterLayout.Entry;
import dev.nightjar.model.ParameterLayout.Kind;
import java.util.ArrayList;
import java.util.List;

/** Which parameters are trained, how fast, and which decay. */
public final class ParameterGroups {
    private static final String POSITIONS = "distilbert.embeddings.position_embeddings.weight";

    private ParameterGroups() {
    }

    /**
     * The groups of a fine-tuning: matrices and embeddings decay, biases and LayerNorms do not; sinusoidal positions are not trained.
     *
     * @param layerDecay factor on the learning rate for each step away from the heads: 1 for the heads and pre_classifier, the factor for
     *        the last block, its square for the one below, and so on down to the embeddings (layer-wise decay; Howard and Ruder, "Universal
     *        language model fine-tuning", ACL 2018, section 3.2); 1 for one rate for all
     * @param frozenLayers as in {@link dev.nightjar.model.DistilBert#backward}
     * @return neighbours that are treated alike in one group, the gaps between them included (they stay zero)
     */
    public static List<ParameterGroup> of(DistilBertConfig config, ParameterLayout layout, double layerDecay,
            int frozenLayers) {
        List<ParameterGroup> groups = new ArrayList<>();
        ParameterGroup open = null;
        for (Entry entry : layout.entries()) {
            float scale = scale(config, entry, layerDecay, frozenLayers);
            boolean decay = entry.kind() == Kind.MATRIX || entry.kind() == Kind.EMBEDDING;
            if (open != null && (open.learningRateScale() != scale || open.decay() != decay)) {
                groups.add(open);
                open = null;
            }
            if (scale == 0) {
                continue;
            }
            int offset = open == null ? entry.offset() : open.offset();
            open = new ParameterGroup(offset, entry.offset() + entry.length() - offset, scale, decay);
        }
        if (open != null) {
            groups.add(open);
        }
        return List.copyOf(groups);
    }

    private static float scale(DistilBertConfig config, Entry entry, double layerDecay, int frozenLayers) {
        boolean fixed = config.sinusoidalPositions() && entry.name().equals(POSITIONS);
        if (fixed || entry.layer() < frozenLayers) {
            return 0;
        }
        return (float) Math.pow(layerDecay, config.layers() - entry.layer());
    }
}
