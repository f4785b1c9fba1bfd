package dev.nightjar.benchmarks.engines;

import ai.djl.MalformedModelException;
import ai.djl.huggingface.tokenizers.Encoding;
import ai.djl.inference.Predictor;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.types.Shape;
import ai.djl.repository.zoo.Criteria;
import ai.djl.repository.zoo.ModelNotFoundException;
import ai.djl.repository.zoo.ZooModel;
import ai.djl.translate.TranslateException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Function;

/** DJL's PyTorch engine, on TorchScript that {@code peers/export_torchscript.py} makes. */
final class DjlPyTorchEngine implements Engine {
    /** What the script writes beside the model. */
    static final String FILE = "minilm.pt";

    private final PaddedTokenizer tokenizer;
    private final ZooModel<NDList, NDList> model;
    private final Predictor<NDList, NDList> predictor;

    /**
     * @param folder a model that Nightjar saved, and its TorchScript
     * @param threads that an operation may use
     */
    DjlPyTorchEngine(Path folder, int threads) throws IOException {
        // The engine reads these once, before its first use.
        System.setProperty("ai.djl.pytorch.num_threads", String.valueOf(threads));
        System.setProperty("ai.djl.pytorch.num_interop_threads", "1");
        tokenizer = new PaddedTokenizer(folder);
        try {
            model = Criteria.builder().setTypes(NDList.class, NDList.class).optEngine("PyTorch")
                    .optModelPath(folder.resolve(FILE)).build().loadModel();
        } catch (ModelNotFoundException | MalformedModelException e) {
            throw new IOException("DJL refuses " + folder.resolve(FILE), e);
        }
        predictor = model.newPredictor();
    }

    @Override
    public float[][] classify(List<String> texts) {
        Encoding[] encodings = tokenizer.encode(texts);
        try (NDArray ids = array(encodings, Encoding::getIds);
                NDArray mask = array(encodings, Encoding::getAttentionMask);
                NDList results = predictor.predict(new NDList(ids, mask))) {
            float[] flat = results.get(0).toFloatArray();
            int classes = flat.length / texts.size();
            float[][] probabilities = new float[texts.size()][classes];
            for (int row = 0; row < probabilities.length; row++) {
                System.arraycopy(flat, row * classes, probabilities[row], 0, classes);
            }
            return probabilities;
        } catch (TranslateException e) {
            throw new IllegalStateException("DJL failed", e);
        }
    }

    private NDArray array(Encoding[] encodings, Function<Encoding, long[]> property) {
        return model.getNDManager().create(PaddedTokenizer.flat(encodings, property).array(),
                new Shape(encodings.length, encodings[0].getIds().length));
    }

    @Override
    public void close() {
        predictor.close();
        model.close();
        tokenizer.close();
    }
}
