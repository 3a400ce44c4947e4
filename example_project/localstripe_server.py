"""Run localstripe on the loopback address only, with a store of its own.

localstripe's own command listens on every address and keeps its store in a fixed file of the temporary directory, which
any user of the machine can put there and which it unpickles. localstripe is GPL: it runs in this process alone, and
nothing of the site imports it.

    python localstripe_server.py --port 8420 --store .demo/localstripe
"""

from __future__ import annotations

import argparse
import logging
import os
import pickle
import runpy
from pathlib import Path
from typing import Any

LOOPBACK = "127.0.0.1"
STORE = "localstripe.pickle"
SECONDS_FOR_OPEN_REQUESTS = 2


def keep_store_in(folder: Path, store: dict[str, Any], *, from_scratch: bool) -> None:
    """Load localstripe's store from ``folder``, and make it save itself there."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / STORE
    if path.exists() and not from_scratch:
        store.update(pickle.loads(path.read_bytes()))  # noqa: S301 (written below, into a directory of our own)

    def dump_to_disk(self: dict[str, Any]) -> None:
        # In one step, so that a process that is killed leaves a whole store behind.
        unfinished = path.with_suffix(".unfinished")
        unfinished.write_bytes(pickle.dumps(self, protocol=pickle.HIGHEST_PROTOCOL))
        os.replace(unfinished, path)

    # On the class, where Python looks for it; an attribute of the store would be saved with it.
    type(store).dump_to_disk = dump_to_disk  # type: ignore[attr-defined]


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description="Run localstripe on the loopback address.")
    parser.add_argument("--port", type=int, default=8420)
    parser.add_argument("--store", type=Path, required=True, help="directory to keep customers and payments in")
    parser.add_argument("--from-scratch", action="store_true", help="forget what is kept there")
    options = parser.parse_args()
    localstripe = runpy.run_module("localstripe.server", run_name="localstripe.server")
    keep_store_in(options.store, localstripe["store"], from_scratch=options.from_scratch)
    access_log = logging.getLogger("aiohttp.access")
    access_log.setLevel(logging.DEBUG)
    access_log.addHandler(logging.StreamHandler())
    localstripe["web"].run_app(
        localstripe["app"],
        host=LOOPBACK,
        port=options.port,
        access_log=access_log,
        shutdown_timeout=SECONDS_FOR_OPEN_REQUESTS,
        print=None,
    )


if __name__ == "__main__":
    main()
