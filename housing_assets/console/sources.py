"""Where the console reads: Dagster's event log, MLflow's registry, stored reports, and the logs beside them."""

from collections.abc import Sequence
from datetime import date, datetime

import dagster as dg

from housing_assets.console.check_history import CheckHistory
from housing_assets.console.days import LONGEST
from housing_assets.console.reports import Reports, StoredFigures
from housing_assets.console.service_health import ServiceHealth, ServiceProbe
from housing_assets.console.versions import Registered, Versions
from housing_assets.console.watch import MOST_ALERTS, MOST_DECISIONS
from housing_assets.monitoring.checks import REPORTS, specs
from resources.alerts import AlertLog, Raised
from resources.decision_log import DecisionLogs, Log, Recorded
from resources.judgements import Judgement
from resources.mlflow.registry import ModelRegistry
from resources.predictions.day_decisions import Days
from resources.predictions.store import PredictionStore
from resources.settings import Settings
from resources.values.opening import open_value_store


class Platform:
    """The sources of one market's platform.

    Parameters
    ----------
    settings : Settings
    instance : DagsterInstance
    service : str
        Address of the service.
    """

    def __init__(self, settings: Settings, instance: dg.DagsterInstance, service: str) -> None:
        prefix = settings.key_prefix
        key = settings.console_service_key
        self._probe = ServiceProbe(service, key.get_secret_value() if key else None)
        self._instance = instance
        self._history = CheckHistory(instance, check_keys(prefix), LONGEST)
        self._reports = reports_of(settings)
        self._versions = Versions(ModelRegistry(tracking_uri=settings.mlflow_uri, model_name=settings.model_name))
        self._store = PredictionStore(url=settings.prediction_store_url)
        self._alerts = AlertLog(settings.market_storage / "alerts.log")
        self._logs = DecisionLogs(prefix)

    def judgements(self, now: datetime) -> Sequence[Judgement]:
        """Return what the monitoring checks said."""
        return self._history.read(now)

    def figures(self) -> StoredFigures:
        """Return what stored reports say."""
        return self._reports.read()

    def report_page(self, day: date) -> bytes | None:
        """Return a day's drift report as a page, None where there is none."""
        return self._reports.page(day)

    def day_decisions(self) -> Days:
        """Return what was decided on days."""
        return self._store.days()

    def decisions(self) -> Sequence[Recorded]:
        """Return what the sensors decided, newest first."""
        found = [one for log in Log for one in self._logs.read(self._instance, log, MOST_DECISIONS)]
        return sorted(found, key=lambda one: (one.at, one.storage_id), reverse=True)

    def versions(self) -> Sequence[Registered]:
        """Return the registered versions, newest first."""
        return self._versions.read()

    def card_page(self, number: int) -> str | None:
        """Return the model card of a version as a page, None where there is none."""
        return self._versions.card(number)

    def alerts(self) -> Sequence[Raised]:
        """Return the alerts, newest first."""
        return self._alerts.recent(MOST_ALERTS)

    def service(self) -> ServiceHealth:
        """Return the health of the service."""
        return self._probe.ask()


def reports_of(settings: Settings) -> Reports:
    """Return the stored reports of the market that settings name."""
    cache = str(settings.storage / "cache")
    store = open_value_store(settings.values_location, cache=cache, cache_bytes=settings.cache_bytes)
    return Reports(store, settings.key_prefix)


def check_keys(prefix: Sequence[str]) -> list[dg.AssetCheckKey]:
    """Return the monitoring checks of the market whose keys have a prefix."""
    return [dg.AssetCheckKey(dg.AssetKey([*prefix, report]), spec.name) for report in REPORTS for spec in specs(report)]
