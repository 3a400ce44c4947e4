"""Who can log in to a development site. They are public, so nothing outside of development accepts them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Credentials:
    """The demo's two accounts."""

    username: str = "demo"
    password: str = "demo"
    token: str = "demo" * 10
    admin_username: str = "admin"
    admin_password: str = "admin"


CREDENTIALS = Credentials()
