"""Releases of the service on this machine, blue/green behind nginx. Needs Python 3.11 and Docker, and no package.

``configure`` prints what nginx needs; ``swap`` puts a release in place, or leaves the former one there; ``rollback``
goes back to the one before; ``status`` tells what answers, and what became of each release.
"""

import argparse
import fcntl
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from types import FrameType

from deploy.release.containers import Containers
from deploy.release.history import History
from deploy.release.probes import Probe, read_golden
from deploy.release.proxy import Switch, configuration
from deploy.release.sides import ADDRESSES
from deploy.release.swap import Limits, Swaps

KEY = "RELEASE_API_KEY"


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; 1 if a release was refused or rolled back."""
    chosen = _parser().parse_args(arguments)
    switch, history = Switch(chosen.folder), History(chosen.folder / "history.jsonl")
    if chosen.command == "configure":
        print(configuration(switch, listen=chosen.listen, grpc_listen=chosen.grpc_listen, include=chosen.include))
        return 0
    if chosen.command == "status":
        entries = history.entries()
        if not entries:
            print(f"nothing was released here: {chosen.folder} has no history")
            return 0
        print(f"{switch.live} answers{', watched' if switch.is_watched else ''}")
        for entry in entries:
            print(f"{entry.at} {entry.side:<5} {entry.release}: {entry.outcome} {entry.reason}".rstrip())
        return 0
    key = os.environ.get(KEY)
    if not key:
        raise SystemExit(f"{KEY} is not set: housing keys new release --scope predict --scope replay --scope admin")
    swaps = Swaps(
        Containers(chosen.docker_options.split()),
        switch,
        {side: Probe(address, key) for side, address in ADDRESSES.items()},
        read_golden(chosen.golden),
        history,
        Limits(**{field.name: getattr(chosen, field.name) for field in fields(Limits)}),
    )
    with _alone(chosen.folder):
        goes_back = chosen.command == "rollback"
        release = chosen.image or history.former_release()
        return 0 if swaps.swap(release, goes_back=goes_back).outcome == "accepted" else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="release", description=__doc__)
    parser.add_argument(
        "--folder", type=Path, default=Path("/var/lib/housing/release"), help="of the switch and the history"
    )
    commands = parser.add_subparsers(dest="command", required=True)
    configure = commands.add_parser("configure", help="print the configuration of nginx")
    configure.add_argument("--listen", default="3100", help="as nginx takes it, such as '443 ssl'")
    configure.add_argument("--grpc-listen", default="3101 http2", help="such as '8443 ssl http2'")
    configure.add_argument("--include", default="/etc/nginx/housing.d/*.conf", help="files for both servers")
    commands.add_parser("status", help="tell what answers, and what became of each release")
    swap = commands.add_parser("swap", help="put an image in place of the one that answers")
    swap.add_argument("image", help="named by its digest")
    rollback = commands.add_parser("rollback", help="go back to the release before")
    rollback.add_argument("image", nargs="?", help="another one than the release before")
    for command in (swap, rollback):
        command.add_argument("--golden", type=Path, required=True, help="model artifact: housing versions export")
        command.add_argument("--docker-options", default="", help="such as '--env-file /etc/housing/service.env'")
        for field in fields(Limits):
            command.add_argument(f"--{field.name.replace('_', '-')}", type=type(field.default), default=field.default)
    return parser


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Refuse a second swap on this machine, and end this one in order where it is asked to end."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SystemExit("another release is under way on this machine") from None
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, interrupt)
        yield


if __name__ == "__main__":
    sys.exit(main())
