"""What rules on automated valuation ask, and what there is for each: here in a card, and with whoever uses the model.

The US rule is quality control standards for automated valuation models (89 FR 64538, 7 August 2024; 12 U.S.C. 3354),
whose five factors are those of its section on standards, such as 12 CFR 225.352. The European one is section 7 of the
EBA's guidelines on loan origination and monitoring (EBA/GL/2020/06), above all 7.4 on advanced statistical models.
"""

from housing_assets.packaging.card.document import Table
from housing_assets.packaging.card.facts import CardFacts
from housing_assets.packaging.card.figures import share, show

NO_ADVICE = (
    "This is no legal advice and no statement that a rule is met. The rules bind lenders and issuers, not a model; "
    "whether they bind you, and what they ask of you, is for you and your counsel to find out."
)

_HEAD = ("asked", "what there is", "what stays with you")


def asked_by_us(facts: CardFacts) -> Table:
    """Return the five factors of the US rule."""
    return Table(
        "US: quality control standards for automated valuation models, 89 FR 64538",
        _HEAD,
        (
            (
                "(a) ensure a high level of confidence in the estimates produced",
                f"{_confidence(facts)} Gates before registration, and every day a blind back-test: an answer is "
                "journaled before its price is known, and judged when it comes in (performance_report).",
                "Which error you accept and for what; tests on your own loans and by somebody independent; when an "
                "appraiser values instead.",
            ),
            (
                "(b) protect against the manipulation of data",
                f"{_left_out(facts)} Digests of the listings, the forest and the artifact (lineage, below); "
                f"{_signed(facts)}. Broken days of production teach nothing.",
                "Who may write to the source, report prices and hold keys; that the source itself is true.",
            ),
            (
                "(c) seek to avoid conflicts of interest",
                "Promotion by a rule that was fixed before, on listings that no version has learned from (decision, "
                "below). What persons decide is recorded with name, time and reason. No column says which value or "
                "loan is wished for, unless you declare one.",
                "That those who earn by a value neither choose the model nor its data, and do not review its answers.",
            ),
            (
                "(d) require random sample testing and reviews",
                f"{share(facts.data.held_out / facts.data.listings)} of the listings are held out, by a hash. A share "
                f"of the answers, drawn by their ids, is queued for review (housing review): {_reviewed(facts)}.",
                "Reviewers; whether that is enough for what you do, as clients that send idempotency keys can choose "
                "their ids; independent tests; what follows from them.",
            ),
            (
                "(e) comply with applicable nondiscrimination laws",
                f"{_by_segment(facts)} The columns that an answer reads (non-discrimination, above).",
                "The laws themselves: tests for groups of persons need data that the platform has none of; a search "
                "for less discriminatory ways; location may stand in for a protected trait.",
            ),
        ),
        numbers_from=3,
    )


def asked_by_eba(facts: CardFacts) -> Table:
    """Return what the EBA's guidelines ask of valuation by advanced statistical models."""
    data = facts.data
    days = ", ".join(f"{one.name} {one.first} to {one.last}" for one in data.periods) or "no date is declared"
    return Table(
        "EU: EBA guidelines on loan origination and monitoring, EBA/GL/2020/06, section 7",
        _HEAD,
        (
            (
                "7.1, 7.3: valuation at origination by an independent, qualified valuer",
                f"Nothing: a model is no valuer. {_support(facts)}",
                "The valuer, and who answers for the valuation.",
            ),
            (
                "7.2: monitoring and revaluation of property values",
                f"{_index(facts)} Drift reports every day.",
                "How often you value anew, and from which change on a valuer does.",
            ),
            (
                "7.4: specific to property and location, granular enough",
                f"{len(facts.market.inputs)} columns of each home. {_by_segment(facts)}",
                "Whether the segments are fine enough where your collateral is.",
            ),
            (
                "7.4: valid and accurate, back-tested against observed transaction prices",
                f"{_prices_learned(facts)} {_confidence(facts)}",
                "Prices that were really paid, reported back for the blind back-test; regular back-tests of your own.",
            ),
            (
                "7.4: a large and representative sample of observed transactions",
                f"{data.training:,} listings learned from, {data.held_out:,} judged on.",
                "Whether they are like your collateral.",
            ),
            (
                "7.4: up-to-date data of high quality",
                f"Days of the listings: {days}. Rows that cannot be used are quarantined with their reason.",
                "New listings in time; the quality of the source.",
            ),
            (
                "7.4: track record, uncertainty and minimum of information in the policies",
                f"{_uncertainty(facts)} Required columns: {', '.join(facts.market.required) or 'none'}.",
                "The policies: from which uncertainty on a model's value is not used.",
            ),
            (
                "7.4: the institution understands methodology, data and assumptions, and answers for the model",
                "This card and its lineage; for each answer, what each column adds to it (POST /explain).",
                "All of it: the institution is responsible, and the valuer for a valuation that a model supports.",
            ),
        ),
        numbers_from=3,
    )


def _confidence(facts: CardFacts) -> str:
    metrics = facts.metrics
    if "price_mdape" not in metrics:
        return f"Macro-F1 {show('macro_f1', metrics['macro_f1'])} on held-out listings; no error of estimates is known."
    named = (("median error", "price_mdape"), ("within 10 %", "price_within_10"), ("bias", "price_median_bias"))
    told = ", ".join(f"{name} {show(key, metrics[key])}" for name, key in named)
    covered = show("price_coverage_80", metrics["price_coverage_80"])
    return f"On held-out listings: {told}, {covered} of prices within the 80 % interval."


def _uncertainty(facts: CardFacts) -> str:
    metrics = facts.metrics
    if "price_fsd" not in metrics:
        return "Probabilities of the categories with each answer."
    return (
        f"Intervals and a forecast standard deviation with each estimate, {show('price_fsd', metrics['price_fsd'])} on "
        f"average, where {show('price_error_68', metrics['price_error_68'])} would have been right; "
        f"{share(1 - metrics['price_hit_rate'])} get no estimate."
    )


def _left_out(facts: CardFacts) -> str:
    such = ", such as a price that no home like it has" if facts.market.has_price else ""
    return (
        f"{facts.data.left_out:,} rows of the source taught nothing: exact copies, and rows that are quarantined "
        f"with a reason{such}."
    )


def _index(facts: CardFacts) -> str:
    return "A price index of the market." if facts.data.price_month else "No price index."


def _prices_learned(facts: CardFacts) -> str:
    market = facts.market
    if not market.has_price:
        return "No prices: the rows have classes."
    if market.common_price_kind == "paid":
        return "Prices that were paid."
    if market.common_price_kind == "asking":
        return "Asking prices, which are no transactions: what is asked here is not met by them."
    return "Asking prices and prices paid, or of a kind that is not declared; only those paid are transactions."


def _by_segment(facts: CardFacts) -> str:
    segments = sorted({*facts.evaluation.segments["segment"], *([facts.valued_by] if facts.valued_by else [])})
    shown = [name.replace("_", " ") for name in segments if name not in facts.market.personal_names]
    return f"Figures by {', '.join(shown)} (above)." if shown else "No figures by segment: the market declares none."


def _signed(facts: CardFacts) -> str:
    if "artifact_signature" in facts.tags:
        return "the artifact is signed, and a service that demands its signature loads no other"
    return "the artifact is not signed, for no signing key is set"


def _support(facts: CardFacts) -> str:
    if not facts.market.has_price:
        return "It estimates no amount."
    given = "Estimate, intervals and comparables" if facts.market.comparables else "Estimate and intervals"
    return f"{given} may support one."


def _reviewed(facts: CardFacts) -> str:
    if facts.reviews is None:
        return "how many were reviewed was not read"
    counts = facts.reviews.values()
    reviewed, unreasonable = sum(one.reviewed for one in counts), sum(one.unreasonable for one in counts)
    return f"{reviewed:,} were reviewed before this version, {unreasonable:,} found unreasonable"
