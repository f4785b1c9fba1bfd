"""Writes metrics.json beside this file: predictions, and what scikit-learn and SciPy say about them.

Needs numpy, scikit-learn and scipy; run by hand when cases are added.
"""
import json
import pathlib

import numpy as np
from scipy import stats
from sklearn import metrics


def calibration_error(labels, probabilities, bins=15):
    """Guo et al. 2017, equation 5, with bins ((m - 1) / M, m / M]."""
    confidence, hit = probabilities.max(1), probabilities.argmax(1) == labels
    error, edges = 0.0, np.linspace(0, 1, bins + 1)
    for low, high in zip(edges[:-1], edges[1:]):
        inside = (confidence > low) & (confidence <= high)
        if inside.any():
            error += inside.mean() * abs(hit[inside].mean() - confidence[inside].mean())
    return error


def classification(labels, probabilities):
    known = labels >= 0
    y, p = labels[known], probabilities[known].astype(np.float64)
    classes = list(range(p.shape[1]))
    predicted = p.argmax(1)
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        y, predicted, labels=classes, zero_division=0)
    return {
        "labels": labels.tolist(), "probabilities": probabilities.tolist(), "rows": int(known.sum()),
        "log_loss": float(-np.log(p[np.arange(len(y)), y]).mean()),
        "accuracy": metrics.accuracy_score(y, predicted),
        "matthews": metrics.matthews_corrcoef(y, predicted),
        "calibration_error": calibration_error(y, p),
        "precision": precision.tolist(), "recall": recall.tolist(), "f1": f1.tolist(), "support": support.tolist(),
        "macro_f1": metrics.f1_score(y, predicted, labels=classes, average="macro", zero_division=0),
        "weighted_f1": metrics.f1_score(y, predicted, labels=classes, average="weighted", zero_division=0),
        "confusion": metrics.confusion_matrix(y, predicted, labels=classes).tolist(),
    }


def regression(expected, predicted):
    known = ~np.isnan(expected)
    x, y = expected[known].astype(np.float64), predicted[known].astype(np.float64)
    return {
        "expected": [None if np.isnan(v) else float(v) for v in expected], "predicted": predicted.tolist(),
        "rows": int(known.sum()),
        "mse": metrics.mean_squared_error(x, y), "mae": metrics.mean_absolute_error(x, y),
        "pearson": stats.pearsonr(x, y).statistic, "spearman": stats.spearmanr(x, y).statistic,
        "r2": metrics.r2_score(x, y),
    }


def main():
    rng = np.random.default_rng(7)
    cases = {"classification": {}, "regression": {}}
    for name, rows, classes, missing, sharp in [
            ("three classes, some labels missing", 97, 3, 0.2, 1.5), ("two classes", 17, 2, 0, 3),
            ("nine classes, some never met", 12, 9, 0, 1), ("one row", 1, 3, 0, 1)]:
        logits = sharp * rng.normal(size=(rows, classes))
        labels = np.where(rng.random(rows) < 0.5, logits.argmax(1), rng.integers(0, classes, rows))
        labels[rng.random(rows) < missing] = -1
        p = np.exp(logits)
        cases["classification"][name] = classification(labels, (p / p.sum(1, keepdims=True)).astype(np.float32))
    constant = np.zeros((20, 3), np.float32)
    constant[:, 1] = 1
    constant = (constant + 1e-3) / 1.003
    cases["classification"]["always the same class"] = classification(rng.integers(0, 3, 20), constant.astype(np.float32))
    for name, rows, missing, ties in [("scores, some missing", 129, 0.3, False), ("many ties", 97, 0, True),
                                      ("two rows", 2, 0, False)]:
        x = rng.normal(size=rows)
        y = 0.6 * x + 0.5 * rng.normal(size=rows)
        if ties:
            x, y = np.round(x), np.round(2 * y) / 2
        x[rng.random(rows) < missing] = np.nan
        cases["regression"][name] = regression(x.astype(np.float32), y.astype(np.float32))
    path = pathlib.Path(__file__).with_name("metrics.json")
    path.write_text(json.dumps(cases, indent=None, allow_nan=False) + "\n")


if __name__ == "__main__":
    main()
