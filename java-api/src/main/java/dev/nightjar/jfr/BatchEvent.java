package dev.nightjar.jfr;

import jdk.jfr.Category;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;
import jdk.jfr.Timespan;

@Name("dev.nightjar.Batch")
@Label("Batch")
@Category("Nightjar")
@Description("A batch of an inference pipeline, from the start of its forward pass to its last result delivered")
@StackTrace(false)
public final class BatchEvent extends Event {
    @Label("Texts")
    public int texts;

    @Label("Texts Run")
    @Description("Texts that the model ran; the others came from the cache or from a producer")
    public int textsRun;

    @Label("Closed By")
    public String closedBy;

    @Label("Queued")
    @Description("From the arrival of the oldest text to the start of the forward pass")
    @Timespan(Timespan.NANOSECONDS)
    public long queued;

    @Label("Forward Pass")
    @Timespan(Timespan.NANOSECONDS)
    public long forward;
}
