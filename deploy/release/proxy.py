"""The nginx before both sides, and the two files by which it is told which of them answers."""

import os
import string
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.release.sides import ADDRESSES, Address, Side

TEMPLATE = Path(__file__).with_name("proxy.conf")


class _Template(string.Template):
    delimiter = "%"  # nginx has variables of its own that begin with a dollar


@dataclass(frozen=True)
class Switch:
    """Tells the proxy which side answers; it takes effect with the next request.

    Attributes
    ----------
    folder : Path
        Where the proxy's workers look: ``green`` is there while green answers, ``watched`` while the other side stands
        by for what a new release fails to answer.
    """

    folder: Path

    @property
    def live(self) -> Side:
        """The side that answers."""
        return Side.GREEN if (self.folder / Side.GREEN).is_file() else Side.BLUE

    @property
    def is_watched(self) -> bool:
        """Whether the other side stands by: also after a swap that was killed before it could judge."""
        return self._watched.is_file()

    def turn_to(self, side: Side) -> None:
        """Let a side answer, with the other one standing by until ``settle``."""
        self._set(self._watched, True)
        self._set(self.folder / Side.GREEN, side is Side.GREEN)

    def settle(self) -> None:
        """Let the live side answer alone, so that the other one may end."""
        self._set(self._watched, False)

    @property
    def _watched(self) -> Path:
        return self.folder / "watched"

    def _set(self, file: Path, is_there: bool) -> None:
        if is_there:
            file.touch()
        else:
            file.unlink(missing_ok=True)
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(folder)  # a machine that restarts must not go back to what it was told before
        finally:
            os.close(folder)


def configuration(
    switch: Switch,
    addresses: Mapping[Side, Address] = ADDRESSES,
    *,
    listen: str = "3100",
    grpc_listen: str = "3101 http2",
    include: str = "/etc/nginx/housing.d/*.conf",
) -> str:
    """Return the configuration of nginx, for its ``http`` block.

    Parameters
    ----------
    switch : Switch
    addresses : mapping of Side to Address
    listen, grpc_listen : str
        As nginx's directive takes them: ``443 ssl``, say, and ``8443 ssl http2``.
    include : str
        Files for both servers, such as one that names certificates; a pattern may match none.
    """
    ports = {str(side): str(address.port) for side, address in addresses.items()}
    grpc_ports = {f"{side}_grpc": str(address.grpc_port) for side, address in addresses.items()}
    told = {"folder": str(switch.folder), "listen": listen, "grpc_listen": grpc_listen, "include": include}
    return _Template(TEMPLATE.read_text(encoding="utf-8")).substitute(ports | grpc_ports | told)
