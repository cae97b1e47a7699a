"""Admits rows to the listings: the source's and labelled ones, less what is quarantined; every row is counted."""

from dataclasses import dataclass

import pandas as pd

from housing_assets.inference.market import Market
from housing_assets.listings.cleaning import ROW, Cleaned, account_rows
from housing_assets.listings.labelled import join_labelled
from housing_assets.listings.origins import ORIGIN, SYNTHETIC
from housing_assets.listings.outliers import sift_prices


@dataclass(frozen=True)
class Admission:
    """What became of all rows.

    Attributes
    ----------
    listings : DataFrame of shape (n_listings, 4 + n_values)
        As ``join_labelled`` returns them, those of implausible price left out.
    quarantined : DataFrame of shape (n_quarantined, 5 + n_raw_columns)
        As ``clean`` returns them, with those of implausible price.
    counts : dict of str to int
        Rows by what became of them.
    fault : str or None
        What is wrong with the account of the source's rows, if anything.
    """

    listings: pd.DataFrame
    quarantined: pd.DataFrame
    counts: dict[str, int]
    fault: str | None


def admit(market: Market, raw: pd.DataFrame, cleaned: Cleaned, labelled: pd.DataFrame) -> Admission:
    """Put labelled listings behind those of the source, quarantine implausible prices, and account for every row.

    Parameters
    ----------
    market : Market
    raw : DataFrame of shape (n_rows, n_columns)
        What was read from the source, with its origin.
    cleaned : Cleaned
        What became of it.
    labelled : DataFrame
        As ``type_labelled`` returns them.
    """
    synthetic = bool((raw[ORIGIN] == SYNTHETIC).any())
    joined = join_labelled(market, cleaned.listings, labelled, n_rows=len(raw), synthetic=synthetic)
    listings, implausible = sift_prices(market, joined.listings, raw)
    quarantined = pd.concat([cleaned.quarantined, implausible], ignore_index=True)
    of_source = listings[listings[ROW] < len(raw)]
    return Admission(
        listings,
        quarantined,
        {
            "rows_read": len(raw),
            "listings": len(of_source),
            "quarantined": len(quarantined),
            "implausible_prices": len(implausible),
            "duplicates_removed": len(cleaned.duplicates),
            "labelled_rows": len(listings) - len(of_source),
            "labelled_known_already": joined.known_already,
            "labelled_of_another_kind": joined.of_another_kind,
        },
        account_rows(len(raw), of_source, quarantined[quarantined[ROW] < len(raw)], cleaned.duplicates),
    )
