"""URLs of the shop's pages."""

from __future__ import annotations

from django.urls import path

from shop import plan_views, usage_views, views

app_name = "shop"

urlpatterns = [
    path("", views.ProductsView.as_view(), name="products"),
    path("buy/<slug:slug>/", views.BuyView.as_view(), name="buy"),
    path("usage/", usage_views.UsageView.as_view(), name="usage"),
    path("orders/", views.OrdersView.as_view(), name="orders"),
    path("orders/<str:number>/", views.OrderView.as_view(), name="order"),
    path("orders/<str:number>/<slug:action>/", views.OrderActionView.as_view(), name="order-action"),
    path("plans/", plan_views.PlansView.as_view(), name="plans"),
    path("plans/choose/<int:pricing_id>/", plan_views.ChooseView.as_view(), name="choose-plan"),
    path("plans/<slug:action>/", plan_views.SubscriptionActionView.as_view(), name="plan-action"),
    # Where STRIPE_GATEWAY_SUCCESS_URL and STRIPE_GATEWAY_FAILURE_URL point.
    path("payments/<int:payment_id>/<slug:outcome>/", views.ReturnView.as_view(), name="return"),
]
