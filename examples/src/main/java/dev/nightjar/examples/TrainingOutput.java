package dev.nightjar.examples;

import dev.nightjar.EvaluationReport;
import dev.nightjar.MemoryPlan;
import dev.nightjar.StepReport;
import dev.nightjar.TrainingListener;
import dev.nightjar.TrainingResult;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.Locale;
import picocli.CommandLine;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/** Shows a training: progress and evaluations on standard error; for machines every event on standard output. */
final class TrainingOutput implements TrainingListener, AutoCloseable {
    private final PrintWriter out;
    private final PrintWriter err;
    private final boolean json;
    private Progress progress;

    TrainingOutput(CommandLine command, boolean json) {
        this(command.getOut(), command.getErr(), json);
    }

    TrainingOutput(PrintWriter out, PrintWriter err, boolean json) {
        this.out = out;
        this.err = err;
        this.json = json;
    }

    @Override
    public void onPlan(MemoryPlan plan) {
        err.println("memory: " + plan);
        err.flush();
        if (json) {
            print(event("plan").put("parameters", plan.parameters()).put("gradients", plan.gradients())
                    .put("moments", plan.moments()).put("best", plan.best()).put("activations", plan.activations())
                    .put("total", plan.total()));
        }
    }

    @Override
    public void onStep(StepReport step) {
        if (progress == null) {
            progress = new Progress("training", step.totalSteps(), err);
        }
        String lambdas = step.classificationWeight() > 0 && step.regressionWeight() > 0
                ? String.format(Locale.ROOT, "  lambda %.3f/%.3f", step.classificationWeight(), step.regressionWeight())
                : "";
        progress.update(step.step(),
                String.format(Locale.ROOT, "loss %.4f%s  %.1f rows/s", step.loss(), lambdas, step.rowsPerSecond()));
        if (json) {
            print(json(step));
        }
    }

    @Override
    public void onEvaluation(EvaluationReport report) {
        progress.line(String.format(Locale.ROOT, "epoch %d, step %d: %s%s", report.epoch(), report.step(),
                Metrics.line(report.evaluation()), report.best() ? "  (best)" : ""));
        if (json) {
            ObjectNode event = event("evaluation").put("step", report.step()).put("epoch", report.epoch())
                    .put("best", report.best());
            event.set("metrics", Metrics.json(report.evaluation()));
            print(event);
        }
    }

    @Override
    public void onCheckpoint(Path checkpoint) {
        if (json) {
            print(event("checkpoint").put("folder", checkpoint.toString()));
        }
    }

    /** Says that the training was interrupted and how to go on. */
    void stopped(TrainingResult result) {
        String message = "stopped after step " + result.steps() + "; go on with the same command and --resume";
        if (progress == null) {
            err.println(message);
            err.flush();
        } else {
            progress.line(message);
        }
    }

    /** Says where the trained model is. */
    void saved(TrainingResult result, Path folder) {
        close();
        if (json) {
            print(event("done").put("outcome", Json.name(result.outcome())).put("steps", result.steps())
                    .put("best_step", result.bestStep()).put("folder", folder.toString()));
        } else {
            out.println("wrote the model of step " + result.bestStep() + " to " + folder);
            out.flush();
        }
    }

    private static ObjectNode json(StepReport step) {
        ObjectNode event = event("step").put("step", step.step()).put("total_steps", step.totalSteps()).put("epoch",
                step.epoch());
        Json.put(event, "loss", step.loss());
        Json.put(event, "classification_loss", step.classificationLoss());
        Json.put(event, "regression_loss", step.regressionLoss());
        Json.put(event, "lambda_classification", step.classificationWeight());
        Json.put(event, "lambda_regression", step.regressionWeight());
        Json.put(event, "learning_rate", step.learningRate());
        Json.put(event, "gradient_norm", step.gradientNorm());
        Json.put(event, "rows_per_second", step.rowsPerSecond());
        return event;
    }

    private static ObjectNode event(String name) {
        return JsonNodeFactory.instance.objectNode().put("event", name);
    }

    private void print(ObjectNode event) {
        out.println(Json.line(event));
        out.flush();
    }

    @Override
    public void close() {
        if (progress != null) {
            progress.close();
            progress = null;
        }
    }
}
