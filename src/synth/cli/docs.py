"""``synth docs``: the project as pages."""

from __future__ import annotations

import os
from contextlib import suppress

import click

from synth.cli.options import Call, verb
from synth.cli.verbs import verbs
from synth.errors import RunError

_port = click.option("--port", default=8080, show_default=True, type=click.IntRange(0, 65535), help="Port; 0: any.")


@verbs.group()
def docs() -> None:
    """A site of the project: lineage, columns, plans, distributions, tests. It needs no network.

    \b
    Example:
      synth docs generate        write target/docs/index.html
      synth docs serve           and show it to a browser on this machine
    """


@verb(docs)
def generate(call: Call) -> None:
    """Write target/docs/index.html and catalog.json. Reads no private row: figures are of synthetic ones.

    Example: synth docs generate
    """
    index = call.project.docs()
    call.say(f"Wrote {os.path.relpath(index)}")


@verb(docs, _port, click.option("--no-browser", is_flag=True, help="Open none."))
def serve(call: Call, port: int, no_browser: bool) -> None:
    """Show the site to a browser on this machine: 127.0.0.1, until Ctrl-C.

    Example: synth docs serve --port 8080
    """
    import webbrowser

    from synth.site.serve import HOST, server

    folder = call.project.folder.docs
    if not (folder / "index.html").is_file():
        raise RunError("there is no site yet", "Write it: synth docs generate")
    with server(folder, port) as waiting:
        address = f"http://{HOST}:{waiting.server_port}/"
        call.say(f"Serving {os.path.relpath(folder)} at {address} (Ctrl-C ends it)")
        if not no_browser:
            webbrowser.open(address)
        with suppress(KeyboardInterrupt):
            waiting.serve_forever()
