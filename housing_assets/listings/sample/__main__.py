"""The command line: ``python -m housing_assets.listings.sample --rows 20000 --out ads.csv``."""

import argparse
from collections.abc import Sequence
from datetime import date

from housing_assets.listings.sample.ads import synthetic_listings
from housing_assets.listings.sample.files import require_suffix, write_listings
from housing_assets.listings.sample.knobs import add_shift, take_shift


def main(argv: Sequence[str] | None = None) -> None:
    """Write a file of synthetic ads, as the command line says.

    Raises
    ------
    SystemExit
        If an argument is out of its range.
    """
    parser = _parser()
    given = vars(parser.parse_args(argv))
    rows, seed, as_of, out = (given.pop(name) for name in ("rows", "seed", "as_of", "out"))
    try:
        require_suffix(out)
        write_listings(synthetic_listings(rows, seed=seed, shift=take_shift(given), as_of=as_of), out)
    except ValueError as error:
        parser.error(str(error))
    print(f"{rows:,} synthetic ads written to {out}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m housing_assets.listings.sample",
        description="Write SYNTHETIC real-estate ads in the raw layout of 38 columns; no ad in it is real.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--out", required=True, help="file to write: .csv, .csv.gz or .parquet")
    parser.add_argument("--rows", type=int, default=20_000, help="number of ads")
    parser.add_argument("--seed", type=int, default=0, help="another seed gives other ads of the same city")
    parser.add_argument("--as-of", type=date.fromisoformat, default=date(2022, 3, 4), help="day of the scrape")
    add_shift(parser)
    return parser


if __name__ == "__main__":
    main()
