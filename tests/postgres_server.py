"""A PostgreSQL server of the tests' own, on a port of this machine, as long as the context lasts."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

PASSWORD = "s3cr3t%40word"  # as it stands in an address


@dataclass(frozen=True)
class Server:
    port: int
    data: Path
    binaries: Path
    user: str | None  # of the operating system: the server refuses to be root's

    def address(self, user: str = "owner", password: str = PASSWORD, database: str = "lab") -> str:
        return f"postgres://{user}:{password}@127.0.0.1:{self.port}/{database}"

    def control(self, *words: str) -> None:
        options = f"-F -p {self.port} -c listen_addresses=127.0.0.1 -k {self.data}"
        command = [self.binaries / "pg_ctl", "-D", self.data, "-l", self.data / "log", "-o", options, "-w", *words]
        subprocess.run(command, check=True, user=self.user, cwd=self.data, stdout=subprocess.DEVNULL)


def binaries() -> Path | None:
    """Where the server's programs are; None where they are not installed."""
    found = [Path(program) for program in [shutil.which("initdb")] if program]
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)
    return found[0].resolve().parent if found else None


@contextmanager
def server() -> Iterator[Server]:
    where = binaries()
    assert where is not None
    user = _other_than_root()
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as free:
        made = Server(free.getsockname()[1], Path(folder), where, user)
        password = made.data / "password"
        password.write_text(PASSWORD.replace("%40", "@"))
        if user:
            for path in (made.data, password):
                shutil.chown(path, user)
        initdb = [
            where / "initdb",
            "-D",
            made.data / "db",
            "-U",
            "owner",
            "-A",
            "scram-sha-256",
            f"--pwfile={password}",
        ]
        subprocess.run(
            [*initdb, "-E", "UTF8", "--no-sync"], check=True, user=user, cwd=folder, stdout=subprocess.DEVNULL
        )
        made = Server(made.port, made.data / "db", where, user)
        free.close()
        made.control("start")
        try:
            with psycopg.connect(made.address(database="postgres"), autocommit=True) as connection:
                connection.execute("create database lab")
            yield made
        finally:
            made.control("stop", "-m", "immediate")


def _other_than_root() -> str | None:
    if os.getuid():
        return None
    known = {user.pw_name for user in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in known)
