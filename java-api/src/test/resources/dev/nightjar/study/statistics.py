"""Writes statistics.json beside this file: figures of statsmodels and scipy that the statistics of studies are tested against.

    python statistics.py          needs numpy, pandas, scipy, statsmodels

The runs are those of golden/regression/runs.csv; the paired values come from a fixed seed.
"""
import json
import math
import pathlib

import numpy as np
import pandas as pd
import scipy.stats
import statsmodels.api as sm
from statsmodels.stats.diagnostic import het_breuschpagan
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.stattools import jarque_bera

HERE = pathlib.Path(__file__).parent
RUNS = pd.read_csv(HERE / "../../../golden/regression/runs.csv")
POINT = {"log10_lr": math.log10(2e-5), "batch": 16.0, "epochs": 2.0}
OTHER = {"log10_lr": math.log10(2e-4), "batch": 64.0, "epochs": 5.0}


def expand(x):
    names = list(x)
    columns = {"const": np.ones_like(x[names[0]])} | {n: x[n] for n in names} | {n + "^2": x[n] ** 2 for n in names}
    for i, a in enumerate(names):
        for b in names[i + 1:]:
            columns[a + "*" + b] = x[a] * x[b]
    return pd.DataFrame(columns)


def gradient(point, predictor):
    """Of the terms with respect to a predictor, as central difference; exact for degree 2 but for rounding."""
    up, down = ({n: np.array([v + (s * 0.5 if n == predictor else 0)]) for n, v in point.items()} for s in (1, -1))
    return (expand(up) - expand(down)).to_numpy()[0]


def row(point):
    return expand({n: np.array([v]) for n, v in point.items()}).to_numpy()[0]


def t_test(fit, contrast):
    test = fit.t_test(contrast)
    return {"value": float(test.effect.item()), "se": float(test.sd.item()), "p": float(test.pvalue.item())}


def lack_of_fit(fit, y):
    groups = RUNS.groupby(["learning_rate", "batch_size", "epochs"])[y.name]
    pure = float(((y - groups.transform("mean")) ** 2).sum())
    within = len(y) - groups.ngroups
    between = fit.df_resid - within
    f = (fit.ssr - pure) / between / (pure / within)
    return {"statistic": f, "p": float(scipy.stats.f.sf(f, between, within))}


def regression(response):
    x = expand({"log10_lr": np.log10(RUNS.learning_rate.to_numpy()), "batch": RUNS.batch_size.to_numpy(float),
                "epochs": RUNS.epochs.to_numpy(float)})
    y = RUNS[response]
    fit = sm.OLS(y, x).fit()
    hc3 = fit.get_robustcov_results("HC3", use_t=True)
    configurations = RUNS.groupby(["learning_rate", "batch_size", "epochs"]).ngroup()
    jb, jb_p, skew, kurtosis = jarque_bera(fit.resid)
    bp, bp_p, _, _ = het_breuschpagan(fit.resid, fit.model.exog)
    influence = fit.get_influence()
    clustered = {}
    for name, groups in (("seed", RUNS.seed), ("configuration", configurations)):
        c = fit.get_robustcov_results("cluster", groups=np.asarray(groups), use_t=True)
        clustered[name] = [{"se": float(s), "p": float(p), "low": float(i[0]), "high": float(i[1])}
                           for s, p, i in zip(c.bse, c.pvalues, c.conf_int())]
    names = list(x.columns)
    joint = {}
    for predictor in POINT:
        terms = [i for i, n in enumerate(names) if predictor in n.replace("^2", "").split("*")]
        test = fit.f_test(np.eye(len(names))[terms])
        joint[predictor] = {"statistic": float(test.fvalue), "p": float(test.pvalue)}
    return {
        "response": response, "clustered": clustered, "joint": joint,
        "jarque_bera": {"statistic": jb, "p": jb_p}, "skewness": skew, "kurtosis": kurtosis,
        "breusch_pagan": {"statistic": bp, "p": bp_p}, "lack_of_fit": lack_of_fit(fit, y),
        "leverage": influence.hat_matrix_diag.tolist(), "cooks": influence.cooks_distance[0].tolist(),
        "partial_effects": {n: {"classical": t_test(fit, gradient(POINT, n)), "hc3": t_test(hc3, gradient(POINT, n))}
                            for n in POINT},
        "prediction": {"classical": t_test(fit, row(POINT)), "hc3": t_test(hc3, row(POINT))},
        "difference": {"classical": t_test(fit, row(POINT) - row(OTHER))},
    }


def paired(treatment, control):
    d = treatment - control
    n = len(d)
    test = scipy.stats.ttest_rel(treatment, control)
    interval = test.confidence_interval(0.95)
    m = n - 1
    factor = math.exp(math.lgamma(m / 2) - math.lgamma((m - 1) / 2)) / math.sqrt(m / 2)
    dz = d.mean() / d.std(ddof=1)
    # All 2^n assignments of signs; scipy's own "exact" refuses ties.
    ranked = d[d != 0]
    wilcoxon = scipy.stats.permutation_test(
        (ranked,), lambda x: scipy.stats.wilcoxon(x, alternative="greater", method="asymptotic").statistic,
        permutation_type="samples", n_resamples=np.inf)
    if len(set(abs(ranked))) == len(d):
        assert math.isclose(wilcoxon.pvalue, scipy.stats.wilcoxon(treatment, control, method="exact").pvalue)
    return {"treatment": treatment.tolist(), "control": control.tolist(), "difference": float(d.mean()),
            "se": float(d.std(ddof=1) / math.sqrt(n)), "t": float(test.statistic), "p": float(test.pvalue),
            "low": float(interval.low), "high": float(interval.high), "cohen_dz": float(dz),
            "hedges_gz": float(dz * factor), "wilcoxon_p": float(wilcoxon.pvalue)}


def main():
    random = np.random.default_rng(8)
    pairs = []
    for n in (3, 5, 10):
        control = random.normal(0.8, 0.02, n)
        pairs.append(paired(control + random.normal(0.01, 0.01, n), control))
    pairs.append(paired(np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), np.array([0.5, 2.0, 2.5, 4.5, 4.0, 4.0])))
    p = [0.001, 0.2, 0.013, 0.04, 0.04, 0.9, 0.008, 1.0, 0.0]
    figures = {
        "regressions": [regression(response) for response in ("accuracy", "f1", "loss")],
        "paired": pairs,
        "adjusted": {"p": p, "holm": multipletests(p, method="holm")[1].tolist(),
                     "benjamini_hochberg": multipletests(p, method="fdr_bh")[1].tolist()},
    }
    (HERE / "statistics.json").write_text(json.dumps(figures, indent=1, default=float) + "\n")


if __name__ == "__main__":
    main()
