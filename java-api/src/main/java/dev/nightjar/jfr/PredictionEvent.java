package dev.nightjar.jfr;

import jdk.jfr.Category;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

@Name("dev.nightjar.Prediction")
@Label("Prediction")
@Category("Nightjar")
@Description("A forward pass of an inference session")
@StackTrace(false)
public final class PredictionEvent extends Event {
    @Label("Sequences")
    public int sequences;

    @Label("Tokens")
    public int tokens;
}
