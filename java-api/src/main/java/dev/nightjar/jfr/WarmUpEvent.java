package dev.nightjar.jfr;

import jdk.jfr.Category;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

@Name("dev.nightjar.WarmUp")
@Label("Warm-up")
@Category("Nightjar")
@Description("The forward passes of an inference session before its first prediction")
@StackTrace(false)
public final class WarmUpEvent extends Event {
    @Label("Forward Passes")
    public int passes;
}
