from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import free_port, wait_for_port


@pytest.fixture(scope="session")
def localstripe_url() -> Iterator[str]:
    """Run localstripe as the example project's launcher takes its arguments."""
    port = free_port()
    launcher = Path(__file__).parent.parent.parent / "example_project" / "localstripe_server.py"
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(launcher), "--port", str(port), "--store", str(Path(folder) / "s.pickle")]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=dict(os.environ))
        try:
            wait_for_port(port, process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(10)
