"""What figures are called on a page, for readers who do not know their names."""

from __future__ import annotations

_WORDS = {
    "marginal_1": "shares of values of single columns",
    "marginal_2": "shares of pairs of values",
    "marginal_3": "shares of triples of values",
    "worst_1": "the column that fits least",
    "collapse": "what the commonest value has gained; above 0.2 the column has collapsed",
    "not_collapsed": "share of categorical columns that have not collapsed",
    "missing": "shares of missing values",
    "dependence": "how much of the strongest relations is kept: 0 is what shuffled columns have",
    "difference_mean": "difference of means, in standard deviations of real rows",
    "difference_deviation": "difference of standard deviations, in standard deviations of real rows",
    "pearson": "linear correlation", "pearson_difference": "mean difference of linear correlations",
    "spearman": "correlation of ranks", "spearman_difference": "mean difference of correlations of ranks",
    "cramers_v": "Cramér's V of two categorical columns", "cramers_v_difference": "mean difference of Cramér's V",
    "correlation_ratio": "how much a category says of a number (eta)",
    "correlation_ratio_difference": "mean difference of correlation ratios",
    "gower_mean": "mean Gower distance of a row from held-out rows",
    "gower_nearest": "Gower distance of a row from the nearest held-out row",
    "kl_divergence": "Kullback-Leibler divergence from held-out rows",
    "voas_williamson": "Voas-Williamson statistic of cells, per degree of freedom",
    "collisions": "share of combinations of categories that held-out rows have too",
    "combinations_found": "share of held-out rows' combinations that are there too",
    "auc": "how well a model tells the rows from held-out ones: 0.5 is not at all",
    "detection": "SynthVAE's and SDMetrics' score of the same: 1 cannot be told apart",
    "pmse": "mean squared difference of propensities from one half",
    "pmse_ratio": "the same over what chance makes: 1 is as good as real rows",
    "propensity_importance": "by which columns the rows can be told",
    "pca_explained": "share of the variance along the main directions",
    "pca_centroid_distance": "distance of the centres along the main directions",
    "pca_covariance_difference": "difference of covariances along the main directions",
    "share": "share of the rows", "utility": "how much of what real rows teach beyond chance this table teaches",
    "standard error": "standard error of the task's figure, by resampled people",
    "hazard_ratio": "hazard ratio", "hazard_ratio overlap": "overlap of its interval with that of held-out rows",
    "concordance": "concordance of predicted and true order of events",
    "selection rate": "share of people who are predicted the event",
    "demographic_parity_difference": "demographic parity, difference of selection rates between groups",
    "demographic_parity_ratio": "demographic parity, ratio of selection rates",
    "equalized_odds_difference": "equalized odds, largest difference of error rates between groups",
    "equalized_odds_ratio": "equalized odds, smallest ratio of error rates",
    "copied rows": "real rows that one person alone has, found in the table",
    "copied rows by chance": "as many as chance would make",
    "rows at distance zero from train": "rows that are equal to a row of the fit",
    "exact copies": "share of rows equal to a row of the fit, less those equal to a held-out row",
    "copying check (DCR)": "share of rows nearer to the fit's rows than to held-out ones: a copying check, no proof of privacy",
    "attack success": "share of attacks on people of the fit that succeed",
    "control success": "share of the same attacks on held-out people that succeed",
    "naive success": "share of guesses without the table that succeed",
    "risk": "what attacks gain of people of the fit over people outside",
    "membership AUC": "how well membership in the fit can be told: 0.5 is not at all",
}  # fmt: skip


def words(metric: str) -> str:
    """Of a metric, in plain words; its own name where there are none."""
    return _WORDS.get(metric, metric.replace("_", " "))
