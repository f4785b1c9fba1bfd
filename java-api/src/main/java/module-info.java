/** Embedded fine-tuning and inference of DistilBERT for sentiment: a class and a score. */
module dev.nightjar {
    requires ai.djl.api;
    requires ai.djl.tokenizers;
    requires com.lmax.disruptor;
    requires hipparchus.core;
    requires hipparchus.stat;
    requires java.management;
    requires jdk.jfr;
    requires tools.jackson.databind;

    exports dev.nightjar;
    exports dev.nightjar.pipeline;
    exports dev.nightjar.study;
}
