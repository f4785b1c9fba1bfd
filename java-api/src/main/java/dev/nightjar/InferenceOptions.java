package dev.nightjar;

import java.util.Objects;

/**
 * How a {@link SentimentModel} packs and runs texts.
 *
 * @param device where it runs
 * @param precision the type it computes in; one that the device does not offer is refused, never replaced
 * @param tokenBudget most tokens in one forward pass; at least the longest text. Memory per session grows with it: about
 *        6 dim + hidden elements a token, of 4 bytes in float32 and 2 in every other precision
 * @param sequenceBudget most texts in one forward pass
 * @param maxLength tokens after which a text is cut, special ones included; 0 for the model's maximum
 * @param refuseLong whether a longer text is refused instead of cut
 * @param sessions most forward passes at the same time; further callers wait for one to end
 */
public record InferenceOptions(Device device, Precision precision, int tokenBudget, int sequenceBudget, int maxLength,
        boolean refuseLong, int sessions) {
    public InferenceOptions {
        Objects.requireNonNull(device, "device");
        Objects.requireNonNull(precision, "precision");
        if (tokenBudget < 2 || sequenceBudget < 1 || sessions < 1) {
            throw new IllegalArgumentException(
                    "budgets of " + tokenBudget + " tokens and " + sequenceBudget + " sequences in "
                            + sessions + " sessions");
        }
        if (maxLength != 0 && maxLength < 2) {
            throw new IllegalArgumentException("maxLength " + maxLength + " leaves no room for [CLS] and [SEP]");
        }
    }

    /**
     * Automatic device, float32, 2048 tokens and 256 texts a pass, long texts cut at the model's maximum, a session per
     * processor.
     */
    public static InferenceOptions defaults() {
        return new InferenceOptions(Device.auto(), Precision.FLOAT32, 2048, 256, 0, false,
                Runtime.getRuntime().availableProcessors());
    }

    public InferenceOptions withDevice(Device newDevice) {
        return new InferenceOptions(newDevice, precision, tokenBudget, sequenceBudget, maxLength, refuseLong, sessions);
    }

    public InferenceOptions withPrecision(Precision newPrecision) {
        return new InferenceOptions(device, newPrecision, tokenBudget, sequenceBudget, maxLength, refuseLong, sessions);
    }

    public InferenceOptions withTokenBudget(int newTokenBudget) {
        return new InferenceOptions(device, precision, newTokenBudget, sequenceBudget, maxLength, refuseLong, sessions);
    }

    public InferenceOptions withMaxLength(int newMaxLength) {
        return new InferenceOptions(device, precision, tokenBudget, sequenceBudget, newMaxLength, refuseLong, sessions);
    }

    public InferenceOptions withRefuseLong(boolean refuse) {
        return new InferenceOptions(device, precision, tokenBudget, sequenceBudget, maxLength, refuse, sessions);
    }

    public InferenceOptions withSessions(int newSessions) {
        return new InferenceOptions(device, precision, tokenBudget, sequenceBudget, maxLength, refuseLong, newSessions);
    }
}
