package dev.nightjar.benchmarks.engines;

import ai.djl.huggingface.tokenizers.Encoding;
import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;

/** ONNX Runtime with all its graph optimisations, on {@link OnnxHeads}. */
final class OnnxRuntimeEngine implements Engine {
    private final OrtEnvironment environment = OrtEnvironment.getEnvironment();
    private final PaddedTokenizer tokenizer;
    private final OrtSession session;

    /**
     * @param folder a model that Nightjar saved
     * @param threads that an operation may use
     */
    OnnxRuntimeEngine(Path folder, int threads) throws IOException {
        tokenizer = new PaddedTokenizer(folder);
        try (OrtSession.SessionOptions options = new OrtSession.SessionOptions()) {
            options.setOptimizationLevel(OrtSession.SessionOptions.OptLevel.ALL_OPT);
            options.setIntraOpNumThreads(threads);
            options.setInterOpNumThreads(1);
            session = environment.createSession(OnnxHeads.model(folder), options);
        } catch (OrtException e) {
            throw new IOException("ONNX Runtime refuses " + folder, e);
        }
    }

    @Override
    public float[][] classify(List<String> texts) {
        Encoding[] encodings = tokenizer.encode(texts);
        try (OnnxTensor ids = tensor(encodings, Encoding::getIds);
                OnnxTensor mask = tensor(encodings, Encoding::getAttentionMask);
                OnnxTensor types = tensor(encodings, Encoding::getTypeIds);
                OrtSession.Result result = session.run(
                        Map.of("input_ids", ids, "attention_mask", mask, "token_type_ids", types),
                        Set.of(OnnxHeads.PROBABILITIES))) {
            return (float[][]) result.get(0).getValue();
        } catch (OrtException e) {
            throw new IllegalStateException("ONNX Runtime failed", e);
        }
    }

    private OnnxTensor tensor(Encoding[] encodings, Function<Encoding, long[]> property) throws OrtException {
        return OnnxTensor.createTensor(environment, PaddedTokenizer.flat(encodings, property),
                new long[]{encodings.length, encodings[0].getIds().length});
    }

    @Override
    public void close() {
        try {
            session.close();
        } catch (OrtException e) {
            throw new IllegalStateException("ONNX Runtime failed", e);
        } finally {
            tokenizer.close();
        }
    }
}
