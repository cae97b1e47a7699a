"""The exporter: Dagster's runs, daemons and sensors, and what the monitoring says, as metrics for Prometheus."""

import os

from housing_assets.command_line.console import PATIENCE
from housing_assets.command_line.environment import QUIET, dagster_instance, read_settings, registry_of


def exporter() -> None:
    """Serve metrics of Dagster and of the monitoring.

    Prometheus reads them on /metrics, beside those of the service itself.
    """
    settings = read_settings()
    with dagster_instance(settings) as instance:
        import threading
        from functools import partial

        import typer
        from prometheus_client import start_http_server

        from housing_assets.command_line.processes import STOPPED, stopping
        from housing_assets.command_line.servers import require_free
        from housing_assets.console.check_history import CheckHistory
        from housing_assets.console.sources import check_keys, reports_of
        from housing_assets.exporter.exporter import Exporter
        from housing_assets.exporter.monitoring import LONGEST, read_champion, read_checks, read_performance
        from housing_assets.exporter.orchestration import read_code_locations, read_daemons, read_runs, read_ticks

        host, port, prefix = str(settings.exporter_host), settings.exporter_port, settings.key_prefix
        require_free(host, port, host_setting="HOUSING_EXPORTER_HOST", port_setting="in HOUSING_EXPORTER_PORT")
        for name, value in {**QUIET, **PATIENCE}.items():
            os.environ.setdefault(name, value)
        polled = Exporter(
            {
                "runs": partial(read_runs, instance),
                "daemons": partial(read_daemons, instance),
                "ticks": partial(read_ticks, instance),
                "code locations": partial(read_code_locations, settings.lineage_url.rstrip("/")),
                "checks": partial(read_checks, CheckHistory(instance, check_keys(prefix), LONGEST)),
                "reports": partial(read_performance, reports_of(settings)),
                "registry": partial(read_champion, registry_of(settings)),
            }
        )
        try:
            with stopping():
                polled.start()
                start_http_server(port, host, polled.registry)
                print(f"metrics on http://{host}:{port}/metrics", flush=True)
                threading.Event().wait()
        except KeyboardInterrupt:
            raise typer.Exit(STOPPED) from None
