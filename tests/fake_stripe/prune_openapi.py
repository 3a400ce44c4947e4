"""Write the pruned copy of Stripe's API description that the fake checks requests against.

Usage: ``python tests/fake_stripe/prune_openapi.py path/to/spec3.json.gz``. The source is published by Stripe under the
MIT licence at https://github.com/stripe/openapi. Kept: the parameters of the operations below, and the schemas of
the objects that the fake renders, without descriptions. What an object can be expanded to is reduced to "an object"
unless the fake renders that object too.
"""

from __future__ import annotations

import gzip
import json
import pathlib
import re
import sys
from typing import Any

OUTPUT = pathlib.Path(__file__).with_name("openapi.json.gz")

#: First path segments below /v1/ whose operations are kept whole.
KEPT_RESOURCES = (
    "account",
    "account_links",
    "accounts",
    "application_fees",
    "balance",
    "billing/meter_event_adjustments",
    "billing/meter_events",
    "billing/meters",
    "billing_portal/configurations",
    "billing_portal/sessions",
    "charges",
    "checkout/sessions",
    "coupons",
    "credit_notes",
    "customers",
    "disputes",
    "events",
    "invoice_payments",
    "invoiceitems",
    "invoices",
    "payment_intents",
    "payment_methods",
    "plans",
    "prices",
    "products",
    "promotion_codes",
    "refunds",
    "setup_intents",
    "subscription_items",
    "subscription_schedules",
    "subscriptions",
    "transfers",
    "webhook_endpoints",
)

#: Objects whose response schema is kept, with whatever it refers to.
KEPT_OBJECTS = (
    "account",
    "account_link",
    "application_fee",
    "billing.meter",
    "billing.meter_event",
    "billing.meter_event_summary",
    "billing_portal.session",
    "charge",
    "checkout.session",
    "coupon",
    "credit_note",
    "credit_note_line_item",
    "customer",
    "deleted_customer",
    "deleted_subscription_item",
    "discount",
    "dispute",
    "event",
    "fee_refund",
    "invoice",
    "invoice_payment",
    "invoiceitem",
    "item",
    "line_item",
    "payment_intent",
    "payment_method",
    "plan",
    "price",
    "product",
    "promotion_code",
    "refund",
    "setup_intent",
    "subscription",
    "subscription_item",
    "subscription_schedule",
    "transfer",
    "transfer_reversal",
    "webhook_endpoint",
)

DROPPED_KEYS = {"description", "title", "x-expandableFields", "x-resourceId", "x-stripeBypassValidation", "maxLength"}


def main(source: pathlib.Path) -> None:
    """Read the whole description at `source` and write the pruned one beside this file."""
    spec = json.loads(gzip.decompress(source.read_bytes()) if source.suffix == ".gz" else source.read_bytes())
    pruned = prune(spec)
    data = json.dumps(pruned, sort_keys=True, separators=(",", ":")).encode()
    OUTPUT.write_bytes(gzip.compress(data, 9, mtime=0))
    counts = f"{len(pruned['paths'])} paths, {len(pruned['schemas'])} schemas, {OUTPUT.stat().st_size} bytes"
    sys.stdout.write(f"{OUTPUT.name}: {counts}\n")


def prune(spec: dict[str, Any]) -> dict[str, Any]:
    """Return `{"version", "paths", "schemas"}`; a path maps a method to the schema of its parameters."""
    keep = re.compile(f"^/v1/({'|'.join(map(re.escape, KEPT_RESOURCES))})(/|$)")
    paths = {
        path: {
            method.upper(): request_schema(operation)
            for method, operation in item.items()
            if "operationId" in operation
        }
        for path, item in spec["paths"].items()
        if keep.match(path)
    }
    schemas: dict[str, Any] = {}
    pending = list(KEPT_OBJECTS)
    while pending:
        name = pending.pop()
        if name not in schemas:
            schemas[name] = response_schema(spec["components"]["schemas"][name])
            pending.extend(referred(schemas[name]))
    return {"version": spec["info"]["version"], "paths": paths, "schemas": schemas}


def request_schema(operation: dict[str, Any]) -> dict[str, Any]:
    """Return one object schema of everything that may be sent: form body and query parameters alike."""
    body = operation.get("requestBody", {}).get("content", {})
    schema = strip(body.get("application/x-www-form-urlencoded", {}).get("schema", {}))
    properties = dict(schema.get("properties", {}))
    required = list(schema.get("required", []))
    for parameter in operation.get("parameters", []):
        if parameter["in"] == "query":
            properties[parameter["name"]] = strip(parameter["schema"])
            if parameter.get("required"):
                required.append(parameter["name"])
    return {"type": "object", "properties": properties, "required": sorted(required)}


def response_schema(node: Any) -> Any:
    """Return a response schema as JSON Schema: nullable spelled out, foreign expansions reduced to an object."""
    if isinstance(node, list):
        return [response_schema(item) for item in node]
    if not isinstance(node, dict):
        return node
    expandable = "x-expansionResources" in node
    out: dict[str, Any] = {}
    for key, value in node.items():
        if key in DROPPED_KEYS or key in {"x-expansionResources", "nullable"}:
            continue
        if key == "properties":
            out[key] = {name: response_schema(schema) for name, schema in value.items()}
        elif key == "anyOf" and expandable:
            out[key] = expansions(value)
        else:
            out[key] = response_schema(value)
    return {"anyOf": [out, {"type": "null"}]} if node.get("nullable") else out


def expansions(options: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Keep the plain id and the objects that the fake renders; any other object is only known to be one."""
    kept = [response_schema(option) for option in options]
    return [
        {"type": "object"} if "$ref" in option and option["$ref"].rpartition("/")[2] not in KEPT_OBJECTS else option
        for option in kept
    ]


def strip(node: Any) -> Any:
    """Return `node` without descriptions and titles (properties of those names stay)."""
    if isinstance(node, list):
        return [strip(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {
        key: {name: strip(schema) for name, schema in value.items()} if key == "properties" else strip(value)
        for key, value in node.items()
        if key == "maxLength" or key not in DROPPED_KEYS
    }


def referred(node: Any) -> list[str]:
    """Return the names of the schemas that `node` refers to."""
    if isinstance(node, list):
        return [name for item in node for name in referred(item)]
    if not isinstance(node, dict):
        return []
    names = [name for value in node.values() for name in referred(value)]
    reference = node.get("$ref")
    return [*names, reference.rpartition("/")[2]] if isinstance(reference, str) else names


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    main(pathlib.Path(sys.argv[1]))
