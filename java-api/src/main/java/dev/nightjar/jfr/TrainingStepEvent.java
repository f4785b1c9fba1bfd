package dev.nightjar.jfr;

import jdk.jfr.Category;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

@Name("dev.nightjar.TrainingStep")
@Label("Training Step")
@Category("Nightjar")
@Description("An optimizer step, with what follows it: evaluation and checkpoint")
@StackTrace(false)
public final class TrainingStepEvent extends Event {
    @Label("Step")
    @Description("Counted from 1")
    public int step;

    @Label("Rows")
    public int rows;

    @Label("Learning Rate")
    public double learningRate;
}
