"""A cluster to compute on: its certificates, its scheduler and its workers."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from housing_assets.command_line.environment import read_settings
from housing_assets.command_line.faults import CommandError

if TYPE_CHECKING:
    from resources.settings import Settings

ALL_INTERFACES = "0.0.0.0"  # noqa: S104 - open to those with a certificate alone  # nosec B104

compute_app = typer.Typer(no_args_is_help=True)


@compute_app.callback()
def compute() -> None:
    """Run a Dask cluster, and make certificates for it.

    Its scheduler and its workers each read HOUSING_COMPUTE_CERTIFICATES, the folder of their own role.
    """


@compute_app.command()
def certificates(
    folder: Annotated[
        Path, typer.Argument(help="Folder of the authority, which is made if there is none.", metavar="FOLDER")
    ],
    days: Annotated[int, typer.Option(min=1, max=3_650, help="Days that the certificates are valid.")] = 365,
) -> None:
    """Make an authority, unless there is one, and certificates for the scheduler, workers and the platform.

    Each role has a folder, which HOUSING_COMPUTE_CERTIFICATES names there. authority.key belongs on no machine of the
    cluster: whoever has it, or a certificate, may run code on all of them. Run again, it renews the certificates.
    """
    from resources.compute.certificates import ROLES, make_certificates

    with _explained():
        make_certificates(folder, days)
    for role in ROLES:
        print(f"{role:<10} HOUSING_COMPUTE_CERTIFICATES={(folder / role).absolute()}")


@compute_app.command()
def scheduler(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = ALL_INTERFACES,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port to listen on; 0 takes a free one.")] = 8786,
) -> None:
    """Run the scheduler, which hands shards to workers."""
    folder = _certificates(_settings())
    from resources.compute.dask_servers import run_scheduler

    with _explained():
        run_scheduler(host, port, folder)


@compute_app.command()
def worker(
    processes: Annotated[int, typer.Option(min=1, max=256, help="Number of workers, of one thread each.")] = 1,
    memory: Annotated[
        str, typer.Option(help="Memory of each worker, such as 4GiB; auto divides that of the machine.")
    ] = "auto",
) -> None:
    """Run workers of the scheduler that HOUSING_COMPUTE names, until it ends.

    A worker that holds more than 95 % of its memory is ended and started again, and its shard is computed anew.
    """
    settings = _settings()
    if settings.compute == "local":
        raise CommandError("HOUSING_COMPUTE is local: it names the scheduler of a worker, tls://host:port")
    folder = _certificates(settings)
    from resources.compute.dask_servers import run_workers

    with _explained():
        run_workers(settings.compute, folder, processes, memory)


def _settings() -> "Settings":
    from importlib.util import find_spec

    if find_spec("distributed") is None:
        raise CommandError("Dask is not installed: install the extra, housing-price-platform[dask]")
    return read_settings()


def _certificates(settings: "Settings") -> Path:
    from resources.compute.certificates import require_certificates

    if settings.compute_certificates is None:
        raise CommandError("HOUSING_COMPUTE_CERTIFICATES is not set: `housing compute certificates FOLDER` makes it")
    with _explained("HOUSING_COMPUTE_CERTIFICATES: "):
        require_certificates(settings.compute_certificates)
    return settings.compute_certificates


@contextmanager
def _explained(about: str = "") -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as fault:
        raise CommandError(f"{about}{fault}") from fault
