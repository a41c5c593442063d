"""A folder of pages for a browser on this machine, and for no other."""

from __future__ import annotations

from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HOST = "127.0.0.1"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None: ...


def server(directory: Path, port: int) -> ThreadingHTTPServer:
    """Bound, and not begun. OSError where the port is taken; 0 is any that is free."""
    return ThreadingHTTPServer((HOST, port), partial(_Quiet, directory=str(directory)))
