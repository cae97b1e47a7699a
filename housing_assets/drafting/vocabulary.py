"""What headers, months and units of ads mean in the languages that drafts are made from."""

import re

from housing_assets.inference.cells import fold

_HEADERS = {
    "price": r"price|preis|prix|preco|precio|prezzo|fiyat|cena|asking|miete|valor|amount|\brent\b",
    "derived_price": r"(?:^|[^a-z])(?:per|pro|por|par)(?:[^a-z]|$)|per(?:m2|sq|square)|/|status|type|currency|exact"
    r"|change|drop",
    "zip": r"zip|postal|postcode|post_code|plz|postleitzahl|\bcep\b",
    "latitude": r"^(?:lat(?:itude)?|breitengrad)$",
    "longitude": r"^(?:lon|lng|long|longitude|langengrad)$",
    "key": r"^(?:id|.*[_ ]id|uuid|guid|ad.?(?:no|id)|listing.?(?:no|id)|parcel.*|objektnummer|codigo)$",
    "contact": r"phone|telefon|mobile|mail|\burl\b|_url|url_|\blink\b|_link|website",
    "personal": r"owner|agent|seller|vendor|broker|makler|contact|street|strasse|address|adresse|endereco|direccion",
    "place": r"district|zip|postal|postcode|plz|city|town|neigh|suburb|borough|county|region|quarter|bairro|cidade"
    r"|stadt|ort$|bezirk|barrio|quartier|commune|arrondissement|ilce|mahalle",
    "size": r"sqft|sq_?ft|sq_?m|square|\barea|area\b|_area|surface|\bsize|size\b|m2|m²|flache|superficie|metragem",
    "year": r"(?:^|[^a-z])(?:yr|year|annee|ano)(?:[^a-z]|$)|built|baujahr",
}
"""Regular expressions of headers, folded (see ``cells.fold``)."""

_MONTHS = """
january february march april may june july august september october november december
jan feb mar apr may jun jul aug sep oct nov dec
januar februar marz april mai juni juli august september oktober november dezember
janvier fevrier mars avril mai juin juillet aout septembre octobre novembre decembre
enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre
janeiro fevereiro marco abril maio junho julho agosto setembro outubro novembro dezembro
gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre
januari februari maart april mei juni juli augustus september oktober november december
januari februari mars april maj juni juli augusti september oktober november december
stycznia lutego marca kwietnia maja czerwca lipca sierpnia wrzesnia pazdziernika listopada grudnia
ocak subat mart nisan mayis haziran temmuz agustos eylul ekim kasim aralik
"""
MONTHS = tuple(tuple(line.split()) for line in _MONTHS.strip().splitlines())
"""Names of the twelve months, a language a line, folded."""

_CURRENCIES = {
    "€": "EUR",
    "£": "GBP",
    "$": "USD",
    "us$": "USD",
    "r$": "BRL",
    "₺": "TRY",
    "tl": "TRY",
    "zł": "PLN",
    "kč": "CZK",
    "ft": "HUF",
    "₽": "RUB",
    "₹": "INR",
    "¥": "JPY",
    "fr.": "CHF",
}
_CODES = frozenset(
    "aud bgn brl cad chf clp cny cop czk dkk eur gbp huf idr ils inr jpy krw mxn nok nzd pln ron sek try usd".split()
)


def sounds_like(what: str, header: str) -> bool:
    """Return whether a header sounds like one of ``price``, ``zip``, ``key`` and so on."""
    return re.search(_HEADERS[what], fold(header.strip())) is not None


def is_header_of(what: str, header: str) -> bool:
    """Return whether a header is such a word and nothing else."""
    return re.fullmatch(_HEADERS[what], fold(header.strip())) is not None


def currency_of(unit: str) -> str | None:
    """Return the ISO 4217 code that a unit beside a price stands for, None where it may be any."""
    for word in unit.lower().split():
        if word in _CODES:
            return word.upper()
        if word in _CURRENCIES:
            return _CURRENCIES[word]
    return None
