from __future__ import annotations

import builtins
import json
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from django_stripe_gateway.gateways.paypal.certificates import (
    MAX_DOWNLOADS,
    UntrustedCertificate,
    check_address,
    keys,
)
from tests.fake_paypal.adapter import ToFake
from tests.fake_paypal.authority import DAY, LIVE_NAME, SANDBOX_NAME, Authority, elliptic_key, rsa_key, self_signed
from tests.fake_paypal.server import FakePayPal
from tests.test_paypal.conftest import Shop, refused

GOOD = "https://api.sandbox.paypal.com/v1/notifications/certs/CERT-360caa42-fca2a594"
BAD_ADDRESSES = [
    "",
    "http://api.sandbox.paypal.com/v1/notifications/certs/CERT-1",
    "HTTPS://api.sandbox.paypal.com/v1/notifications/certs/CERT-1",
    "ftp://api.sandbox.paypal.com/v1/notifications/certs/CERT-1",
    "file:///etc/passwd",
    "//api.sandbox.paypal.com/v1/notifications/certs/CERT-1",
    "https://api.paypal.com.evil.com/v1/notifications/certs/CERT-1",
    "https://evil.com/api.paypal.com/v1/notifications/certs/CERT-1",
    "https://evilpaypal.com/v1/notifications/certs/CERT-1",
    "https://api-paypal.com/v1/notifications/certs/CERT-1",
    "https://anything.paypal.com/v1/notifications/certs/CERT-1",
    "https://paypal.com/v1/notifications/certs/CERT-1",
    "https://api.paypal.com@evil.com/v1/notifications/certs/CERT-1",
    "https://evil.com@api.paypal.com/v1/notifications/certs/CERT-1",
    "https://user:pw@api.paypal.com/v1/notifications/certs/CERT-1",
    "https://api.paypal.com:443/v1/notifications/certs/CERT-1",
    "https://api.paypal.com:8443/v1/notifications/certs/CERT-1",
    "https://api.paypal.com:@evil.com/v1/notifications/certs/CERT-1",
    "https://api.paypal.com./v1/notifications/certs/CERT-1",
    "https://API.PAYPAL.COM/v1/notifications/certs/CERT-1",
    "https://127.0.0.1/v1/notifications/certs/CERT-1",
    "https://[::1]/v1/notifications/certs/CERT-1",
    "https://2130706433/v1/notifications/certs/CERT-1",
    "https://api.paypаl.com/v1/notifications/certs/CERT-1",  # noqa: RUF001 (a Cyrillic letter)
    "https://api。paypal。com/v1/notifications/certs/CERT-1",
    "https://xn--api-paypal.com/v1/notifications/certs/CERT-1",
    "https://api.paypal.com\\@evil.com/v1/notifications/certs/CERT-1",
    "https://evil.com\\.api.paypal.com/v1/notifications/certs/CERT-1",
    "https://api.paypal.com%2eevil.com/v1/notifications/certs/CERT-1",
    "https://api.paypal.com%00.evil.com/v1/notifications/certs/CERT-1",
    "https://api.paypal.com/v1/notifications/certs/../../evil",
    "https://api.paypal.com/v1/notifications/certs/%2e%2e/evil",
    "https://api.paypal.com/v1/notifications/certs/",
    "https://api.paypal.com/v1/notifications/certs/CERT-1/x",
    "https://api.paypal.com/v1/notifications/certs/CERT-1?next=https://evil.com",
    "https://api.paypal.com/v1/notifications/certs/CERT-1#evil",
    "https://api.paypal.com/v1/oauth2/token",
    "https://api.paypal.com/v1/notifications/certs/CERT-1\n",
    "https://api.paypal.com/v1/notifications/certs/CERT-1\r\nHost: evil.com",
    " https://api.paypal.com/v1/notifications/certs/CERT-1",
    "https://api.paypal.com/v1/notifications/certs/CERT-" + "1" * 200,
]

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("address", BAD_ADDRESSES)
def test_address__not_paypals(shop: Shop, event: Any, certificates: ToFake, address: str) -> None:
    for is_sandbox in (False, True):
        with pytest.raises(UntrustedCertificate):
            check_address(address, is_sandbox=is_sandbox)
    if address.isprintable() and address.isascii():
        refused(shop, event, cert_url=address)
    assert certificates.asked == []


@given(st.text(max_size=40), st.sampled_from(["https://{}", "https://api.paypal.com{}", "https://api{}.paypal.com"]))
def test_address__anything_else(text: str, template: str) -> None:
    address = template.format(text) + "/v1/notifications/certs/CERT-1"
    try:
        check_address(address, is_sandbox=True)
    except UntrustedCertificate:
        return
    assert address.partition("/v1/")[0] in (
        "https://api.paypal.com",
        "https://api-m.paypal.com",
        "https://api.sandbox.paypal.com",
        "https://api-m.sandbox.paypal.com",
    )


def test_address__sandbox_does_not_speak_for_live(shop: Shop, event: Any, certificates: ToFake, settings: Any) -> None:
    settings.STRIPE_GATEWAY_PAYPAL_SANDBOX = False
    refused(shop, event)
    assert certificates.asked == []
    # Even from a live host, the sandbox's certificate is another one.
    live = GOOD.replace("sandbox.", "")
    refused(shop, event, cert_url=live)
    issued = shop.fake.authority.issue(LIVE_NAME)
    shop.fake.certificates["CERT-live"] = issued.pem
    live = live.replace("CERT-360caa42-fca2a594", "CERT-live")
    assert shop.post(event, cert_url=live, signer=issued).status_code == 200


def test_address__redirect_is_not_followed(shop: Shop, event: Any) -> None:
    refused(shop, event, cert_url=GOOD.replace("CERT-360caa42-fca2a594", "CERT-moved"))
    assert shop.fake.downloads == ["CERT-moved"]


BAD_CERTIFICATES: dict[str, Any] = {
    "another authority": lambda a: Authority(1).issue(SANDBOX_NAME),
    "self-signed": lambda a: self_signed(SANDBOX_NAME),
    "expired": lambda a: a.issue(SANDBOX_NAME, starts=-30 * DAY, ends=-DAY),
    "not valid yet": lambda a: a.issue(SANDBOX_NAME, starts=DAY),
    "another name": lambda a: a.issue("shop.example.com"),
    "PayPal's name as common name only": lambda a: a.issue("shop.example.com", common_name=SANDBOX_NAME),
    "another common name": lambda a: a.issue(SANDBOX_NAME, common_name="shop.example.com"),
    "a name below PayPal's": lambda a: a.issue(f"{SANDBOX_NAME}.evil.com"),
    "for e-mail": lambda a: a.issue(SANDBOX_NAME, usage=x509.oid.ExtendedKeyUsageOID.EMAIL_PROTECTION),
    "not for signatures": lambda a: a.issue(SANDBOX_NAME, signs=False),
    "a small key": lambda a: a.issue(SANDBOX_NAME, key=rsa_key(800, 1024)),
    "the root itself": lambda a: a.root,
    "the intermediate": lambda a: a.intermediate,
}


@pytest.mark.parametrize("name", BAD_CERTIFICATES)
def test_certificate__untrusted(shop: Shop, event: Any, name: str) -> None:
    issued = BAD_CERTIFICATES[name](shop.fake.authority)
    shop.fake.certificates["CERT-bad"] = issued.pem
    address = GOOD.replace("CERT-360caa42-fca2a594", "CERT-bad")
    body = json.dumps(event).encode()
    headers = shop.fake.headers(body, signer=issued, cert_url=address)
    if name == "a small key":
        # Its signature is refused for its length already; a long one leads to the certificate.
        refused(shop, body, headers=headers)
        headers = shop.fake.headers(body, cert_url=address)
    refused(shop, body, headers=headers)
    assert shop.fake.downloads == ["CERT-bad"]
    # The address is remembered, so that it is not fetched each time.
    refused(shop, body, headers=headers)
    assert shop.fake.downloads == ["CERT-bad"]


def test_certificate__elliptic_key(shop: Shop, event: Any) -> None:
    issued = shop.fake.authority.issue(SANDBOX_NAME, key=elliptic_key())
    shop.fake.certificates["CERT-bad"] = issued.pem
    refused(shop, event, cert_url=GOOD.replace("CERT-360caa42-fca2a594", "CERT-bad"))


@pytest.mark.parametrize("content", [b"", b"not a certificate", b"-----BEGIN CERTIFICATE-----\nxx\n", b"x" * 70_000])
def test_certificate__none_there(shop: Shop, event: Any, content: bytes) -> None:
    shop.fake.certificates["CERT-bad"] = content
    refused(shop, event, cert_url=GOOD.replace("CERT-360caa42-fca2a594", "CERT-bad"))


def test_certificate__too_long_a_chain(shop: Shop, event: Any) -> None:
    shop.fake.certificates["CERT-360caa42-fca2a594"] = shop.fake.signer.pem * 5
    refused(shop, event)


def test_certificate__without_its_intermediate(shop: Shop, event: Any, tmp_path: Any, settings: Any) -> None:
    signer = shop.fake.signer
    shop.fake.certificates["CERT-360caa42-fca2a594"] = signer.certificate.public_bytes(Encoding.PEM)
    refused(shop, event)
    # Whoever knows the intermediate can name it as an authority.
    bundle = tmp_path / "intermediate.pem"
    bundle.write_bytes(shop.fake.authority.intermediate.pem)
    settings.STRIPE_GATEWAY_PAYPAL_CA_BUNDLE = str(bundle)
    assert shop.deliver(event) == ["ignored"]


def test_certificate__roots_of_the_public_web_do_not_know_the_test_authority(
    shop: Shop, event: Any, settings: Any
) -> None:
    settings.STRIPE_GATEWAY_PAYPAL_CA_BUNDLE = ""
    refused(shop, event)


def test_certificate__is_kept(shop: Shop, paypal: FakePayPal) -> None:
    for number in range(3):
        shop.deliver(paypal.event("X.Y", "x", {"id": f"X{number}"}))
    assert len(paypal.downloads) == 1


def test_certificate__no_bundle(shop: Shop, event: Any, settings: Any) -> None:
    settings.STRIPE_GATEWAY_PAYPAL_CA_BUNDLE = "/nowhere/bundle.pem"
    refused(shop, event)


def test_certificate__paypal_is_silent(shop: Shop, event: Any) -> None:
    shop.fake.fault("GET", "/v1/notifications/certs/*", kind="error_500_before")
    refused(shop, event, status=503)
    assert shop.deliver(event) == ["ignored"]


def test_certificate__too_many_at_once(shop: Shop, event: Any) -> None:
    for _ in range(MAX_DOWNLOADS):
        assert keys._downloads.acquire(blocking=False)
    assert shop.post(event).status_code == 503
    assert shop.fake.downloads == []


def test_certificate__cryptography_is_missing(shop: Shop, event: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("cryptography"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    body = json.dumps(event).encode()
    headers = shop.fake.headers(body)
    refused(shop, body, headers=headers)
