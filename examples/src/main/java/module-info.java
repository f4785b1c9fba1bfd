/**
 * The command line and the demo, as a named module so that the compiler holds them to what Nightjar exports. They run from the class
 * path, where weights and native libraries are found whatever jar they come in.
 */
module dev.nightjar.examples {
    requires dev.nightjar;
    requires info.picocli;
    requires jdk.management;
    requires me.tongfei.progressbar;
    requires tools.jackson.databind;

    opens dev.nightjar.examples to info.picocli;
}
