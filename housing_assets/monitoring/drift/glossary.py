"""The statistics of the drift report in words: what each is called, what it is, and what it means over its limit."""

from typing import NamedTuple


class Statistic(NamedTuple):
    """A statistic in words.

    Attributes
    ----------
    title : str
        As a sentence names its effect.
    explanation : str
    alarm : str
        What it means when a column is over the limit; empty where there is none.
    """

    title: str
    explanation: str
    alarm: str = ""


GLOSSARY = {
    "psi": Statistic(
        "PSI",
        "Population stability index: how differently the rows are spread over the same bins. 0 means not at all.",
        "The distribution has changed.",
    ),
    "ks": Statistic(
        "Kolmogorov-Smirnov D",
        "The largest gap between the two cumulative distributions, from 0 to 1.",
        "The numbers have shifted.",
    ),
    "wasserstein": Statistic(
        "Wasserstein distance", "How far values have moved on average, in interquartile ranges of the reference."
    ),
    "chi_square": Statistic(
        "Cramér's V",
        "How strongly a value depends on whether it is from the reference or from the window: "
        "0 means the same mix, 1 nothing in common.",
        "The mix of values has changed.",
    ),
    "kl": Statistic(
        "KL divergence",
        "Kullback-Leibler divergence of the predicted categories from those on the holdout, in nats.",
        "The model predicts a different mix of categories than on its holdout.",
    ),
    "mean_probability": Statistic("mean probability", "The largest change in a category's mean probability."),
    "missing": Statistic(
        "missing values ×",
        "By what factor the share of missing values has risen, or that of present ones fallen.",
        "More values are missing than before.",
    ),
    "unseen": Statistic(
        "unseen values, excess share",
        "Share of the rows with values that the reference never had, beyond what its rare values predict.",
        "There are values that the model has never seen.",
    ),
    "cardinality": Statistic(
        "distinct values ×",
        "Distinct values divided by the number expected in as many rows.",
        "There are more distinct values than this many rows should have.",
    ),
    "vanished": Statistic(
        "vanished values, share",
        "Rows of the reference in values that the window lacks, beyond what chance leaves out: 0 none, 1 all of them.",
        "Values that should be there do not occur.",
    ),
    "lag_days": Statistic(
        "ad age", "How much older the ads are than in the reference, in days from the ad's date to the request."
    ),
}
