"""Drafts the features that are made of columns: bins, cells of the map, what is weighed, and crosses with places."""

from collections.abc import Iterator, Sequence

from housing_assets.drafting.layout import Brackets, Comment, Item, quote, tuple_of
from housing_assets.drafting.naming import Named, free_name
from housing_assets.inference.declaration import FEATURE_NUMBERS, Role
from housing_assets.inference.rules import Coordinate, Rooms

MAX_CROSSED = 50
"""Distinct texts, or numbers, of what is crossed with places."""

MAX_CROSSES = 3
"""Categories, and as many counts, that a place is crossed with."""

MOSTLY_MISSING = 0.5
"""Share of rows without it from which on a value is neither crossed nor weighed."""

SIDES = (1, 4)
"""Kilometres."""


def draft_features(
    columns: Sequence[Named], size: Named | None, places: Sequence[Named], taken: set[str]
) -> Iterator[Item]:
    """Yield the arguments of a market that declare features.

    Parameters
    ----------
    columns : sequence of Named
    size : Named or None
        The size of a home.
    places : sequence of Named
        Texts that tell where it is, the most particular first.
    taken : set of str
        Names that are taken; those of features are added.
    """
    where = [place.names[0] for place in places]
    bins: list[Item] = []
    binned, counts = [], []
    if size is not None and _lowest(size) >= 0:
        binned.append(free_name(f"{size.names[0]}_bin", taken))
        bins.append(Brackets("Bin", (quote(binned[0]), quote(size.names[0]), "per_log_unit=10")))
    for column in [one for one in columns if _is_count(one)][:MAX_CROSSES]:
        counts.append(free_name(f"{column.names[0]}_exact", taken))
        bins.append(Brackets("Bin", (quote(counts[-1]), quote(column.names[0]))))
    if bins:
        yield Comment("Numbers as texts, to be crossed; with per_log_unit=10, homes whose sizes differ by a tenth.")
        yield tuple_of("bins=", *bins)
    grids, cells = _grids(columns, taken)
    if grids:
        yield Comment("Cells of the map, of this length at a side.")
        yield tuple_of("grids=", *cells)
    if weighed := list(_linear(columns)):
        yield Comment("Numbers that the linear scores weigh: of sizes each percent counts the same.")
        yield tuple_of("linear=", *weighed)
    kinds = [one.names[0] for one in columns if _is_kind(one) and one not in places][:MAX_CROSSES]
    crosses = [(place, other) for place in [*where[:1], *grids] for other in [*binned, *kinds, *counts]]
    if crosses:
        yield Comment("Combinations that are features of their own: a place with what matters there.")
        yield tuple_of("crosses=", *(tuple_of("", *map(quote, cross)) for cross in crosses))
    if where:
        yield tuple_of("segments=", *map(quote, where[:2]))
    if fallback := [*where[:1], *binned]:
        yield tuple_of("fallback=", *map(quote, fallback))


def _grids(columns: Sequence[Named], taken: set[str]) -> tuple[list[str], list[Item]]:
    latitudes = [one for one in columns if one.guess.rule == Coordinate()]
    longitudes = [one for one in columns if isinstance(one.guess.rule, Coordinate) and one not in latitudes]
    if len(latitudes) != 1 or len(longitudes) != 1:
        return [], []
    names = [free_name(f"cell_{km}km", taken) for km in SIDES]
    ends = (quote(latitudes[0].names[0]), quote(longitudes[0].names[0]))
    return names, [Brackets("Grid", (quote(name), *ends, f"km={km}")) for name, km in zip(names, SIDES, strict=True)]


def _linear(columns: Sequence[Named]) -> Iterator[Item]:
    for column in [one for one in columns if one.guess.missing <= MOSTLY_MISSING]:
        for position, role in enumerate(column.guess.roles):
            if role in FEATURE_NUMBERS and column.guess.bounds[position].n_numbers:
                is_log = column.guess.is_size and _lowest(column) >= 0
                yield Brackets("LinearNumber", (quote(column.names[position]), *(("log=True",) if is_log else ())))


def _lowest(column: Named) -> float:
    return column.guess.bounds[0].minimum


def _is_count(column: Named) -> bool:
    guess = column.guess
    is_counted = guess.roles[0] is Role.ORDINAL or isinstance(guess.rule, Rooms)
    return is_counted and _can_be_crossed(column)


def _is_kind(column: Named) -> bool:
    guess = column.guess
    return guess.roles == (Role.CATEGORY,) and not guess.personal and _can_be_crossed(column)


def _can_be_crossed(column: Named) -> bool:
    return 2 <= column.guess.distinct <= MAX_CROSSED and column.guess.missing <= MOSTLY_MISSING
