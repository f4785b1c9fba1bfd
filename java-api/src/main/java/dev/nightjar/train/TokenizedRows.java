package dev.nightjar.train;

import dev.nightjar.io.Fingerprint;
import dev.nightjar.loss.TaskWeighting.Tasks;
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
        Fingerprint fingerprint = new Fingerprint();
        for (Row row : rows) {
            fingerprint.add(row.key()).add(row.label()).add(row.ids().length).add(row.scores().length);
            for (int id : row.ids()) {
                fingerprint.add(id);
            }
            for (float score : row.scores()) {
                fingerprint.add(score);
            }
        }
        return fingerprint.hex();
    }
}
