package dev.nightjar.io;

import dev.nightjar.FormatException;
import dev.nightjar.model.DistilBertConfig;
import dev.nightjar.model.ParameterLayout;
import dev.nightjar.model.ParameterLayout.Entry;
import java.util.List;
import java.util.Map;

/**
 * A DistilBERT that can be loaded, wherever it came from: its shape, its weights under the names of Hugging Face's
 * {@code DistilBertForSequenceClassification} with every shape checked, and its tokenizer.
 *
 * @param config the shape; for an encoder without heads the labels are those its configuration claims
 * @param hasHeads whether {@code pre_classifier} and the heads of {@code config} are among the weights; if not, they
 *        are to be initialised anew
 * @param weights the encoder's tensors ({@code distilbert.*}), and with heads {@code pre_classifier.*}, {@code
 *        classifier.*} for the labels and {@code regressor.*} for the targets, no others
 * @param tokenizerFiles content by file name: {@code tokenizer.json}, or {@code vocab.txt} with perhaps
 *        {@code tokenizer_config.json}; empty for a model that takes token ids only
 */
public record PretrainedModel(DistilBertConfig config, boolean hasHeads, WeightSource weights,
        Map<String, byte[]> tokenizerFiles) implements AutoCloseable {

    /**
     * @throws FormatException naming the tensor that is missing or, with both shapes, has another than the
     *         configuration says
     */
    public PretrainedModel {
        tokenizerFiles = Map.copyOf(tokenizerFiles);
        for (Entry entry : parameters(weights, config, hasHeads)) {
            List<Long> found = weights.info(entry.name()).shape();
            if (!found.equals(entry.shape())) {
                throw new FormatException(weights.location() + ", tensor " + entry.name(),
                        "has shape " + found + ", the configuration expects " + entry.shape());
            }
        }
    }

    /**
     * The parameters such a model needs; refuses configurations beyond what the source can hold before listing them.
     */
    static List<Entry> parameters(WeightSource weights, DistilBertConfig config, boolean withHeads) {
        if (config.layers() > weights.names().size()) {
            throw new FormatException(weights.location(), "the configuration expects " + config.layers()
                    + " layers, there are only " + weights.names().size() + " tensors");
        }
        try {
            return new ParameterLayout(config).entries().stream()
                    .filter(entry -> withHeads || entry.layer() < config.layers()).toList();
        } catch (ArithmeticException e) {
            throw new FormatException(weights.location(), "the configuration expects more than 2^31 parameters", e);
        }
    }

    @Override
    public void close() {
        weights.close();
    }
}
