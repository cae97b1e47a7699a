"""The sections that every card has, whichever release trained the version: purpose, non-discrimination, lineage."""

import re
from collections.abc import Mapping

from housing_assets.inference.market import Market
from housing_assets.packaging.card.document import Section, Table

_PROTECTED = "race, colour, religion, sex, national origin, familial status or disability"
_TRAITS = frozenset(
    "race racial ethnicity ethnic colour color religion religious sex gender nationality origin ancestry citizenship "
    "familial marital disability disabled pregnancy".split()
)
"""Words in the name of a column that may hold a protected trait. Age is none of them: that is a building's."""

_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")


def purpose(market: Market, *, estimates: bool) -> Section:
    """Return what a version answers, what it is fit for and what not.

    Parameters
    ----------
    market : Market
    estimates : bool
        Whether it estimates prices.
    """
    kind = _price_kind(market)
    if estimates:
        answers = (
            f"For one listing it tells the category of its price ({', '.join(market.categories)}) with probabilities, "
            f"and, where enough listings are like it, an estimate of {kind} in {market.currency} with a 50 % and an "
            "80 % interval and a forecast standard deviation."
        )
    else:
        told = "the category of its price" if market.has_price else "its class"
        answers = f"For one listing it tells {told} ({', '.join(market.categories)}) with probabilities."
    required = ", ".join(market.required) or "none is"
    return Section(
        "What it is for",
        (
            answers,
            "Fit for: screening and ranking listings, "
            f"{'a first estimate of a price with its uncertainty, ' if estimates else ''}"
            "finding listings whose price a person should look at, monitoring of a market.",
        ),
        (
            f"Not fit for homes of another market than this one ({market.title}), nor for times long before or after "
            "those that it learned from: the monitoring says when listings or prices have moved on.",
            *(
                [f"Not fit for another kind of price: it learned {kind}."]
                if market.has_price
                else ["Not fit for amounts of money: it knows none."]
            ),
            "Not fit as the only ground of a decision on a person or a loan: it has seen no home, and knows nothing "
            "that is not in the columns below.",
            f"Not fit where an answer says that {'there is no estimate, or that ' if estimates else ''}a listing could "
            "not be used: those are for a person.",
            f"A listing must have these columns: {required}. Without others it is answered, and less surely.",
        ),
    )


def _price_kind(market: Market) -> str:
    if market.common_price_kind:
        return {"asking": "the asking price", "paid": "the price paid"}[market.common_price_kind]
    return "the price of the kind that the listing names" if market.price_kind_column else "the price"


def fairness(market: Market, *, by_segment: bool) -> Section:
    """Return what is known, by the declaration of the market, of how a version may treat groups differently.

    Parameters
    ----------
    market : Market
    by_segment : bool
        Whether the card has figures by segment.
    """
    columns = [column.raw for column in market.inputs]
    personal = [column.raw for column in market.inputs if any(value.personal for value in column.values)]
    points = [
        f"An answer reads these columns and nothing else: {', '.join(columns)}.",
        _traits(columns),
        "Location may stand in for a protected trait, and so may what goes with it, such as age or kind of a building. "
        "Leaving a trait out does not keep a model from treating groups differently.",
    ]
    if by_segment:
        points.append(
            "Error, bias and coverage of the intervals stand above by segment: a segment that is valued lower, or less "
            "surely, than others is seen there. Whether a group of persons is, needs data on persons, which the "
            "platform has none of."
        )
    if personal:
        points.append(f"Can lead to a person, and are never shown or stored with the model: {', '.join(personal)}.")
    return Section("Non-discrimination", points=tuple(points))


def _traits(columns: list[str]) -> str:
    """Return what the names of columns say of protected traits; what their cells say, they do not."""
    alike = [raw for raw in columns if not _TRAITS.isdisjoint(word.lower() for word in _WORDS.findall(raw))]
    if alike:
        return (
            f"By their names, these may hold a protected trait of a person ({_PROTECTED}): {', '.join(alike)}. Find "
            "out before you use an answer for anything that touches a person."
        )
    return (
        f"No name has one of the English words that stand for a protected trait of a person ({_PROTECTED}); names in "
        "other languages are not read. Nobody but you can tell what their cells really say."
    )


def lineage(version: int, run: str, tags: Mapping[str, str], market: Market, parameters: Mapping[str, str]) -> Section:
    """Return what a version was made of.

    Parameters
    ----------
    version : int
    run : str
        The MLflow run that it was trained in.
    tags : mapping of str to str
        Of the version.
    market : Market
    parameters : mapping of str to str
        Of the run.
    """
    named = (
        ("version", str(version)),
        ("MLflow run", run),
        ("Dagster run", tags.get("dagster_run_id", "")),
        ("lineage of price bands and holdout", tags.get("lineage", "")),
        ("code", tags.get("git_commit", "")),
        ("scikit-learn", tags.get("scikit_learn", "")),
        ("declaration of the market", market.fingerprint),
        ("listings", tags.get("data_fingerprint", "")),
        ("columns that were offered", tags.get("columns_fingerprint", "")),
        ("forest", tags.get("forest_digest", "")),
        ("fine-tuned from the forest", tags.get("fine_tuned_from", "")),
        ("manifest of the artifact", tags.get("artifact_sha256", "")),
        ("signature of the manifest", "yes" if "artifact_signature" in tags else "none: no signing key is set"),
    )
    return Section(
        "Lineage",
        ("What it was made of, as digests (SHA-256) and identifiers: equal ones are equal things.",),
        tables=(
            Table("Made of", ("what", "which"), tuple((name, value) for name, value in named if value), 2),
            Table("Parameters of the training", ("parameter", "value"), tuple(sorted(parameters.items())), 2),
        ),
    )
