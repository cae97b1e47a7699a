"""The console: pages on what the platform sees, decides and serves."""

import os
from typing import TYPE_CHECKING

from housing_assets.command_line.environment import QUIET, dagster_instance, read_serving_settings

if TYPE_CHECKING:
    from resources.serving_settings import ServingSettings


PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "5"}
"""MLflow's own would be minutes, in which nothing else is looked at."""


def console() -> None:
    """Serve pages on what the platform sees, decides and serves.

    They are read-only, and need neither the lineage page nor MLflow's server nor the service to run.
    """
    settings = read_serving_settings()
    with dagster_instance(settings) as instance:
        import uvicorn

        from housing_assets.command_line.servers import require_free
        from housing_assets.console.app import build_app
        from housing_assets.console.links import Links
        from housing_assets.console.pages import Pages
        from housing_assets.console.sources import Platform
        from housing_assets.console.watch import Watch
        from housing_assets.market_loading import load_market

        host, port = str(settings.console_host), settings.console_port
        require_free(host, port, host_setting="HOUSING_CONSOLE_HOST", port_setting="in HOUSING_CONSOLE_PORT")
        for name, value in {**QUIET, **PATIENCE}.items():
            os.environ.setdefault(name, value)
        links = Links(settings.lineage_url.rstrip("/"), _mlflow(settings), settings.model_name, settings.key_prefix)
        watch = Watch(Platform(settings, instance, _service(settings)))
        print(f"the console reads what lies there; then it answers on http://{host}:{port}", flush=True)
        uvicorn.run(
            build_app(Pages(load_market(settings.market).title, links), watch),
            host=host,
            port=port,
            log_level="warning",
            server_header=False,
        )


def _mlflow(settings: "ServingSettings") -> str:
    served = settings.mlflow_uri if settings.mlflow_uri.startswith(("http://", "https://")) else None
    return (settings.mlflow_url or served or "http://localhost:5000").rstrip("/")


def _service(settings: "ServingSettings") -> str:
    here = "127.0.0.1" if settings.host.is_unspecified else str(settings.host)
    address = f"[{here}]" if ":" in here else here
    return (settings.console_service or f"http://{address}:{settings.port}").rstrip("/")
