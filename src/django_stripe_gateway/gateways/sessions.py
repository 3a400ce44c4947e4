"""What the providers' HTTP clients have in common: connections for all threads, and what a broken one means."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING

from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.exceptions import (
    GatewayConfigurationError,
    GatewayError,
    ProviderTimeout,
    ProviderUnavailable,
)

if TYPE_CHECKING:
    from requests import PreparedRequest, Session

logger = logging.getLogger(__name__)

# Seconds for the connection alone: long enough for two lost packets. Whatever the time-out, a dead host shows soon.
CONNECT_TIMEOUT = 5.0


def make_session(pool_size: int, auth: Callable[[PreparedRequest], PreparedRequest]) -> Session:
    """Return a session that threads and accounts can share.

    Args:
        auth: leaves the request's own ``Authorization``: a line of ``~/.netrc`` for the host would replace it.
    """
    import requests  # noqa: PLC0415

    session = requests.Session()
    # Cookies would be the only state that threads and accounts share through the session.
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.auth = auth
    adapter = requests.adapters.HTTPAdapter(pool_maxsize=pool_size)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


def timeouts() -> tuple[float, float]:
    """Return the seconds to wait for the connection, and for the answer."""
    return min(CONNECT_TIMEOUT, gateway_settings.timeout), gateway_settings.timeout


def connection_failure(error: BaseException | None, provider: str, setting: str) -> GatewayError:
    """Return the exception for a request without an answer.

    Args:
        error: of ``requests``, if it was one.
        provider: its label.
        setting: the one with the address.
    """
    from requests import exceptions  # noqa: PLC0415
    from urllib3.exceptions import ReadTimeoutError  # noqa: PLC0415

    causes = list(_causes(error))
    logger.warning("%s could not be reached: %s.", provider, ", ".join(type(cause).__name__ for cause in causes))
    if any(isinstance(cause, exceptions.Timeout | ReadTimeoutError | TimeoutError) for cause in causes):
        return ProviderTimeout(f"{provider} did not answer in time. Try again.")
    if isinstance(error, exceptions.InvalidURL | exceptions.MissingSchema | exceptions.InvalidSchema):
        return GatewayConfigurationError(
            f"The address of the {provider} API is not an http or https URL. Check {setting}."
        )
    if isinstance(error, exceptions.TooManyRedirects):
        return ProviderUnavailable(
            f"The {provider} API answered with a redirect, which is not followed. Check {setting}."
        )
    if isinstance(error, exceptions.SSLError):
        return ProviderUnavailable(f"The certificate of the {provider} API could not be verified.")
    return ProviderUnavailable(f"{provider} could not be reached. Try again.")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and what led to it: a body that stops halfway is a ReadTimeoutError in a ConnectionError."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
