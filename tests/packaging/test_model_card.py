"""The model card: every figure is the evaluation's, and no text gets out of its cell."""

import html
import os
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from housing_assets.markets.istanbul import MARKET
from housing_assets.packaging.assets import read_reviews
from housing_assets.packaging.card.contents import write_card
from housing_assets.packaging.card.document import Document, ModelCard, Section, Table, as_markdown
from housing_assets.packaging.card.facts import CardFacts, CategoryRows, Data, Period
from housing_assets.packaging.card.figures import OF_NEWER, OF_PRICES, OF_SEGMENTS, show
from housing_assets.packaging.registration import Registration
from housing_assets.training.evaluation import errors_by_segment, evaluate
from housing_assets.training.out_of_time import FoldJudgement, OutOfTime
from housing_assets.training.report import EvaluationReport
from housing_assets.valuation import Valuations, figures_by_area
from resources.predictions.answer_reviews import ReviewCounts
from resources.predictions.store import PredictionStore
from tests.other_markets import THREE_GRADES

SNAPSHOT = Path(__file__).with_name("model_card_snapshot.md")
HOSTILE = "<script>alert(1)</script> | x"
FOLD = FoldJudgement(
    "2022-02-01",
    "2022-02-28",
    1000,
    300,
    {"macro_f1": 0.7123, "price_mdape": 0.1234},
    [[90, 10, 0], [10, 80, 10], [0, 10, 90]],
)


def judged() -> EvaluationReport:
    """Return what an evaluation says of made-up answers for 400 held-out homes in six districts, two of them small."""
    rng = np.random.default_rng(3)
    districts = np.array(["beykoz", "fatih", "kadikoy", "sile", "sisli", HOSTILE]).repeat([90, 80, 100, 12, 110, 8])
    prices = np.exp(rng.normal(15, 0.5, len(districts)))
    estimates = prices * np.exp(rng.normal(-0.01, 0.15, len(prices))) * np.where(districts == "fatih", 1.2, 1.0)
    estimates[:5] = np.nan
    intervals = {level: (estimates * (1 - width), estimates * (1 + width)) for level, width in ((50, 0.1), (80, 0.2))}
    valuations = Valuations(prices, estimates, intervals, np.full(len(prices), 0.16))
    valued, by_segment = figures_by_area(valuations, "district", districts.tolist())
    y = rng.integers(0, 3, len(prices))
    probabilities = rng.dirichlet(np.ones(3), len(prices)) + 0.3 * np.eye(3)[y]
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    listings = pd.DataFrame({"district": districts})
    out_of_time = OutOfTime((FOLD,)).metrics(np.bincount(y))
    return EvaluationReport(
        forest_digest="f0",
        metrics={
            **evaluate(y, probabilities, MARKET.categories),
            **valued,
            **out_of_time,
        },
        probabilities=probabilities,
        segments=errors_by_segment(listings, ["district"], y, probabilities),
        valued_segments=pd.DataFrame(
            [{"segment": one.segment, "value": one.value, **one.figures} for one in by_segment]
        ),
        contributions=pd.DataFrame(
            {
                "column": [column.raw for column in MARKET.inputs],
                **{name: np.linspace(0.1, 0, len(MARKET.inputs)) for name in (*MARKET.categories, "mean_probability")},
                "log_price": np.linspace(0.3, 0, len(MARKET.inputs)),
            }
        ),
        pictures={},
        passed=True,
    )


@pytest.fixture(scope="module")
def facts() -> CardFacts:
    return CardFacts(
        market=MARKET,
        registration=Registration(3, True, "no worse than the champion"),
        tags={"compared_with": "2", "lineage": "abc", "git_commit": "0123", "forest_digest": "f0"},
        run="run-1",
        parameters={"n_trees": "20", "strategy": "class_weight"},
        data=Data(
            files=2,
            rows_read=2100,
            by_origin={"synthetic": 2000, "production": 40},
            training=1640,
            held_out=400,
            periods=(Period("listed_on", "2022-01-03", "2022-02-28", 2040),),
            price_kinds={"asking": 2040},
            stand_ins=51,
            price_month="2022-02",
            price_index="both",
            implausible_prices=7,
            categories=(
                CategoryRows("low", "up to 1,000,000 TRY", 700, 160),
                CategoryRows("medium", "above 1,000,000 TRY, up to 3,000,000 TRY", 600, 150),
                CategoryRows("high", "above 3,000,000 TRY", 340, 90),
            ),
        ),
        evaluation=judged(),
        out_of_time=OutOfTime((FOLD,)),
        valued_by="district",
    )


def rows_of(document: Document, title: str) -> list[tuple[str, ...]]:
    (table,) = [table for section in document.sections for table in section.tables if table.title.startswith(title)]
    return [table.head, *table.rows]


def section(document: Document, title: str) -> Section:
    return next(one for one in document.sections if one.title == title)


class _Page(HTMLParser):
    """What a browser makes of a page: its tags, their attributes, and the cells of its tables."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.cells: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in ("meta", "link"):
            self._open.append(tag)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] in ("td", "th"):
            self.cells[-1] += data


def test_every_figure_of_the_evaluation_is_in_the_card_as_it_is(facts: CardFacts) -> None:
    document = write_card(facts)
    metrics = facts.metrics
    found = dict(row[:2] for row in rows_of(document, "On held-out listings")[1:])
    assert found["macro-F1"] == f"{metrics['macro_f1']:.4f}"
    assert found["expected calibration error"] == f"{metrics['calibration_error']:.4f}"
    prices = dict(row[:2] for row in rows_of(document, "Estimates of held-out")[1:])
    assert prices["median absolute percentage error"] == f"{100 * metrics['price_mdape']:.1f} %"
    assert prices["root mean squared error"] == f"{metrics['price_rmse']:,.0f} TRY"
    assert prices["coefficient of dispersion (COD)"] == f"{metrics['price_cod']:.2f}"
    assert prices["prices within the 80 % interval"] == f"{100 * metrics['price_coverage_80']:.1f} %"
    categories = {row[0]: row[1:] for row in rows_of(document, "By category")[1:]}
    for name in MARKET.categories:
        assert categories[name] == tuple(f"{metrics[f'{kind}_{name}']:.4f}" for kind in ("precision", "recall", "f1"))
    # And nothing that it measures is left out: each figure is a cell of some table, under its key or its name.
    cells = [row for one in document.sections for table in one.tables for row in table.rows]
    written = {cell for row in cells for cell in row}
    for key, value in metrics.items():
        assert show(key, value, MARKET.currency) in written, key
    named = {one.key for one in OF_PRICES}
    assert {key for key in metrics if key.startswith("price_")} <= named


def test_segments_have_the_figures_of_the_evaluation_and_blanks_where_there_are_few_rows(facts: CardFacts) -> None:
    valued = facts.evaluation.valued_segments
    for segment in ("district", "price tercile"):
        head, *rows = rows_of(write_card(facts), f"By {segment}")
        of_segment = valued[valued["segment"] == segment.replace(" ", "_")]
        assert [row[0] for row in rows] == of_segment["value"].tolist()
        for cells, figures in zip(rows, of_segment.to_dict("records"), strict=True):
            assert cells[1:] == tuple(show(key, figures[key]) for key in OF_SEGMENTS)
            assert (cells[head.index("median error")] == "–") == (
                round(figures["price_rows"] * figures["price_hit_rate"]) < 30
            )
        assert len(rows) > 1
    blank = valued[valued["segment"] == "district"]["price_mdape"].isna()
    assert blank.any()
    assert any(
        f"Of {blank.sum()} of {len(blank)} values of district" in point
        for point in section(write_card(facts), "Limits").points
    )


def test_contributions_and_accuracy_by_segment_are_those_of_the_evaluation(facts: CardFacts) -> None:
    document = write_card(facts)
    table = facts.evaluation.contributions
    rows = rows_of(document, "Contributions of columns")
    assert [row[0] for row in rows[1:]] == table["column"].tolist()
    assert [row[-1] for row in rows[1:]] == [f"{value:.4f}" for value in table["log_price"]]
    segments = [row[1:] for row in rows_of(document, "Accuracy by segment")[1:]]
    assert segments == [
        (row["value"], f"{row['rows']:,}", f"{row['accuracy']:.4f}")
        for row in facts.evaluation.segments.to_dict("records")
    ]


def test_limits_are_said_of_the_figures(facts: CardFacts) -> None:
    metrics = facts.metrics
    told = " ".join(section(write_card(facts), "Limits").points)
    assert "synthetic rows: for trials only" in told
    assert "7 rows (0.3 %) were quarantined for a price that is beyond 5 times what homes like them cost" in told
    plausible = replace(facts, data=replace(facts.data, implausible_prices=0))
    assert "quarantined" not in " ".join(section(write_card(plausible), "Limits").points)
    assert f"{100 * (1 - metrics['price_hit_rate']):.1f} % of held-out listings get no estimate" in told
    weakest = min(MARKET.categories, key=lambda name: metrics[f"recall_{name}"])
    assert f"It finds {weakest!r} least often: {100 * metrics[f'recall_{weakest}']:.1f} %" in told
    valued = facts.evaluation.valued_segments
    worst = valued[valued["segment"] == "district"].sort_values("price_mdape", ascending=False)["value"].iloc[0]
    assert f"By district the median error is largest for {worst} (" in told
    for hit_rate, said in ((1.0, None), (1 - 1e-4, "Less than 0.1 % of held-out listings get no estimate")):
        answered = replace(facts.evaluation, metrics={**metrics, "price_hit_rate": hit_rate})
        limits = " ".join(section(write_card(replace(facts, evaluation=answered)), "Limits").points)
        assert " 0.0 %" not in limits
        assert said in limits if said else "get no estimate" not in limits
    high = replace(facts.evaluation, metrics={**metrics, "price_median_bias": -0.054, "price_prb": -0.08})
    told = " ".join(section(write_card(replace(facts, evaluation=high)), "Limits").points)
    assert "Estimates are too low by 5.4 % in the middle." in told
    assert "Expensive homes are valued lower than cheap ones: 8.0 % for each doubling of the price." in told


def test_the_card_says_what_it_learned_from_and_on_which_grounds_it_was_promoted(facts: CardFacts) -> None:
    card = as_markdown(write_card(facts))
    for told in (
        "2,100 rows were read from 2 files; 100 of them are in quarantine",
        "2,040 listings: 2,000 made by the market's generator, 40 answered before.",
        "Held out: 400 (19.6 %)",
        "listed_on: 2022-01-03 to 2022-02-28, in 2,040 listings.",
        "Kind of the prices: 2,040 asking.",
        "Local scores and estimates learned from prices that the market's price index had brought to 2022-02;",
        "The index was learned from the listings and a published index.",
        "A price index of the market. Drift reports every day.",
        "100 rows of the source taught nothing: exact copies, and rows that are quarantined with a reason, such as",
        "Promoted: no worse than the champion.",
        "Compared with version 2",
        MARKET.fingerprint,
        "none: no signing key is set",
    ):
        assert told in card
    first = replace(facts, tags={}, registration=Registration(1, False, "why not"))
    assert "It was not compared with a version in production; the reason is above." in as_markdown(write_card(first))
    without = as_markdown(write_card(replace(facts, data=replace(facts.data, price_month="", price_index=""))))
    assert "brought to" not in without
    assert "No price index. Drift reports every day." in without
    alone = replace(facts, market=replace(MARKET, local=None))
    assert "- Estimates learned from prices that the market's price index" in as_markdown(write_card(alone))


def test_figures_of_newer_listings_have_the_names_of_the_others(facts: CardFacts) -> None:
    named = dict(row[:2] for row in rows_of(write_card(facts), "Out of time")[1:])
    metrics = facts.metrics
    assert named == {
        "listings judged": "300",
        "macro-F1 at the holdout's mix of categories": f"{metrics['out_of_time_macro_f1_at_mix']:.4f}",
        "macro-F1": "0.7123",
        "median absolute percentage error": "12.3 %",
    }
    several = OutOfTime((FOLD, FOLD)).metrics(np.array([100, 100, 100]))
    assert several.keys() <= {one.key for one in OF_NEWER}


def test_each_factor_of_the_rules_has_what_there_is_and_what_stays_with_the_user(facts: CardFacts) -> None:
    document = write_card(facts)
    us, eba = rows_of(document, "US: ")[1:], rows_of(document, "EU: ")[1:]
    assert [row[0][:3] for row in us] == ["(a)", "(b)", "(c)", "(d)", "(e)"]
    assert all(all(cell for cell in row) for row in (*us, *eba))
    assert f"median error {show('price_mdape', facts.metrics['price_mdape'])}" in us[0][1]
    assert any("Asking prices, which are no transactions" in row[1] for row in eba)
    (advice,) = section(document, "What rules ask, and what there is for it").paragraphs
    assert "no legal advice" in advice


def test_the_columns_that_are_used_are_named_and_one_named_like_a_protected_trait_is_pointed_at(
    facts: CardFacts,
) -> None:
    told = section(write_card(facts), "Non-discrimination").points
    assert all(column.raw in told[0] for column in MARKET.inputs)
    assert told[1].startswith("No name has one of the English words that stand for a protected trait")
    assert "Location may stand in for a protected trait" in told[2]
    renamed = tuple(
        replace(column, raw="OwnerReligion") if column.raw == "district" else column for column in MARKET.columns
    )
    other = replace(facts, market=replace(MARKET, columns=renamed))
    assert "may hold a protected trait" in section(write_card(other), "Non-discrimination").points[1]
    assert "OwnerReligion" in section(write_card(other), "Non-discrimination").points[1]


def test_the_card_is_the_one_that_was_looked_at(facts: CardFacts) -> None:
    """Written anew by UPDATE_SNAPSHOTS=1: look at the difference before it is committed."""
    card = ModelCard.of(write_card(facts))
    if os.environ.get("UPDATE_SNAPSHOTS"):
        SNAPSHOT.write_text(card.markdown, encoding="utf-8")
    assert card.markdown == SNAPSHOT.read_text(encoding="utf-8")


def test_the_same_facts_give_the_same_card_and_it_survives_a_folder(facts: CardFacts, tmp_path: Path) -> None:
    card = ModelCard.of(write_card(facts))
    assert card == ModelCard.of(write_card(replace(facts, evaluation=judged())))
    card.save(tmp_path)
    assert ModelCard.load(tmp_path) == card


def test_a_district_named_as_a_script_is_shown_and_not_run(facts: CardFacts) -> None:
    card = ModelCard.of(write_card(facts))
    page = _Page(card.page)
    assert HOSTILE in page.cells
    assert page.tags.isdisjoint({"script", "img", "iframe", "object", "link", "a", "base", "form"})
    assert not {name for name in page.attributes if name.startswith("on") or name in ("src", "href", "style")}
    assert html.escape(HOSTILE) in card.page
    assert "<" not in card.markdown.replace(r"\<", "")
    assert r"\<script\>alert(1)\</script\> \| x" in card.markdown


def test_every_row_of_a_markdown_table_has_as_many_cells_as_its_head(facts: CardFacts) -> None:
    table = Table("a | b\nc", ("one", "two | three"), (("x | y", "`z`"), ("a\nb", "\\|")))
    blocks = as_markdown(Document("t", "s", (Section("u", tables=(table,)),))).split("\n\n")
    rows = blocks[-1].strip().splitlines()
    assert [len(re.findall(r"(?<!\\)(?:\\\\)*\|", row)) for row in rows] == [3, 3, 3, 3]
    assert blocks[-2] == r"**a \| b c**"
    for block in as_markdown(write_card(facts)).split("\n\n"):
        if block.startswith("|"):
            assert len({len(re.findall(r"(?<!\\)\|", row)) for row in block.splitlines()}) == 1
    with pytest.raises(ValueError, match="has 1 cells: expected 2"):
        Table("t", ("a", "b"), (("x",),))


def test_reviews_of_answers_are_counted_by_version(facts: CardFacts) -> None:
    counted = replace(facts, reviews={"10": ReviewCounts(5, 0), "2": ReviewCounts(40, 3), "": ReviewCounts(2, 1)})
    document = write_card(counted)
    assert rows_of(document, "Reviewed answers")[1:] == [
        ("the fallback rule", "2", "1"),
        ("2", "40", "3"),
        ("10", "5", "0"),
    ]
    factors = {row[0][:3]: row[1] for row in rows_of(document, "US: ")[1:]}
    assert "47 were reviewed before this version, 4 found unreasonable" in factors["(d)"]
    unread = as_markdown(write_card(facts))
    assert "The reviews were not read" in unread
    assert "(housing review): how many were reviewed was not read." in unread
    assert "were reviewed before" not in unread
    assert "None was reviewed" in as_markdown(write_card(replace(facts, reviews={})))


def test_a_store_that_cannot_be_read_leaves_the_reviews_out_and_says_why(tmp_path: Path) -> None:
    warnings: list[str] = []
    assert read_reviews(PredictionStore(url=f"sqlite:///{tmp_path / 'predictions.db'}"), warnings.append) == {}
    assert warnings == []
    assert read_reviews(PredictionStore(url=f"sqlite:///{tmp_path}"), warnings.append) is None
    (warning,) = warnings
    assert "the prediction store (HOUSING_PREDICTION_STORE) cannot be read" in warning
    assert "materialize model_card again" in warning


def test_a_market_with_classes_has_a_card_without_prices(facts: CardFacts) -> None:
    categories = THREE_GRADES.categories
    kinds = [f"{kind}_{name}" for kind in ("precision", "recall", "f1") for name in categories]
    metrics = dict.fromkeys((*kinds, "macro_f1", "accuracy", "roc_auc_ovr", "log_loss", "calibration_error"), 0.5)
    evaluation = replace(
        facts.evaluation,
        metrics=metrics,
        segments=pd.DataFrame(columns=["segment", "value", "rows", "accuracy"]),
        valued_segments=pd.DataFrame({"segment": [], "value": []}, dtype=str),
        contributions=pd.DataFrame({"column": []}, dtype=str),
    )
    out_of_time = OutOfTime((), "the market has no clock")
    data = replace(facts.data, price_kinds={}, periods=())
    card = as_markdown(
        write_card(
            replace(facts, market=THREE_GRADES, evaluation=evaluation, out_of_time=out_of_time, data=data, valued_by="")
        )
    )
    assert "Not fit for amounts of money: it knows none." in card
    assert "Not judged: the market has no clock." in card
    assert "No prices: the rows have classes." in card
    assert "How good its estimates are" not in card
    assert "a price that no home like it has" not in card
