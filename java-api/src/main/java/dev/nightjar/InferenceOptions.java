package dev.nightjar;

/**
 * How a {@link SentimentModel} packs and runs texts.
 *
 * @param device where it runs
 * @param tokenBudget most tokens in one forward pass; at least the longest text. Memory per session grows with it: about
 *        4 * (6 dim + hidden) bytes a token
 * @param sequenceBudget most texts in one forward pass
 * @param maxLength tokens after which a text is cut, special ones included; 0 for the model's maximum
 * @param refuseLong whether a longer text is refused instead of cut
 * @param sessions most forward passes at the same time; further callers wait for one to end
 */
public record InferenceOptions(Device device, int tokenBudget, int sequenceBudget, int maxLength, boolean refuseLong,
        int sessions) {
    public InferenceOptions {
        if (tokenBudget < 2 || sequenceBudget < 1 || sessions < 1) {
            throw new IllegalArgumentException(
                    "budgets of " + tokenBudget + " tokens and " + sequenceBudget + " sequences in "
                            + sessions + " sessions");
        }
        if (maxLength != 0 && maxLength < 2) {
            throw new IllegalArgumentException("maxLength " + maxLength + " leaves no room for [CLS] and [SEP]");
        }
    }

    /** Automatic device, 2048 tokens and 256 texts a pass, long texts cut at the model's maximum, a session per processor. */
    public static InferenceOptions defaults() {
        return new InferenceOptions(Device.auto(), 2048, 256, 0, false, Runtime.getRuntime().availableProcessors());
    }

    public InferenceOptions withDevice(Device newDevice) {
        return new InferenceOptions(newDevice, tokenBudget, sequenceBudget, maxLength, refuseLong, sessions);
    }

    public InferenceOptions withTokenBudget(int newTokenBudget) {
        return new InferenceOptions(device, newTokenBudget, sequenceBudget, maxLength, refuseLong, sessions);
    }

    public InferenceOptions withMaxLength(int newMaxLength) {
        return new InferenceOptions(device, tokenBudget, sequenceBudget, newMaxLength, refuseLong, sessions);
    }

    public InferenceOptions withRefuseLong(boolean refuse) {
        return new InferenceOptions(device, tokenBudget, sequenceBudget, maxLength, refuse, sessions);
    }

    public InferenceOptions withSessions(int newSessions) {
        return new InferenceOptions(device, tokenBudget, sequenceBudget, maxLength, refuseLong, newSessions);
    }
}
