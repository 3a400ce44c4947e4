"""Run a script or a module that ends with its parent.

    python supervised.py manage.py runserver        a script
    python supervised.py -m package.module --port 1 a module

The parent holds the other end of standard input: when it is gone, however it ended, reading here ends too.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading
from pathlib import Path


def end_with_parent() -> None:
    """Wait for the end of standard input, then ask this process to end."""
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    """Watch the parent, and become what the arguments name."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    here, *arguments = sys.argv
    if sys.path and Path(sys.path[0]).resolve() == Path(here).resolve().parent:
        del sys.path[0]
    if arguments[0] == "-m":
        sys.argv = arguments[1:]
        sys.path.insert(0, str(Path.cwd()))
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = arguments
        sys.path.insert(0, str(Path(arguments[0]).resolve().parent))
        runpy.run_path(arguments[0], run_name="__main__")


if __name__ == "__main__":
    main()
