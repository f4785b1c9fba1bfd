/**
 * The command line and the demo, as a named module so that the compiler holds them to what Nightjar exports. They run
 * from the class path, where weights and native libraries are found whatever jar they come in.
 */
module dev.nightjar.examples {
    requires HdrHistogram;
    requires dev.nightjar;
    requires info.picocli;
    requires io.aeron.client;
    requires io.aeron.driver;
    requires jdk.management;
    requires me.tongfei.progressbar;
    requires micrometer.core;
    requires org.agrona;
    requires tools.jackson.databind;

    opens dev.nightjar.examples to info.picocli;
}
