"""Operating curves: how often the rules for rollback and for promotion are wrong, and how soon they are right.

``python -m benchmarks.decisions`` simulates them and prints tables; the rules are those that run, on drawn rows.
"""

import argparse
from collections.abc import Sequence

import numpy as np
from scipy.stats import binomtest

from housing_assets.monitoring.options import PerformanceConfig
from housing_assets.monitoring.performance.paired import always_valid_p
from housing_assets.training.parameters import PromotionRule
from housing_assets.training.promotion import Evidence, compare, decide

DAYS = 60
ACCURACY = 0.85
OTHERWISE = 0.10
"""Share of the rows that of two versions only one gets right, besides what one of them loses."""

CLIENT = 10
"""Ads of a client. Half of the clients are ones of which one version gets twice as much wrong as the other one."""

RULE, LIMITS = PromotionRule(), PerformanceConfig()


def draw_differences(generator: np.random.Generator, rows: int, loss: float, *, clustered: bool) -> np.ndarray:
    """Draw rows on which a version is so much less accurate than the one before it, in the order in which they came.

    Returns
    -------
    differences : ndarray of shape (rows / CLIENT, CLIENT), int
        By client: 1 where only the version before was right, -1 where only the newer one was, 0 elsewhere.
    """
    shape = rows // CLIENT, CLIENT
    leaning = generator.choice([-0.8, 0.0, 0.8], (shape[0], 1), p=[0.25, 0.5, 0.25]) if clustered else 0.0
    drawn = generator.random(shape)
    lost = drawn < OTHERWISE / 2 * (1 + leaning) + loss
    return lost.astype(int) - (~lost & (drawn > 1 - OTHERWISE / 2 * (1 - leaning)))


def rolled_back_on(differences: np.ndarray, per_day: int, *, always_valid: bool) -> int:
    """Return the day on which a version is rolled back, 0 if never, with a look each day.

    ``always_valid`` is the platform's rule, within the days of its trial; otherwise it is McNemar's exact test at 5 %
    on the newest 2,000 rows, day by day.
    """
    of_clients, single = differences.sum(axis=1).astype(np.float64), differences.ravel()
    for day in range(1, (LIMITS.trial_days if always_valid else DAYS) + 1):
        rows = day * per_day
        if rows < LIMITS.min_rows:
            continue
        if always_valid:
            lost, p = single[:rows].mean(), always_valid_p(of_clients[: rows // CLIENT])
        else:
            newest = single[:rows][-2_000:]
            only_one, lost = int(np.abs(newest).sum()), newest.mean()
            p = float(binomtest(int((newest > 0).sum()), only_one).pvalue) if only_one else 1.0
        if lost > LIMITS.replaced_drop and p < LIMITS.performance_p:
            return day
    return 0


def rollback_table(runs: int, seed: int = 0) -> list[list[str]]:
    """Return how often, and when, a version is rolled back within 60 days."""
    generator, table = np.random.default_rng(seed), []
    for clustered in (False, True):
        for per_day in (50, 200, 1_000):
            for loss in (0.0, 0.02, 0.05, 0.1):
                drawn = [draw_differences(generator, DAYS * per_day, loss, clustered=clustered) for _ in range(runs)]
                cells = []
                for always_valid in (True, False):
                    days = np.array([rolled_back_on(one, per_day, always_valid=always_valid) for one in drawn])
                    found = days[days > 0]
                    cells += [f"{len(found) / runs:.0%}", f"{np.median(found):.0f}" if len(found) else ""]
                rows = "clients of ten ads" if clustered else "independent"
                table.append([rows, f"{per_day:,}", f"{100 * loss:.0f}", *cells])
    return table


def draw_contest(
    generator: np.random.Generator, rows: int, levels: Sequence[float]
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Draw a truth and what versions of some accuracies say; each differs from the others on rows of its own."""
    truth = generator.choice(3, rows, p=[0.4, 0.4, 0.2])
    hardness, wrong = generator.random(rows), (truth + generator.choice([1, 2], rows)) % 3
    answers = []
    for level in levels:
        own = generator.random(rows) < 2 * OTHERWISE
        right = np.where(own, generator.random(rows), hardness) < level
        answers.append(np.eye(3)[np.where(right, truth, wrong)])
    return truth, answers


def promotion_table(runs: int, seed: int = 1) -> list[list[str]]:
    """Return how often a challenger is promoted, by the rows that decide and by what it loses."""
    generator, table = np.random.default_rng(seed), []
    for rows, fresh in ((200, True), (1_000, True), (4_000, False)):
        for tests in (1, 5):
            shares = []
            for loss in (-0.05, 0.0, 0.01, 0.02, 0.04):
                passed = 0
                for run in range(runs):
                    truth, (newer, older) = draw_contest(generator, rows, (ACCURACY - loss, ACCURACY))
                    risk = RULE.risk_of(fresh=fresh, tests=tests)
                    found = compare(truth, newer, older, risk=risk, seed=run)
                    passed += decide(
                        Evidence(found, found, 1, fresh=fresh, tests=tests), RULE, new_lineage=False
                    ).promoted
                shares.append(f"{passed / runs:.0%}")
            table.append([f"{rows:,} {'fresh' if fresh else 'of the holdout'}", str(tests), *shares])
    return table


def creep_table(runs: int, trainings: int = 20, seed: int = 2) -> list[list[str]]:
    """Return what versions lose together that each lose a little, on new rows for each training."""
    generator, table = np.random.default_rng(seed), []
    for rows, fresh in ((1_000, True), (4_000, False)):
        for loss in (0.005, 0.01):
            lost: dict[bool, list[float]] = {True: [], False: []}
            for bounded in (True, False):
                for run in range(runs):
                    champion = best = ACCURACY
                    for _ in range(trainings):
                        truth, (newer, older, first) = draw_contest(generator, rows, (champion - loss, champion, best))
                        risk = RULE.risk_of(fresh=fresh, tests=1)
                        found = compare(truth, newer, older, risk=risk, seed=run)
                        against = compare(truth, newer, first, risk=risk, seed=run) if bounded else found
                        if decide(Evidence(found, against, 1, fresh=fresh), RULE, new_lineage=False).promoted:
                            champion -= loss
                            best = champion if bounded and against.low > 0 else best
                    lost[bounded].append(100 * (ACCURACY - champion))
            cells = [f"{np.mean(each):.1f} ({np.quantile(each, 0.95):.1f})" for each in (lost[True], lost[False])]
            table.append([f"{rows:,} {'fresh' if fresh else 'of the holdout'}", f"{100 * loss:.1f}", *cells])
    return table


def as_markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table."""
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows))


def main(argv: Sequence[str] | None = None) -> None:
    """Simulate, and print the tables."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.decisions",
        description="Simulate how often rollback and promotion are wrong, and how soon they are right.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--runs", type=int, default=150, help="simulated runs of each line")
    runs = parser.parse_args(argv).runs
    head = ["labelled rows", "a day", "points worse", "rolled back", "median day", "daily McNemar, 5 %", "median day"]
    print(as_markdown(head, rollback_table(runs)), flush=True)
    head = ["rows that decide", "test in a row", "5 better", "as good", "1 worse", "2 worse", "4 worse"]
    print(f"\n{as_markdown(head, promotion_table(runs))}", flush=True)
    head = ["rows that decide", "each worse by", "lost after 20 trainings, points", "held to the champion alone"]
    print(f"\n{as_markdown(head, creep_table(max(runs // 10, 5)))}", flush=True)


if __name__ == "__main__":
    main()
