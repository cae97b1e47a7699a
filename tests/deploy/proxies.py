"""A real nginx with the configuration that releases are swapped behind."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.release.proxy import Switch, configuration
from deploy.release.sides import Address, Side
from resources.ports import free_port

nginx = shutil.which("nginx", path="/usr/sbin:/usr/bin:/sbin:/usr/local/bin")
needs_nginx = pytest.mark.skipif(not nginx, reason="no nginx (Debian: apt install nginx-light)")

AROUND = """
daemon off;
worker_processes 2;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log warn;
user {user};
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {folder}/bodies;
    proxy_temp_path {folder}/proxied;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {servers}
}}
"""


@contextmanager
def proxied(folder: Path, switch: Switch, addresses: Mapping[Side, Address]) -> Iterator[Address]:
    """Run nginx before both sides, and give the ports that it listens on."""
    listens = Address(free_port(), free_port())
    servers = configuration(
        switch,
        addresses,
        listen=f"127.0.0.1:{listens.port}",
        grpc_listen=f"127.0.0.1:{listens.grpc_port} http2",
        include=f"{folder}/more/*.conf",
    )
    file = folder / "nginx.conf"
    file.write_text(AROUND.format(folder=folder, servers=servers, user=folder.owner()))
    process = subprocess.Popen([nginx or "", "-c", file, "-e", folder / "nginx.log"])
    try:
        deadline = time.monotonic() + 10
        while not _listens(listens.port):
            assert process.poll() is None, (folder / "nginx.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield listens
    finally:
        process.terminate()
        process.wait(timeout=10)


def _listens(port: int) -> bool:
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0
