"""The card of a version, and the sections that are written of its facts alone: the same facts give the same card."""

from housing_assets.packaging.card.document import Document, Section, Table
from housing_assets.packaging.card.facts import CardFacts
from housing_assets.packaging.card.figures import (
    OF_CATEGORIES,
    OF_NEWER,
    OF_PRICES,
    by_category,
    by_segment,
    figures_table,
    other_figures,
    share,
    show,
)
from housing_assets.packaging.card.limits import find_limits
from housing_assets.packaging.card.rules import NO_ADVICE, asked_by_eba, asked_by_us
from housing_assets.packaging.card.shared_sections import fairness, lineage, purpose
from housing_assets.packaging.promotion import COMPARED_WITH
from housing_assets.training.contributions import ANY, COLUMN, PRICE
from housing_assets.valuation import PRICE_TERCILE
from resources.mlflow.registry import LABELLED_DAYS

_INDEX_OF = {
    "listings": "the listings",
    "external": "a published index",
    "both": "the listings and a published index",
}


def write_card(facts: CardFacts) -> Document:
    """Return the card of a version."""
    market, number = facts.market, facts.registration.version
    return Document(
        title=f"Model card: {market.title}, version {number}",
        summary=_summary(facts),
        sections=(
            purpose(facts.market, estimates=facts.market.has_price),
            Section("Limits", points=find_limits(facts)),
            _data(facts),
            _categories(facts),
            *([_prices(facts)] if len(facts.evaluation.valued_segments) else []),
            _newer_listings(facts),
            _reasons(facts),
            fairness(facts.market, by_segment=True),
            _reviews(facts),
            _decision(facts),
            Section(
                "What rules ask, and what there is for it",
                (NO_ADVICE,),
                tables=(asked_by_us(facts), asked_by_eba(facts)),
            ),
            lineage(facts.registration.version, facts.run, facts.tags, facts.market, facts.parameters),
        ),
    )


def _summary(facts: CardFacts) -> str:
    data, metrics = facts.data, facts.metrics
    told = (
        f"{'Promoted' if facts.registration.promoted else 'Not promoted'}. Learned from {data.training:,} listings and "
        f"judged on {data.held_out:,} others: macro-F1 {show('macro_f1', metrics['macro_f1'])}"
    )
    if "price_mdape" in metrics:
        told += (
            f", median price error {show('price_mdape', metrics['price_mdape'])}, "
            f"{show('price_within_10', metrics['price_within_10'])} of estimates within 10 %, "
            f"{show('price_coverage_80', metrics['price_coverage_80'])} of prices within the 80 % interval"
        )
    return f"{told}."


def _data(facts: CardFacts) -> Section:
    data, labels = facts.data, facts.tags
    origins = {
        "source": "of the source",
        "synthetic": "made by the market's generator",
        "production": "answered before",
    }
    counted = ", ".join(f"{rows:,} {origins[origin]}" for origin, rows in data.by_origin.items())
    points = [
        f"{data.rows_read:,} rows were read{f' from {data.files:,} files' if data.files > 1 else ''}; "
        f"{data.left_out:,} of them are in quarantine with their reason, or exact copies of others.",
        f"{data.listings:,} listings: {counted}.",
        f"Held out: {data.held_out:,} ({share(data.held_out / data.listings)}), by a hash of what identifies a home "
        f"and a salt of the lineage, {share(data.holdout_share)} aimed at. All copies of a home are on one side, and "
        "no version of the lineage ever learns from a home that another is judged on.",
        *(f"{one.name}: {one.first} to {one.last}, in {one.rows:,} listings." for one in data.periods),
    ]
    if labels.get(LABELLED_DAYS):
        points.append(f"Days of production that it learned from or was judged on: {labels[LABELLED_DAYS]}.")
    if data.price_kinds:
        kinds = ", ".join(f"{rows:,} {kind}" for kind, rows in data.price_kinds.items())
        points.append(f"Kind of the prices: {kinds}.")
    if facts.market.has_price:
        points.append(f"Prices that only stand for their band, and taught no amount: {data.stand_ins:,}.")
    if data.price_month:
        points.append(
            f"{'Local scores and estimates' if facts.market.local else 'Estimates'} learned from prices that the "
            f"market's price index had brought to {data.price_month}; linear scores and the categories from prices as "
            "they were. Estimates are brought to the month that is asked about. The index was learned from "
            f"{_INDEX_OF[data.price_index]}."
        )
    return Section(
        "What it learned from",
        points=tuple(points),
        tables=(
            Table(
                "Categories and their listings",
                ("category", "stands for", "training", "held out"),
                tuple((one.category, one.band, f"{one.training:,}", f"{one.held_out:,}") for one in data.categories),
                numbers_from=2,
            ),
        ),
    )


def _categories(facts: CardFacts) -> Section:
    metrics, segments = facts.metrics, facts.evaluation.segments
    shown = segments[~segments["segment"].isin(facts.market.personal_names)]
    tables = [figures_table("On held-out listings", OF_CATEGORIES, metrics), by_category(metrics, _names(facts))]
    others = other_figures(metrics, _names(facts))
    if others:
        tables.append(figures_table("Other figures of the evaluation", others, metrics, facts.market.currency))
    if len(shown):
        tables.append(
            Table(
                "Accuracy by segment, the worst first; those of less than 1 % of the rows are left out",
                ("segment", "value", "rows", "accuracy"),
                tuple(
                    (row["segment"], str(row["value"]), f"{row['rows']:,}", show("accuracy", row["accuracy"]))
                    for row in shown.to_dict("records")
                ),
                numbers_from=2,
            )
        )
    return Section("How well it tells categories", tables=tuple(tables))


def _names(facts: CardFacts) -> tuple[str, ...]:
    return facts.market.categories


def _prices(facts: CardFacts) -> Section:
    metrics, market, valued = facts.metrics, facts.market, facts.evaluation.valued_segments
    segments = [name for name in (facts.valued_by, PRICE_TERCILE) if name and name not in market.personal_names]
    return Section(
        "How good its estimates are",
        (
            "As valuers judge, on held-out listings whose price is an amount; those that calibrate the intervals do "
            "not judge them. Errors are relative to the price: below 0 where estimates are too low. What is accepted "
            "of COD, PRD and PRB is of the IAAO's Standard on Ratio Studies (2013).",
            "By tercile of price, cheap homes seem valued too high and expensive ones too low whatever the model, for "
            "a price is high partly by chance; the PRB is free of it.",
        ),
        tables=(
            figures_table("Estimates of held-out listings", OF_PRICES, metrics, market.currency),
            *(by_segment(name, valued, market.currency) for name in segments),
        ),
    )


def _newer_listings(facts: CardFacts) -> Section:
    judged, metrics = facts.out_of_time, facts.metrics
    title = "On listings newer than all that was learned from"
    if not judged.folds:
        return Section(title, (f"Not judged: {judged.reason}.",))
    return Section(
        title,
        (
            "Forests like this one were grown on older listings and judged on the newest. The macro-F1 at the "
            "holdout's mix of categories is what compares with the holdout's.",
            *([f"{judged.reason[:1].upper()}{judged.reason[1:]}."] if judged.reason else []),
        ),
        tables=(
            figures_table("Out of time", OF_NEWER, metrics, facts.market.currency),
            Table(
                "All folds",
                ("days", "learned from", "judged", "macro-F1"),
                tuple(
                    (
                        f"{fold.first_day} to {fold.last_day}",
                        f"{fold.learned_rows:,}",
                        f"{fold.judged_rows:,}",
                        show("macro_f1", fold.metrics["macro_f1"]),
                    )
                    for fold in judged.folds
                ),
            ),
        ),
    )


def _reasons(facts: CardFacts) -> Section:
    market, table = facts.market, facts.evaluation.contributions
    paragraphs = []
    if market.local is not None:
        kernel = market.local
        compared = [*(number.of for number in kernel.numbers), *kernel.texts]
        paragraphs.append(
            f"Beside the linear scores of its columns, the forest reads local scores: a kernel regression among "
            f"training listings of the same {kernel.block.replace('_', ' ')}, alike by {', '.join(compared)}."
        )
    if not len(table):
        return Section("What its answers rest on", (*paragraphs, "No contributions were computed."))
    paragraphs.append(
        "Mean absolute Shapley values (TreeSHAP) over held-out listings, drawn at random: what each column moves the "
        "probability of each category by, and the natural log of the estimated price."
    )
    shown = [name for name in (*market.categories, ANY, PRICE) if name in table]
    return Section(
        "What its answers rest on",
        tuple(paragraphs),
        tables=(
            Table(
                "Contributions of columns, the largest first",
                ("column", *(name.replace("_", " ") for name in shown)),
                tuple((str(row[COLUMN]), *(f"{row[name]:.4f}" for name in shown)) for row in table.to_dict("records")),
            ),
        ),
    )


def _reviews(facts: CardFacts) -> Section:
    title = "Reviews of answers drawn at random"
    drawn = (
        "A share of the answers of production is drawn, by their ids alone, and a person says whether each is "
        "reasonable (housing review). A client that sends idempotency keys can choose its ids, and so what is drawn of "
        "its answers."
    )
    if facts.reviews is None:
        return Section(title, (drawn, "The reviews were not read when this card was written."))
    if not facts.reviews:
        return Section(title, (drawn, "None was reviewed before this card was written."))
    return Section(
        title,
        (
            drawn,
            "As of when this card was written; performance_report counts those of this version, which come later.",
        ),
        tables=(
            Table(
                "Reviewed answers by the version that gave them",
                ("version", "reviewed", "found unreasonable"),
                tuple(
                    (version or "the fallback rule", f"{counts.reviewed:,}", f"{counts.unreasonable:,}")
                    for version, counts in sorted(facts.reviews.items(), key=lambda one: int(one[0] or 0))
                ),
            ),
        ),
    )


def _decision(facts: CardFacts) -> Section:
    against = facts.tags.get(COMPARED_WITH)
    return Section(
        "Decision",
        (
            f"{'Promoted' if facts.registration.promoted else 'Not promoted'}: {facts.registration.reason}.",
            (
                f"Compared with version {against}, which was in production, on the same listings, by a paired "
                "bootstrap of the difference in macro-F1."
                if against
                else "It was not compared with a version in production; the reason is above."
            ),
            "What became of it later (a rollback, say) stands in the registry: housing versions.",
        ),
    )
