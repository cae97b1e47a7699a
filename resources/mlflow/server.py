"""How an MLflow server is started: tracking, the registry and its page, nothing else."""

SERVER_ENVIRONMENT = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
"""Without its job execution, which evaluates language models, a server is 4 processes instead of 12, of 0.5 GB instead
of 2.4 GB, and starts with a quarter of the CPU time."""


def server_command(database: str, port: int | str, artifacts: str = "") -> list[str]:
    """Return the command that serves a database on a port of this machine.

    Parameters
    ----------
    database : str
        SQLAlchemy URL.
    port : int or str
        Where a launcher fills it in, its placeholder.
    artifacts : str
        Folder or ``s3://bucket/prefix`` for the files of runs and versions, which the server hands out and takes in:
        its clients need no access to it.
    """
    command = ["mlflow", "server", "--backend-store-uri", database, "--port", str(port), "--workers", "1"]
    return [*command, *(["--artifacts-destination", artifacts] if artifacts else [])]
