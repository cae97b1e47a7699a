"""What settings must be together: of a deployment, of a cluster, of an MLflow server.

Messages show no values that may be passwords.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

from resources.setting_names import PREFIX

Deployment = Literal["local", "production"]

SHIPPED_PASSWORDS = frozenset({"password", "password1234"})
"""Passwords of MLflow's user admin that earlier releases of it came with: everybody knows them."""


class _Form(NamedTuple):
    """What the text of a setting looks like, and how that is said."""

    pattern: re.Pattern[str]
    told: str


_IN_PRODUCTION = {
    "dagster_store": _Form(
        re.compile(r"postgresql\+psycopg2://.+"),
        "postgresql+psycopg2://..., the only driver that Dagster's statements suit",
    ),
    "prediction_store": _Form(re.compile(r"postgresql(\+[a-z0-9]+)?://.+"), "a PostgreSQL URL (postgresql://...)"),
    "object_store": _Form(re.compile(r"s3://[a-z0-9][a-z0-9.-]+(/[^?#]*)?"), "s3://bucket/prefix"),
    "tracking_uri": _Form(re.compile(r"https?://.+"), "the http(s) address of an MLflow server"),
}

_ONLY_IN_PRODUCTION = ("dagster_store", "object_store")

_SCHEDULER = re.compile(r"tls://(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):[0-9]{1,5}")


def require_deployment(deployment: Deployment, given: Mapping[str, str], needed: Mapping[str, str]) -> None:
    """Refuse what is missing or wrong for a deployment, all of it at once.

    Parameters
    ----------
    deployment : str
    given : mapping of str to str
        The places of what a deployment keeps, by the names of their settings; empty where none is set.
    needed : mapping of str to str
        The environment variables of those that production cannot do without, by the same names.

    Raises
    ------
    ValueError
    """
    faults = []
    if deployment == "production":
        for setting, variable in needed.items():
            form, text = _IN_PRODUCTION[setting], given[setting]
            if not form.pattern.fullmatch(text):
                faults.append(f"{variable} is {'wrong' if text else 'not set'}: expected {form.told}")
    else:
        faults += [f"{PREFIX}{setting.upper()} is set" for setting in _ONLY_IN_PRODUCTION if given[setting]]
    if faults:
        raise ValueError(f"{PREFIX}DEPLOYMENT is {deployment}, but {'; '.join(faults)}")


def require_own_password(tracking_uri: str | None, environment: Mapping[str, str]) -> None:
    """Refuse a password that MLflow was shipped with.

    Raises
    ------
    ValueError
    """
    given = {name: environment.get(name) for name in ("MLFLOW_TRACKING_PASSWORD", "MLFLOW_AUTH_ADMIN_PASSWORD")}
    uri = tracking_uri or ""
    if uri.startswith(("http://", "https://")):
        given["MLFLOW_TRACKING_URI"] = urlsplit(uri).password
    shipped = [name for name, password in given.items() if password in SHIPPED_PASSWORDS]
    if shipped:
        raise ValueError(
            f"{shipped[0]} has a password that MLflow was shipped with, which everybody knows: change that of the "
            "server's admin, and name a user of your own"
        )


def require_certified_cluster(scheduler: str, certificates: Path | None) -> None:
    """Refuse a cluster whose scheduler is not asked over TLS, or to which no certificate can be shown.

    Raises
    ------
    ValueError
    """
    if not _SCHEDULER.fullmatch(scheduler):
        raise ValueError(f"{PREFIX}COMPUTE is {scheduler!r}, expected local or tls://host:port")
    if certificates is None:
        raise ValueError(
            f"{PREFIX}COMPUTE_CERTIFICATES is not set, and {PREFIX}COMPUTE names a cluster: "
            "`housing compute certificates FOLDER` makes it"
        )
