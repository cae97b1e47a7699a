"""Writes the secrets of ``deploy/compose.yaml``, those that are not there yet: ``make secrets``.

Each is a file that its containers see as ``/run/secrets/NAME``. Files whose names are in capitals become variables of
the environment there.
"""

import argparse
import base64
import hashlib
import secrets
from collections.abc import Mapping
from pathlib import Path

from bento_service.auth import new_key
from resources.signatures import new_key_pair

FOLDER = Path(__file__).with_name("secrets")

DATABASES = {
    "HOUSING_DAGSTER_STORE": ("postgresql+psycopg2", "dagster"),
    "HOUSING_PREDICTION_STORE": ("postgresql+psycopg", "predictions"),
    "MLFLOW_STORE": ("postgresql+psycopg", "mlflow"),
    "MLFLOW_AUTH_STORE": ("postgresql+psycopg", "mlflow_auth"),
}
"""By the secret that is its URL: what connects to a database, and its name."""


def write_secrets(folder: Path) -> list[str]:
    """Write what is missing in a folder, which only its owner may open, and return the names.

    The files themselves can be read by everybody: in their containers they belong to whoever wrote them here.
    """
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    written = []
    for group in (_database, _object_store, _mlflow, _web, _service_keys, _signing):
        made = group()
        missing = {name: text for name, text in made.items() if not (folder / name).exists()}
        if missing and len(missing) < len(made):
            there = ", ".join(sorted(made.keys() - missing.keys()))
            raise SystemExit(
                f"{folder} has {there}, which were made together with {', '.join(sorted(missing))}: delete the former "
                "to have all of them made anew, or bring the latter back"
            )
        for name, text in missing.items():
            (folder / name).write_text(text, encoding="utf-8")
            (folder / name).chmod(0o444)
            written.append(name)
    return written


def _database() -> Mapping[str, str]:
    password = secrets.token_urlsafe(24)
    urls = {name: f"{by}://housing:{password}@postgres:5432/{of}" for name, (by, of) in DATABASES.items()}
    return {"postgres_password": password, **urls}


def _object_store() -> Mapping[str, str]:
    return {
        "AWS_ACCESS_KEY_ID": f"HP{secrets.token_hex(9).upper()}",
        "AWS_SECRET_ACCESS_KEY": secrets.token_urlsafe(30),
    }


def _mlflow() -> Mapping[str, str]:
    return {
        "MLFLOW_TRACKING_USERNAME": "housing",
        "MLFLOW_TRACKING_PASSWORD": secrets.token_urlsafe(24),
        "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_urlsafe(32),
    }


def _web() -> Mapping[str, str]:
    password, salt = secrets.token_urlsafe(24), secrets.token_bytes(16)
    # RFC 2307, as nginx reads it; a fast hash is as good as a slow one for 24 random bytes.
    hashed = base64.b64encode(hashlib.sha1(password.encode() + salt, usedforsecurity=False).digest() + salt).decode()
    return {
        "web_password": password,
        "web_users": f"housing:{{SSHA}}{hashed}\n",
        "grafana_password": secrets.token_urlsafe(24),
    }


def _service_keys() -> Mapping[str, str]:
    client, of_client = new_key("client", ["predict", "feedback"])
    operator, of_operator = new_key("operator")
    metrics, of_metrics = new_key("prometheus", ["admin"])
    console, of_console = new_key("console", ["admin"])
    return {
        "HOUSING_API_KEYS": ",".join((of_client, of_operator, of_metrics, of_console)),
        "HOUSING_CONSOLE_SERVICE_KEY": console,
        "client_key": client,
        "operator_key": operator,
        "metrics_key": metrics,
    }


def _signing() -> Mapping[str, str]:
    private, public = new_key_pair()
    return {"HOUSING_SIGNING_KEY": private, "HOUSING_TRUSTED_SIGNERS": public}


def main() -> None:
    """Write what is missing, and say what was written."""
    parser = argparse.ArgumentParser(prog="python -m deploy.new_secrets", description=__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where to (default: %(default)s)")
    folder = parser.parse_args().folder
    written = write_secrets(folder)
    print(f"{folder}: {', '.join(written) if written else 'everything was there'}")


if __name__ == "__main__":
    main()
