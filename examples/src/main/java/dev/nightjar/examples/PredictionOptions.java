package dev.nightjar.examples;

import dev.nightjar.InferenceOptions;
import dev.nightjar.Precision;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** How to compute predictions, and where. */
final class PredictionOptions {
    @Option(names = "--max-length", paramLabel = "TOKENS", converter = DeviceOptions.PositiveConverter.class,
            description = "Cut texts after so many tokens (default: the model's positions).")
    private Integer maxLength;

    @Option(names = "--precision", defaultValue = "float32", paramLabel = "TYPE",
            description = "${COMPLETION-CANDIDATES}; what a device offers, doctor says (default: ${DEFAULT-VALUE}).")
    private Precision precision;

    @Mixin
    private DeviceOptions device;

    /** For one caller. */
    InferenceOptions options() {
        return InferenceOptions.defaults().withDevice(device.device()).withPrecision(precision).withSessions(1)
                .withMaxLength(maxLength == null ? 0 : maxLength);
    }
}
