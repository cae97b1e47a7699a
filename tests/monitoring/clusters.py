"""Windows of requests that come together: each client sends the ads of one neighbourhood."""

import numpy as np
import pandas as pd


def draw_clients(listings: pd.DataFrame, rows: int, ads_each: int, seed: int) -> tuple[pd.DataFrame, pd.Series]:
    """Draw requests whose marginals are those of the listings: a client's neighbourhood is that of a listing drawn.

    Returns
    -------
    window : DataFrame of shape (n_rows, n_values)
    keys : Series of shape (n_rows,)
        Of the client that sent each.
    """
    rng = np.random.default_rng(seed)
    neighbourhoods = listings["neighbourhood"].cat.codes.to_numpy()
    of = {code: np.flatnonzero(neighbourhoods == code) for code in np.unique(neighbourhoods)}
    clients = rng.choice(neighbourhoods, size=-(-rows // ads_each))
    drawn = np.concatenate([rng.choice(of[code], size=ads_each) for code in clients])[:rows]
    keys = pd.Series(np.repeat(np.arange(len(clients)), ads_each)[:rows]).map("client-{}".format)
    return listings.iloc[drawn].reset_index(drop=True), keys
