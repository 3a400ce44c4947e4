"""What hosts call about usage: one path a thing, documented, and with keywords where a position would say nothing."""

from __future__ import annotations

import inspect
import re
from inspect import Parameter

import pytest

from django_stripe_gateway import usage
from tests.test_docs.blocks import DOCS

#: What reads well without a keyword: whose, of what, how much.
POSITIONAL = {"owner", "metric", "quantity", "reservation"}
FUNCTIONS = [name for name in usage.__all__ if inspect.isfunction(getattr(usage, name))]


def test_facade__is_documented() -> None:
    text = (DOCS / "reference" / "services.md").read_text(encoding="utf-8")
    assert set(re.findall(r":: django_stripe_gateway\.usage\.(\w+)", text)) == set(usage.__all__)


def test_facade__is_the_only_path_in_the_documentation() -> None:
    for page in DOCS.rglob("*.md"):
        if page.parent.name != "contributing":
            text = page.read_text(encoding="utf-8")
            assert not re.search(r"(services\.usage|api\.usage_limits|from django_stripe_gateway\.usage)\b", text), page


@pytest.mark.parametrize("name", FUNCTIONS)
def test_facade__keywords(name: str) -> None:
    parameters = inspect.signature(getattr(usage, name)).parameters.values()
    positional = {each.name for each in parameters if each.kind is not Parameter.KEYWORD_ONLY}
    assert positional <= POSITIONAL
