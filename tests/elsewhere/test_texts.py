"""Databases that cannot hold every character."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.db import connection

from tests.elsewhere.running import database, run_flows

pytestmark = [pytest.mark.slow, pytest.mark.database, pytest.mark.timeout(300), pytest.mark.usefixtures("server")]

POSTGRES = "ENCODING '{}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
ENCODINGS = [
    ("postgresql", "LATIN1", POSTGRES),
    ("postgresql", "WIN1251", POSTGRES),
    ("postgresql", "SQL_ASCII", POSTGRES),
    ("mysql", "latin1", "CHARACTER SET {}"),
    ("mysql", "utf8mb3", "CHARACTER SET {}"),
]


@pytest.mark.parametrize(("vendor", "encoding", "creation"), ENCODINGS)
def test_encoding(tmp_path: Path, vendor: str, encoding: str, creation: str) -> None:
    if connection.vendor != vendor:
        pytest.skip(f"{encoding} is an encoding of {vendor}")
    with database(encoding.lower(), creation.format(encoding)) as name:
        further = {"ELSEWHERE_DATABASE": name, "ELSEWHERE_ENCODING": encoding}
        run_flows(tmp_path, "text_flows.py", reuse=True, **further)
