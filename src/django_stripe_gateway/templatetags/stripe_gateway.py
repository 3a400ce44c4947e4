"""Ask about plans in templates: ``{% load stripe_gateway %}``."""

from __future__ import annotations

from typing import Any

from django import template
from rest_framework.exceptions import NotAuthenticated

from django_stripe_gateway.api.owners import request_owner
from django_stripe_gateway.models import Plan
from django_stripe_gateway.subscriptions import active_plan as find_active_plan
from django_stripe_gateway.subscriptions import has_plan as find_plan

register = template.Library()


@register.simple_tag(takes_context=True)
def active_plan(context: template.Context) -> Plan | None:
    """Return the plan of the request's owner: ``{% active_plan as plan %}``; nothing for whoever is not logged in."""
    try:
        owner = request_owner(context["request"])
    except (KeyError, NotAuthenticated):
        return None
    return find_active_plan(owner)


@register.simple_tag(takes_context=True)
def has_plan(context: template.Context, *slugs: Any) -> bool:
    """Return whether the request's owner has one of some plans: ``{% has_plan "premium" as is_premium %}``."""
    try:
        owner = request_owner(context["request"])
    except (KeyError, NotAuthenticated):
        return False
    return find_plan(owner, *(str(slug) for slug in slugs))
