package dev.nightjar.train;

import dev.nightjar.backend.Ops;
import dev.nightjar.backend.reference.GradientCheck;
import dev.nightjar.backend.reference.ReferenceBackend;
import dev.nightjar.loss.ConstantWeighting;
import dev.nightjar.model.DistilBert;
import dev.nightjar.model.DistilBertConfig;
import dev.nightjar.model.DropoutPlan;
import dev.nightjar.model.ParameterLayout;
import dev.nightjar.model.ParameterLayout.Entry;
import dev.nightjar.model.Parameters;
import dev.nightjar.optim.AdamW;
import dev.nightjar.optim.ParameterGroups;
import dev.nightjar.tensor.Tensor;
import dev.nightjar.train.TokenizedRows.Row;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import java.util.function.DoubleSupplier;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** The backward pass of the whole model on the reference, all dropouts active, against central differences of its loss. */
class ModelGradientTest {
    private static final DistilBertConfig CONFIG = new DistilBertConfig(20, 12, 8, 2, 2, 12, false, -1,
            List.of("down", "up", "flat"), List.of("mood", "risk"), 0.2f, 0.2f, 0.3f, 0.02f);
    private static final long SEED = 5;
    private static final int STEP = 4;
    private static final int LARGEST = 5;
    private static final int OTHERS = 5;

    @Test
    void everyParameter() {
        Random random = new Random(3);
        TokenizedRows rows = new TokenizedRows(List.of(
                new Row(random.ints(6, 0, 20).toArray(), 7, 0, new float[]{0.5f, -1}),
                new Row(random.ints(1, 0, 20).toArray(), 2, 2, new float[]{Float.NaN, 1}),
                new Row(random.ints(11, 0, 20).toArray(), 9, -1, new float[]{-0.5f, Float.NaN})));
        List<int[]> batch = List.of(new int[]{0, 1, 2});
        ParameterLayout layout = new ParameterLayout(CONFIG);
        try (ReferenceBackend backend = new ReferenceBackend();
                Parameters parameters = randomParameters(backend, layout, random);
                DistilBert model = new DistilBert(CONFIG, parameters, false);
                Ops ops = backend.newOps(1);
                AdamW optimizer = new AdamW(GoldenModel.OPTIMIZER, ParameterGroups.of(CONFIG, layout, 1, -1),
                        parameters);
                BatchBuffers buffers = new BatchBuffers(backend, ops, CONFIG,
                        new BatchBuffers.Capacity(18, 3, 1, true));
                TrainingStep step = new TrainingStep(model, layout, ops, optimizer,
                        new ConstantWeighting(0.6f, 0.4f, true), buffers, new TrainingStep.Settings(SEED, -1))) {
            step.accumulate(rows, batch, STEP);
            DoubleSupplier loss = () -> loss(model, ops, buffers, rows);
            for (Entry entry : layout.entries()) {
                Tensor gradient = step.gradients().get(entry.name());
                GradientCheck.assertGradient(entry.name(), loss, parameters.get(entry.name()), gradient,
                        largestAndOthers(gradient, random));
            }
        }
    }

    private static Parameters randomParameters(ReferenceBackend backend, ParameterLayout layout, Random random) {
        Parameters parameters = new Parameters(backend, layout);
        for (Entry entry : layout.entries()) {
            Tensor tensor = parameters.get(entry.name());
            double mean = entry.kind() == ParameterLayout.Kind.NORM_WEIGHT ? 1 : 0;
            for (int i = 0; i < entry.length(); i++) {
                tensor.set(i, (float) (mean + 0.4 * random.nextGaussian()));
            }
        }
        return parameters;
    }

    private static int[] largestAndOthers(Tensor gradient, Random random) {
        int elements = (int) gradient.elements();
        Stream<Integer> largest = IntStream.range(0, elements).boxed()
                .sorted(Comparator.comparingDouble(i -> -Math.abs(gradient.get(i)))).limit(LARGEST);
        return IntStream.concat(largest.mapToInt(i -> i), random.ints(OTHERS, 0, elements)).distinct().toArray();
    }

    /** The weighted loss in float64 from what the forward pass gives, as the formula in {@code Ops.multiTaskLoss} has it. */
    private static double loss(DistilBert model, Ops ops, BatchBuffers buffers, TokenizedRows rows) {
        model.forward(ops, buffers.packed(), buffers.activations(), new DropoutPlan(CONFIG, SEED, buffers.step()));
        double crossEntropy = 0;
        double squaredError = 0;
        for (int b = 0; b < rows.size(); b++) {
            Row row = rows.get(b);
            if (row.label() >= 0) {
                crossEntropy += crossEntropy(buffers.activations().logits(), b, row.label()) / 2;
            }
            double squares = 0;
            int known = 0;
            for (int k = 0; k < 2; k++) {
                if (!Float.isNaN(row.scores()[k])) {
                    squares += Math.pow(buffers.activations().scores().get(2L * b + k) - (double) row.scores()[k], 2);
                    known++;
                }
            }
            squaredError += squares / known / rows.size();
        }
        return 0.6 * crossEntropy + 0.4 * squaredError;
    }

    private static double crossEntropy(Tensor logits, int row, int label) {
        double sum = IntStream.range(0, 3).mapToDouble(c -> Math.exp(logits.get(3L * row + c))).sum();
        return Math.log(sum) - logits.get(3L * row + label);
    }
}
