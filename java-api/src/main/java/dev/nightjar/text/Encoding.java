package dev.nightjar.text;

/**
 * A text as the model takes it.
 *
 * @param ids token ids with the special tokens around them; owned by the caller
 * @param truncated whether the end of the text was left out
 */
public record Encoding(int[] ids, boolean truncated) {
}
