package dev.nightjar.study;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.nightjar.FormatException;
import dev.nightjar.study.DegenerateDesignException.Defect;
import dev.nightjar.study.Observation.Hyperparameters;
import dev.nightjar.study.PaperFinding.Replication;
import dev.nightjar.study.Recommendation.Setting;
import dev.nightjar.study.StudyRun.Status;
import dev.nightjar.study.VariabilityAnalysis.Analysis;
import dev.nightjar.study.VariabilityAnalysis.Fit;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

class VariabilityAnalysisTest {
    private static final ObservationTable COLUMNS = new ObservationTable("learning_rate", "batch_size", "epochs",
            Optional.of("seed"), GoldenRuns.RESPONSES);

    @TempDir
    private Path folder;

    @Test
    void theRegressionsOfACsvAreThoseOfStatsmodels() throws IOException {
        VariabilityAnalysis analysis = golden();
        JsonNode fits = GoldenRuns.json("/golden/regression/expected_ols.json").get("fits");
        for (int i = 0; i < 6; i++) {
            JsonNode expected = fits.get(i);
            Fit fit = analysis.fits().get(i);
            assertThat(fit.analysis().name()).isEqualToIgnoringCase(expected.get("analysis").asString());
            assertThat(fit.response()).isEqualTo(expected.get("response").asString());
            for (int term = 0; term < 10; term++) {
                Estimate coefficient = fit.regression().coefficients(StandardErrors.HC3).get(term);
                JsonNode row = expected.get("terms").get(term);
                assertThat(coefficient.value() / row.get("coef").asDouble()).isCloseTo(1, Offset.offset(1e-8));
                assertThat(coefficient.standardError() / row.get("hc3_se").asDouble()).isCloseTo(1,
                        Offset.offset(1e-8));
            }
            assertThat(fit.regression().clusters()).isEqualTo(2);
        }
    }

    @Test
    void recentringChangesInterceptAndLinearTermsAlone() throws IOException {
        VariabilityAnalysis analysis = golden();
        for (String response : GoldenRuns.RESPONSES) {
            PolynomialRegression absolute = analysis.fit(response, Analysis.ABSOLUTE).regression();
            PolynomialRegression relative = analysis.fit(response, Analysis.RELATIVE).regression();
            assertThat(relative.r2()).isCloseTo(absolute.r2(), Offset.offset(1e-12));
            assertThat(relative.overall().statistic() / absolute.overall().statistic()).isCloseTo(1,
                    Offset.offset(1e-9));
            for (String term : absolute.termNames()) {
                Estimate before = absolute.coefficient(term, StandardErrors.CLASSICAL);
                Estimate after = relative.coefficient(term, StandardErrors.CLASSICAL);
                if (term.contains("^") || term.contains("*")) {
                    assertThat(after.value() / before.value()).as(term).isCloseTo(1, Offset.offset(1e-7));
                    assertThat(after.p() / before.p()).as(term).isCloseTo(1, Offset.offset(1e-7));
                } else {
                    assertThat(Math.abs(after.p() / before.p() - 1)).as(term).isGreaterThan(1e-3);
                }
            }
            double[] origin = analysis.baseline().point();
            double[] point = {-4, 20, 4};
            double[] moved = {point[0] - origin[0], point[1] - origin[1], point[2] - origin[2]};
            for (String predictor : VariabilityAnalysis.PREDICTORS) {
                Estimate before = absolute.partialEffect(predictor, point, StandardErrors.HC3);
                Estimate after = relative.partialEffect(predictor, moved, StandardErrors.HC3);
                assertThat(after.value() / before.value()).isCloseTo(1, Offset.offset(1e-8));
                assertThat(after.standardError() / before.standardError()).isCloseTo(1, Offset.offset(1e-8));
                assertThat(relative.jointTest(predictor).statistic() / absolute.jointTest(predictor).statistic())
                        .isCloseTo(1, Offset.offset(1e-8));
            }
        }
    }

    @Test
    void codedUnitsKeepTheFitAndTheTestsOfSquares() throws IOException {
        VariabilityAnalysis analysis = golden();
        PolynomialRegression coded = analysis.coded("f1");
        PolynomialRegression raw = analysis.fit("f1", Analysis.ABSOLUTE).regression();
        assertThat(coded.r2()).isCloseTo(raw.r2(), Offset.offset(1e-10));
        assertThat(coded.conditionNumber()).isLessThan(20);
        Estimate square = coded.coefficient("epochs^2", StandardErrors.HC3);
        assertThat(square.t()).isCloseTo(raw.coefficient("epochs^2", StandardErrors.HC3).t(), Offset.offset(1e-7));
        // Epochs run from 1 to 5, half of which is 2.
        assertThat(square.value()).isCloseTo(4 * raw.coefficient("epochs^2", StandardErrors.HC3).value(),
                Offset.offset(1e-9));
    }

    @Test
    void theOrderOfTheRunsDoesNotMatter() throws IOException {
        List<Observation> shuffled = new ArrayList<>(COLUMNS.parse("runs.csv", GoldenRuns.csv()));
        Collections.shuffle(shuffled, new Random(3));
        VariabilityAnalysis other = VariabilityAnalysis.of(shuffled, GoldenRuns.RESPONSES,
                Hyperparameters.PAPER_BASELINE);
        VariabilityAnalysis analysis = golden();
        assertThat(other.observations()).isEqualTo(analysis.observations());
        for (String response : GoldenRuns.RESPONSES) {
            assertThat(other.fit(response, Analysis.RELATIVE).regression().coefficients(StandardErrors.CLUSTERED))
                    .isEqualTo(analysis.fit(response, Analysis.RELATIVE).regression()
                            .coefficients(StandardErrors.CLUSTERED));
        }
        assertThat(other.recommend("loss", 5)).isEqualTo(analysis.recommend("loss", 5));
    }

    @Test
    void correctionsCoverAllResponsesOfAnAnalysis() throws IOException {
        VariabilityAnalysis analysis = golden();
        List<Fit> absolute = analysis.fits().subList(0, 3);
        double[] p = absolute.stream()
                .flatMap(fit -> fit.regression().coefficients(StandardErrors.CLASSICAL).stream().skip(1))
                .mapToDouble(Estimate::p).toArray();
        assertThat(p).hasSize(27);
        assertThat(absolute.stream().flatMap(fit -> fit.holm().stream()).mapToDouble(d -> d))
                .containsExactly(Arrays.stream(MultipleTesting.holm(p)).boxed().toArray(Double[]::new));
        assertThat(absolute.get(2).benjaminiHochberg().get(8)).isEqualTo(MultipleTesting.benjaminiHochberg(p)[26]);
    }

    @Test
    void findingsAreAskedOfTheAnalysisThePaperUsed() throws IOException {
        VariabilityAnalysis analysis = golden();
        List<Replication> replications = analysis.replications();
        assertThat(replications).extracting(r -> r.finding().p()).containsExactly(0.027, 0.028, 0.005, 0.170, 0.001);
        // Figures of expected_ols.json.
        assertThat(replications.get(1).coefficient().p()).isCloseTo(0.0212027919131286, Offset.offset(1e-9));
        assertThat(replications.get(1).coefficientAgrees()).isTrue();
        assertThat(replications.get(2).coefficient().p()).isCloseTo(0.07543782563535874, Offset.offset(1e-9));
        assertThat(replications.get(2).coefficientAgrees()).isFalse();
        assertThat(replications.get(4).averageEffect()).isEmpty();
        assertThat(replications.get(4).effectAgrees()).isTrue();
        Estimate relative = analysis.fit("loss", Analysis.RELATIVE).regression()
                .coefficient(VariabilityAnalysis.LEARNING_RATE, StandardErrors.CLASSICAL);
        assertThat(replications.get(0).coefficient()).isEqualTo(relative);
    }

    @Test
    void anEffectAgainstThePapersDirectionDoesNotAgree() {
        PaperFinding finding = PaperFinding.ALL.get(0);
        assertThat(new Replication(finding, Estimate.of(-1, 0.1, 50), Optional.empty(), Optional.empty())
                .coefficientAgrees()).isTrue();
        assertThat(new Replication(finding, Estimate.of(1, 0.1, 50), Optional.empty(), Optional.empty())
                .coefficientAgrees()).isFalse();
    }

    @Test
    void theRecommendationFindsAKnownOptimumAndItsRegionGrowsWithNoise() {
        Recommendation sharp = surface(0.001).recommend("accuracy", 1);
        assertThat(sharp.best().learningRate()).isCloseTo(1e-4, Offset.offset(1e-10));
        assertThat(sharp.best().batchSize()).isEqualTo(32);
        assertThat(sharp.best().epochs()).isEqualTo(3);
        assertThat(sharp.atEdge()).isFalse();
        assertThat(sharp.expectation().value()).isCloseTo(0.9, Offset.offset(0.002));
        assertThat(sharp.settings()).hasSize(Recommendation.LEARNING_RATES * 4 * 4);
        assertThat(sharp.settings().stream().mapToDouble(Setting::winShare).sum()).isCloseTo(1, Offset.offset(1e-9));
        Recommendation noisy = surface(0.1).recommend("accuracy", 1);
        assertThat(noisy.region().size()).isGreaterThan(2 * sharp.region().size());
        assertThat(noisy.regionWinShare()).isGreaterThan(0.8);
        assertThat(surface(0.1).recommend("accuracy", 1)).isEqualTo(noisy);
        assertThat(surface(0.1).recommend("accuracy", 2)).isNotEqualTo(noisy);
    }

    /** Best at 1e-4, 32, 3. */
    private static VariabilityAnalysis surface(double noise) {
        Random random = new Random(4);
        List<Observation> observations = new ArrayList<>();
        for (double learningRate : new double[]{1e-5, 1e-4, 1e-3}) {
            for (double batchSize : new double[]{8, 16, 32, 64}) {
                for (double epochs : new double[]{1, 2, 3, 5}) {
                    double distance = Math.pow(Math.log10(learningRate) + 4, 2) + Math.pow((batchSize - 32) / 32, 2)
                            + Math.pow(epochs - 3, 2) / 4;
                    observations.add(new Observation(new Hyperparameters(learningRate, batchSize, epochs), "",
                            Map.of("accuracy", 0.9 - 0.1 * distance + noise * random.nextGaussian())));
                }
            }
        }
        return VariabilityAnalysis.of(observations, List.of("accuracy"), new Hyperparameters(1e-5, 32, 3));
    }

    @Test
    void runsThatDivergedAreLeftOut() {
        Map<String, String> configuration = Map.of("learning_rate", "0.00002", "batch_size", "16", "epochs", "3");
        StudyRun completed = new StudyRun(configuration, 7, Status.COMPLETED, "", 10, Map.of("accuracy", 0.5),
                Map.of(), Map.of(), Map.of());
        StudyRun diverged = new StudyRun(configuration, 8, Status.DIVERGED, "loss", 3, Map.of(), Map.of(), Map.of(),
                Map.of());
        assertThat(Observation.of(List.of(completed, diverged))).containsExactly(
                new Observation(new Hyperparameters(2e-5, 16, 3), "7", Map.of("accuracy", 0.5)));
    }

    @Test
    void anUnknownResponseLeavesItsRunOut() throws IOException {
        String csv = GoldenRuns.csv();
        String accuracy = csv.lines().skip(1).findFirst().orElseThrow().split(",", -1)[4];
        List<Observation> observations = COLUMNS.parse("runs.csv", csv.replaceFirst("," + accuracy, ","));
        VariabilityAnalysis analysis = VariabilityAnalysis.of(observations, GoldenRuns.RESPONSES,
                Hyperparameters.PAPER_BASELINE);
        assertThat(analysis.fit("accuracy", Analysis.ABSOLUTE).regression().runs()).isEqualTo(127);
        assertThat(analysis.fit("loss", Analysis.ABSOLUTE).regression().runs()).isEqualTo(128);
    }

    @Test
    void aMissingBaselineIsRefusedByName() throws IOException {
        List<Observation> observations = COLUMNS.parse("runs.csv", GoldenRuns.csv());
        assertThatThrownBy(() -> VariabilityAnalysis.of(observations, GoldenRuns.RESPONSES,
                new Hyperparameters(3e-5, 32, 3)))
                .isInstanceOfSatisfying(DegenerateDesignException.class,
                        e -> assertThat(e.defect()).isEqualTo(Defect.NO_BASELINE))
                .hasMessageContaining("accuracy: no run has the baseline's learning rate 3.0E-5");
    }

    @Test
    void aDegenerateDesignIsRefusedWithTheResponse() throws IOException {
        List<Observation> observations = COLUMNS.parse("runs.csv", GoldenRuns.csv()).stream()
                .filter(observation -> observation.hyperparameters().epochs() > 2).toList();
        assertThatThrownBy(
                () -> VariabilityAnalysis.of(observations, List.of("loss"), Hyperparameters.PAPER_BASELINE))
                .isInstanceOf(DegenerateDesignException.class).hasMessageContaining("loss: epochs takes 2 different");
    }

    @Test
    void faultsOfACsvAreNamedWithTheirLine() throws IOException {
        assertRefused("lr,batch_size\n", ":1: has no column \"learning_rate\" among [lr, batch_size]");
        String header = "learning_rate,batch_size,epochs,seed,accuracy,f1,loss\n";
        assertRefused(header + "1e-5,8,1,0,0.5,0.5\n", ":2: has 6 fields, the header has 7");
        assertRefused(header + "1e-5,8,1,0,0.5,0.5,0.5\n1e-5,8,one,0,1,1,1\n", ":3: epochs is \"one\"");
        assertRefused(header + "1e-5,8,1,0,0.5,NaN,0.5\n", ":2: f1 is \"NaN\", expected a finite number");
        assertRefused(header + "0,8,1,0,0.5,0.5,0.5\n", ":2: learning rate 0.0");
        Path latin = folder.resolve("latin.csv");
        Files.write(latin, new byte[]{'a', (byte) 0xe9, '\n'});
        assertThatThrownBy(() -> COLUMNS.read(latin)).isInstanceOf(FormatException.class)
                .hasMessageContaining("is not UTF-8");
    }

    private void assertRefused(String csv, String message) throws IOException {
        Path file = folder.resolve("runs.csv");
        Files.writeString(file, csv);
        assertThatThrownBy(() -> COLUMNS.read(file)).isInstanceOf(FormatException.class)
                .hasMessageContaining(file + message);
    }

    private static VariabilityAnalysis golden() throws IOException {
        return VariabilityAnalysis.of(COLUMNS.parse("runs.csv", GoldenRuns.csv()), GoldenRuns.RESPONSES,
                Hyperparameters.PAPER_BASELINE);
    }
}
