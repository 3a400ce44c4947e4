"""PostgreSQL behind PgBouncer in transaction mode."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.db import connection

from tests.elsewhere.pooler import pooler, program
from tests.elsewhere.running import database, run_flows

pytestmark = [pytest.mark.slow, pytest.mark.database, pytest.mark.timeout(300), pytest.mark.usefixtures("server")]


def test_transaction_mode(tmp_path: Path) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("PgBouncer is PostgreSQL's")
    program()
    with database("pooler", "TEMPLATE template0") as name, pooler() as port:
        run_flows(tmp_path, "pooler_flows.py", reuse=True, ELSEWHERE_DATABASE=name, ELSEWHERE_PORT=str(port))
