package dev.nightjar.train;

import dev.nightjar.loss.TaskWeighting.Tasks;
import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;

/**
 * The rows of a data set as a model takes them. Immutable as long as nobody writes the rows' arrays.
 *
 * @param rows in the data set's order
 */
public record TokenizedRows(List<Row> rows) {
    /**
     * One text with at least one target.
     *
     * @param ids token ids, special tokens included
     * @param key number of the row in the data set, which dropout knows it by
     * @param label class, -1 where unknown
     * @param scores one for each regression target of the model, NaN where unknown
     */
    public record Row(int[] ids, int key, int label, float[] scores) {
        boolean scored() {
            for (float score : scores) {
                if (!Float.isNaN(score)) {
                    return true;
                }
            }
            return false;
        }
    }

    public TokenizedRows {
        rows = List.copyOf(rows);
    }

    public int size() {
        return rows.size();
    }

    public Row get(int index) {
        return rows.get(index);
    }

    /** Tokens of the longest row. */
    public int longest() {
        return mostTokens(1);
    }

    /** Most tokens that any batch of so many rows can have. */
    public int mostTokens(int batchSize) {
        return rows.stream().map(row -> row.ids().length).sorted((a, b) -> b - a).limit(batchSize)
                .reduce(0, Math::addExact);
    }

    /** Which tasks have a target among these rows. */
    Tasks tasks(int[] indexes) {
        boolean classification = false;
        boolean regression = false;
        for (int index : indexes) {
            classification |= rows.get(index).label() >= 0;
            regression |= rows.get(index).scored();
        }
        return new Tasks(classification, regression);
    }

    /** SHA-256 of everything in the rows. */
    public String fingerprint() {
        MessageDigest digest;
        try {
            digest = MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
        for (Row row : rows) {
            ByteBuffer bytes = ByteBuffer.allocate(4 * (4 + row.ids().length + row.scores().length));
            bytes.putInt(row.key()).putInt(row.label()).putInt(row.ids().length).putInt(row.scores().length);
            for (int id : row.ids()) {
                bytes.putInt(id);
            }
            for (float score : row.scores()) {
                bytes.putFloat(score);
            }
            digest.update(bytes.array());
        }
        return HexFormat.of().formatHex(digest.digest());
    }
}
