"""The command line: ``python -m housing_assets.listings.sample --rows 20000 --out ads.csv``."""

import argparse
import re
from collections.abc import Sequence
from datetime import date

from housing_assets.listings.sample.ads import synthetic_listings
from housing_assets.listings.sample.files import require_suffix, write_listings
from housing_assets.listings.sample.shift import Shift

_NUMBERS = {
    "--price-inflation": "rise of all prices; 0.6 is +60 %%",
    "--new-district-share": "share of ads in unseen districts",
    "--new-address-share": "share of ads in unseen neighbourhoods",
    "--gross-area-factor": "factor on GrossSquareMeters alone",
    "--concept-change": "0 to 1: exchange of district price levels",
}
_SETTINGS = {
    "--missing": ("COLUMN=SHARE", "share of a column to blank; may be repeated"),
    "--mix": ("KIND=FACTOR", "factor on a kind's frequency; may be repeated"),
}


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
        given |= {knob: dict(settings) for knob, settings in given.items() if isinstance(settings, list)}
        write_listings(synthetic_listings(rows, seed=seed, shift=Shift(**given), as_of=as_of), out)
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
    # What is not given is not handed on: the neutral values are Shift's own.
    knobs = parser.add_argument_group("shifts, to see what notices them", argument_default=argparse.SUPPRESS)
    for knob, meaning in _NUMBERS.items():
        knobs.add_argument(knob, type=float, help=meaning)
    for knob, (form, meaning) in _SETTINGS.items():
        knobs.add_argument(knob, type=_setting, action="append", metavar=form, help=meaning)
    knobs.add_argument("--only-district", metavar="DISTRICT", help="all ads in this district, such as kadikoy")
    knobs.add_argument("--outside-range", action="store_true", help="every number a thousand times too large")
    return parser


def _setting(text: str) -> tuple[str, float]:
    if not re.fullmatch(r".+=\d*\.?\d+", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a setting such as NAME=0.5")
    name, _, number = text.rpartition("=")
    return name, float(number)


if __name__ == "__main__":
    main()
