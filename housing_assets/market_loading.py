"""Finds the declaration of a market: one of the package's by its name, or one of yours by the path of its file."""

from importlib import import_module
from pathlib import Path
from types import ModuleType

from housing_assets.inference.declaration import PRICE_KINDS, DeclarationError
from housing_assets.inference.market import Market

FOLDER = Path(__file__).parent / "markets"

RESERVED_NAMES = frozenset({
    "raw_listings", "labelled_listings", "listings", "price_bands", "crossed_features", "price_index",
    "hashed_features", "balanced_training_set", "best_params", "price_forest", "price_estimator", "model_comparison",
    "out_of_time_evaluation", "model_evaluation", "registered_model", "model_card", "price_bento",
    "production_predictions", "production_profile", "drift_report", "feature_validation_report", "performance_report",
    "reference_profile", "quarantined_listings", "prediction_store", "production_labels", "traffic_report",
    "input_report", "retraining_decisions", "rollback_decisions", "new_listings_decisions", "storage_retention",
    "assets", "cache", "checkpoints", "studies", "bentoml", "mlartifacts", "serving", "dagster", "demo", "keys",
    "defs", "features", "selection", "training", "packaging", "monitoring", "retention",
    "console", "exporter", "grpc",
})  # fmt: skip
"""Names of assets, of files in the storage, of modules and of what has a port, which a market's own would be mixed up
with: HOUSING_GRPC_PORT would be the port of a market grpc, too."""


def load_market(named: str) -> Market:
    """Return a market.

    Parameters
    ----------
    named : str
        The name of one of the package, or the path of a Python file that declares ``MARKET``.

    Raises
    ------
    DeclarationError
        If there is no such market, or its declaration cannot be used.
    """
    require_market(named)
    if named.endswith(".py"):
        market = _declared_in(_run(Path(named).expanduser()), named)
        if market.name != Path(named).stem:  # which settings tell its storage by, without running the file
            raise DeclarationError(
                f"the market's name is {market.name!r}: expected that of its file, {Path(named).stem!r}"
            )
        return market
    return _declared_in(import_module(f"housing_assets.markets.{named}"), named)


def require_market(named: str) -> None:
    """Refuse a market that there is not, without reading the declaration of one that there is.

    Raises
    ------
    DeclarationError
    """
    if named.endswith(".py"):
        if not Path(named).expanduser().is_file():
            raise DeclarationError(f"HOUSING_MARKET is {named!r}: there is no such file")
    elif named not in market_names():
        raise DeclarationError(
            f"HOUSING_MARKET is {named!r}: expected one of {', '.join(market_names())}, or the path of a file.py that "
            "declares MARKET"
        )


def market_names() -> list[str]:
    """Return the names of the package's markets."""
    return sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__")


def _run(path: Path) -> ModuleType:
    module = ModuleType(f"declared_market_{path.stem}")
    module.__file__ = str(path)
    try:
        # Not by an import, which takes a file that was edited within the second for the one it has compiled.
        code = compile(path.read_bytes(), path, "exec")
        exec(code, module.__dict__)  # noqa: S102 - the user's own declaration  # nosec B102
    except DeclarationError:
        raise
    except Exception as fault:
        raise DeclarationError(f"{path}: {type(fault).__name__}: {fault}") from fault
    return module


def _declared_in(module: ModuleType, named: str) -> Market:
    market = getattr(module, "MARKET", None)
    if not isinstance(market, Market):
        raise DeclarationError(f"{named}: expected a Market named MARKET, found {type(market).__name__}")
    require_free_name(market.name)
    if market.has_price and not market.price_kind:
        raise DeclarationError(
            f"price_kind of the target of {market.name} is not declared: expected {' or '.join(PRICE_KINDS)}, or the "
            "name of the value that says it of each row"
        )
    return market


def require_free_name(name: str) -> None:
    """Refuse the name of a market that the platform itself uses.

    Raises
    ------
    DeclarationError
    """
    if name in RESERVED_NAMES:
        raise DeclarationError(
            f"the market's name is {name!r}: the platform itself uses it; expected another, such as 'my_{name}'"
        )
