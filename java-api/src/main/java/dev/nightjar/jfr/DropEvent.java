package dev.nightjar.jfr;

import jdk.jfr.Category;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

@Name("dev.nightjar.Drop")
@Label("Drop")
@Category("Nightjar")
@Description("A text that an inference pipeline refused, or took and gave up")
@StackTrace(false)
public final class DropEvent extends Event {
    @Label("Text Id")
    public long id;

    @Label("Reason")
    public String reason;

    /** Records a drop, if drops are recorded. */
    public static void commit(long id, String reason) {
        DropEvent event = new DropEvent();
        if (event.isEnabled()) {
            event.id = id;
            event.reason = reason;
            event.commit();
        }
    }
}
