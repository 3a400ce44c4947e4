"""``schema/`` and ``docs/``."""

from __future__ import annotations

import json
import subprocess
import sys
from io import StringIO
from typing import Any

import pytest
import yaml
from django.core.management import call_command
from django.test import Client
from django.urls import path as route
from drf_spectacular.generators import SchemaGenerator
from jsonschema import Draft202012Validator
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIClient

from django_stripe_gateway.api.base import GatewayAPIView
from django_stripe_gateway.api.payments.actions import RefundPaymentView
from tests.fake_stripe.server import FakeStripe
from tests.test_api.calls import ROOT, act, create

pytestmark = pytest.mark.django_db(transaction=True)

OPERATIONS = {
    ("get", "gateways/"): {200, 400, 401, 403, 429},
    ("get", "payments/"): {200, 400, 401, 403, 429},
    ("post", "payments/create_payment/"): {201, 400, 401, 402, 403, 409, 429, 500, 501, 502, 504},
    ("get", "payments/{payment_id}/"): {200, 401, 403, 404, 429},
    ("get", "payments/{payment_id}/logs/"): {200, 400, 401, 403, 404, 429},
    ("post", "payments/{payment_id}/capture_payment/"): {200, 400, 401, 403, 404, 409, 429, 500, 501, 502, 504},
    ("post", "payments/{payment_id}/capture_intent/"): {200, 400, 401, 403, 404, 409, 429, 500, 501, 502, 504},
    ("post", "payments/{payment_id}/confirm_intent/"): {200, 400, 401, 402, 403, 404, 409, 429, 500, 501, 502, 504},
    ("post", "payments/{payment_id}/cancel_payment/"): {200, 400, 401, 403, 404, 409, 429, 500, 501, 502, 504},
    ("post", "payments/{payment_id}/refund_payment/"): {200, 400, 401, 403, 404, 409, 429, 500, 501, 502, 504},
    ("get", "payments/{payment_id}/confirmation/"): {200, 302, 404, 429},
    ("post", "payments/{payment_id}/confirmation/"): {200, 302, 400, 402, 404, 409, 429, 500, 501, 502, 504},
    ("get", "payments/{payment_id}/fees/"): {200, 401, 403, 404, 409, 429, 500, 501, 502, 504},
    ("get", "payments/{payment_id}/success/"): {200, 302, 404, 429},
    ("get", "payments/{payment_id}/failure/"): {200, 302, 404, 429},
}
_CALLS = {401, 403, 429, 500, 501, 502, 504}
_CHANGES = {200, 400, 402, 404, 409, *_CALLS}
SUBSCRIPTION_OPERATIONS = {
    ("get", "subscriptions/plans/"): {200, 400, 429},
    ("get", "subscriptions/status/"): {200, 400, 401, 403, 429},
    ("get", "subscriptions/return/"): {200, 302, 404, 429},
    ("get", "subscriptions/invoices/"): {200, 400, 401, 403, 429},
    ("post", "subscriptions/subscribe/"): {201, 400, 402, 409, *_CALLS},
    ("post", "subscriptions/cancel/"): _CHANGES,
    ("post", "subscriptions/resume/"): _CHANGES,
    ("post", "subscriptions/change/"): _CHANGES,
    ("post", "subscriptions/cancel_change/"): _CHANGES,
    ("post", "subscriptions/trial/"): _CHANGES,
    ("post", "subscriptions/discount/"): _CHANGES,
    ("get", "subscriptions/items/"): {200, 400, 404, *_CALLS},
    ("post", "subscriptions/items/"): {201, *_CHANGES} - {200},
    ("post", "subscriptions/items/{item_id}/"): _CHANGES,
    ("delete", "subscriptions/items/{item_id}/"): _CHANGES - {402},
    ("post", "subscriptions/pause/"): _CHANGES,
    ("post", "subscriptions/unpause/"): _CHANGES,
    ("post", "subscriptions/invoices/{invoice_id}/pay/"): _CHANGES,
    ("post", "subscriptions/invoices/{invoice_id}/refund/"): _CHANGES - {402},
    ("post", "subscriptions/invoices/{invoice_id}/credit_note/"): _CHANGES - {402},
    ("post", "subscriptions/portal/"): {201, 400, 409, *_CALLS},
    ("get", "subscriptions/payment_methods/"): {200, *_CALLS},
    ("post", "subscriptions/payment_methods/"): {201, 400, 409, *_CALLS},
    ("delete", "subscriptions/payment_methods/{payment_method_id}/"): {204, 400, 404, 409, *_CALLS},
    ("post", "subscriptions/payment_methods/{payment_method_id}/default/"): {200, 400, 404, 409, *_CALLS},
    ("get", "subscriptions/me/limits/"): {200, 401, 403, 429},
    ("post", "subscriptions/me/usage/"): {201, 400, 401, 403, 409, 429},
}


@pytest.fixture
def document() -> Any:
    """Return the document that the API serves."""
    answer = Client().get(f"{ROOT}schema/", {"format": "json"})
    assert answer.status_code == 200
    return json.loads(answer.content)


def resolved(document: Any, schema: Any) -> Any:
    """Return ``schema`` so that its references are found."""
    return {**schema, "components": document["components"]}


def operations_below(document: Any, *prefixes: str) -> dict[tuple[str, str], Any]:
    """Return the operations whose path begins with a prefix, by method and path."""
    return {
        (method, path.removeprefix(ROOT)): operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if path.removeprefix(ROOT).startswith(prefixes)
    }


def payment_operations(document: Any) -> dict[tuple[str, str], Any]:
    """Return the operations of this part of the API by method and path."""
    return operations_below(document, "gateways/", "payments/")


def test_no_warnings() -> None:
    out = StringIO()
    call_command("spectacular", "--validate", "--fail-on-warn", stdout=out)
    assert yaml.safe_load(out.getvalue())["openapi"] == "3.1.0"


def test_every_operation_and_answer(document: Any) -> None:
    operations = payment_operations(document)
    assert {key: set(map(int, operation["responses"])) for key, operation in operations.items()} == OPERATIONS
    for operation in operations.values():
        assert operation["summary"]
        assert operation["tags"]
        assert operation["operationId"]


def test_every_operation_and_answer__subscriptions(document: Any) -> None:
    operations = operations_below(document, "subscriptions/")
    found = {key: set(map(int, operation["responses"])) for key, operation in operations.items()}
    assert found == SUBSCRIPTION_OPERATIONS


def test_words_come_from_docstrings(document: Any) -> None:
    operation = payment_operations(document)["post", "payments/{payment_id}/refund_payment/"]
    assert operation["summary"] == "Refund a payment, wholly or in part"
    assert operation["description"] == ("Can be repeated until nothing is left. A refund may stay `pending` for days.")
    assert "Refund a payment, wholly or in part." in str(RefundPaymentView.post.__doc__)
    ids = [entry["operationId"] for entry in operations_below(document, "").values()]
    assert len(ids) == len(set(ids))


class HostView(GatewayAPIView):
    """A host's own view, which declares nothing."""

    def get(self, request: Request, shelf: str) -> Response:
        """Show a shelf.

        From left
        to right.
        """
        raise NotImplementedError


def test_handler_that_declares_nothing() -> None:
    document = SchemaGenerator(patterns=[route("shelves/<str:shelf>/", HostView.as_view())]).get_schema(public=True)
    operation = document["paths"]["/shelves/{shelf}/"]["get"]
    assert operation["operationId"] == "shelves_retrieve"
    assert (operation["summary"], operation["description"]) == ("Show a shelf", "From left to right.")
    assert operation["tags"] == ["shelves"]
    assert [parameter["name"] for parameter in operation["parameters"]] == ["shelf"]
    assert list(operation["responses"]) == ["200"]


def test_openapi_31_whatever_the_host_has(document: Any) -> None:
    assert document["openapi"] == "3.1.0"
    assert document["info"]["title"] == "Payments"
    assert all(path.startswith(ROOT) for path in document["paths"])


def test_idempotency_key(document: Any) -> None:
    for (method, path), operation in payment_operations(document).items():
        names = [parameter["name"] for parameter in operation.get("parameters", [])]
        # What confirms is repeated as often as somebody presses the button.
        is_made_once = method == "post" and not path.endswith("confirmation/")
        assert ("Idempotency-Key" in names) == is_made_once, path


def test_return_pages_need_no_credentials(document: Any) -> None:
    for (_method, path), operation in payment_operations(document).items():
        is_public = not any(operation.get("security") or [])
        assert is_public == path.endswith(("success/", "failure/", "confirmation/"))


def test_examples_fit_their_schemas(document: Any) -> None:
    checked = 0
    for operation in payment_operations(document).values():
        bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
        for content in (entry for body in bodies for entry in body.get("content", {}).values()):
            schema = resolved(document, content["schema"])
            for example in content["examples"].values():
                Draft202012Validator(schema).validate(example["value"])
                checked += 1
    assert checked > 80


def test_examples_fit_their_schemas__subscriptions(document: Any) -> None:
    checked = 0
    for operation in operations_below(document, "subscriptions/").values():
        bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
        for content in (entry for body in bodies for entry in body.get("content", {}).values()):
            for example in content.get("examples", {}).values():
                Draft202012Validator(resolved(document, content["schema"])).validate(example["value"])
                checked += 1
    assert checked > 80


def test_change__answers_a_subscription_or_a_preview(document: Any) -> None:
    answer = operations_below(document, "subscriptions/")["post", "subscriptions/change/"]["responses"]["200"]
    component = answer["content"]["application/json"]["schema"]["$ref"].rsplit("/", 1)[1]
    shown = [schema["$ref"].rsplit("/", 1)[1] for schema in document["components"]["schemas"][component]["oneOf"]]
    assert shown == ["Subscription", "Preview"]


def test_payment_methods__are_a_page_of_a_list(api_client: APIClient, stripe_server: FakeStripe, document: Any) -> None:
    answer = api_client.get(f"{ROOT}subscriptions/payment_methods/")
    assert answer.json() == {"next": None, "previous": None, "results": []}
    documented = operations_below(document, "subscriptions/")["get", "subscriptions/payment_methods/"]["responses"]
    schema = documented["200"]["content"]["application/json"]["schema"]
    Draft202012Validator(resolved(document, schema)).validate(answer.json())


def test_answers_fit_their_schemas(intent_server: FakeStripe, api_client: APIClient, document: Any) -> None:
    created = create(api_client, payment_method="pm_card_visa", metadata={"a": 1})
    payment_id = created.json()["payment_id"]
    answers = {
        ("post", "payments/create_payment/", 201): created,
        ("post", "payments/{payment_id}/confirm_intent/", 200): act(api_client, payment_id, "confirm_intent"),
        ("post", "payments/{payment_id}/refund_payment/", 200): act(
            api_client, payment_id, "refund_payment", {"amount": "1"}
        ),
        ("post", "payments/{payment_id}/cancel_payment/", 409): act(api_client, payment_id, "cancel_payment"),
        ("get", "payments/{payment_id}/", 200): api_client.get(f"{ROOT}payments/{payment_id}/"),
        ("get", "payments/", 200): api_client.get(f"{ROOT}payments/"),
        ("get", "gateways/", 200): api_client.get(f"{ROOT}gateways/"),
        ("get", "payments/{payment_id}/logs/", 200): api_client.get(f"{ROOT}payments/{payment_id}/logs/"),
    }
    operations = payment_operations(document)
    for (method, path, status), answer in answers.items():
        assert answer.status_code == status, answer.content
        schema = operations[method, path]["responses"][str(status)]["content"]["application/json"]["schema"]
        Draft202012Validator(resolved(document, schema)).validate(answer.json())


def test_serializers_of_the_host(settings: Any) -> None:
    settings.STRIPE_GATEWAY_SERIALIZERS = {
        "CreatePayment": "tests.test_api.test_host_settings.ShopCreateSerializer",
        "Payment": "tests.test_api.test_host_settings.ShopPaymentSerializer",
    }
    document = json.loads(Client().get(f"{ROOT}schema/", {"format": "json"}).content)
    operation = document["paths"][f"{ROOT}payments/create_payment/"]["post"]
    name = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].rsplit("/", 1)[1]
    assert "billing_email" in document["components"]["schemas"][name]["properties"]
    assert "shop" in document["components"]["schemas"]["ShopPayment"]["properties"]


def test_yaml_by_default() -> None:
    assert yaml.safe_load(Client().get(f"{ROOT}schema/").content)["openapi"] == "3.1.0"


def test_docs__from_our_own_server() -> None:
    page = Client().get(f"{ROOT}docs/")
    assert page.status_code == 200
    text = page.content.decode()
    assert "/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js" in text
    assert "jsdelivr" not in text
    assert "//cdn" not in text
    script = Client().get(f"{ROOT}docs/", {"script": ""}).content.decode()
    assert f"{ROOT}schema/" in script


WITHOUT = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0].startswith("drf_spectacular"):
            raise ImportError(name)
sys.meta_path.insert(0, Absent())
from django.conf import settings
from tests import settings as ours
apps = [app for app in ours.INSTALLED_APPS if not app.startswith("drf_spectacular")]
values = {name: getattr(ours, name) for name in dir(ours) if name.isupper()}
values |= {"INSTALLED_APPS": apps, "REST_FRAMEWORK": {}}
settings.configure(**values)
import django
django.setup()
from django.core.management import call_command
call_command("check")
from django.urls import NoReverseMatch, reverse
print(reverse("django_stripe_gateway:payment-list"))
try:
    reverse("django_stripe_gateway:schema")
except NoReverseMatch:
    print("no schema")
"""


def test_without_drf_spectacular() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-2:] == [f"{ROOT}payments/", "no schema"]


def test_guests(settings: Any) -> None:
    """Where they may pay, the document says how."""
    for is_open in (False, True):
        settings.STRIPE_GATEWAY_GUEST_PAYMENTS = is_open
        document = json.loads(Client().get(f"{ROOT}schema/", {"format": "json"}).content)
        found = payment_operations(document)
        read, create = found["get", "payments/{payment_id}/"], found["post", "payments/create_payment/"]
        assert ("Guest-Token" in {parameter["name"] for parameter in read["parameters"]}) is is_open
        assert ({} in read["security"], {} in create["security"]) == (is_open, is_open)
        assert {} not in found["post", "payments/{payment_id}/refund_payment/"]["security"]
