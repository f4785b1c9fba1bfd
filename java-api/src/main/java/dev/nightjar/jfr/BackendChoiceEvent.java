package dev.nightjar.jfr;

import jdk.jfr.Category;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

@Name("dev.nightjar.BackendChoice")
@Label("Backend Choice")
@Category("Nightjar")
@Description("Opening the backend of a model")
@StackTrace(false)
public final class BackendChoiceEvent extends Event {
    @Label("Requested")
    public String requested;

    @Label("Chosen")
    public String chosen;

    @Label("Type")
    @Description("What inference computes in")
    public String type;

    @Label("Refused")
    @Description("Why faster backends were not chosen")
    public String refused;
}
