"""What ``--help`` of a command says before its options."""

from __future__ import annotations

import sys


def describe(module: str, detail: str | None) -> str:
    """Return what a command's file says that it does, and then what its class says of running it.

    In the body of a class ``__doc__`` is the class's own, which alone tells nobody what the command is for.
    """
    texts = (sys.modules[module].__doc__, detail)
    return " ".join(" ".join(text.split()) for text in texts if text)
