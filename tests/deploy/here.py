"""The compose file for a machine whose container engine has no bridge and reaches no registry.

Every service uses the network of the machine, where the names of all are 127.0.0.1; the images of others are replaced
by one of Debian packages (``Dockerfile`` beside this file).
"""

from pathlib import Path
from typing import Any

import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"
PLATFORM, OTHERS = "housing_platform_under_test", "housing_compose_here"

_PROBE = "import urllib.request as r; r.urlopen('http://127.0.0.1:{}', timeout=4)"

REPLACED: dict[str, dict[str, Any]] = {
    "postgres": {"entrypoint": ["sh", "/postgres.sh"]},
    "object-store": {
        "entrypoint": ["/moto/bin/moto_server", "--port", "9000"],
        "healthcheck": {
            "test": ["CMD", "python", "-c", _PROBE.format("9000/moto-api/")],
            "interval": "2s",
            "retries": 60,
        },
    },
    "proxy": {},
    "prometheus": {"entrypoint": ["prometheus"]},
}
"""What differs for a program that comes from Debian, or is moto."""


def compose_here(secrets: Path, **environment: str) -> str:
    """Return the file for this machine.

    Parameters
    ----------
    secrets : Path
        Folder of the secrets.
    **environment : str
        Settings of the platform beside those of the file.
    """
    told: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    services = told["services"]
    services.pop("grafana")  # Debian has none
    for name, service in services.items():
        service.pop("networks", None)
        service.pop("ports", None)
        service.pop("cpus", None)
        service["network_mode"] = "host"
        service["extra_hosts"] = [f"{each}:127.0.0.1" for each in services]
        service["volumes"] = [each.replace("./", f"{DEPLOY}/") for each in service.get("volumes", ())]
        if name in REPLACED:
            service.update({"image": OTHERS} | REPLACED[name])
        else:
            service["image"] = PLATFORM
            service["environment"] = {**service.get("environment", {}), **environment}
    services["object-store"].pop("command")
    told.pop("networks")
    for secret in told["secrets"].values():
        secret["file"] = str(secrets / Path(secret["file"]).name)
    return yaml.safe_dump(told)
