"""Addresses of the pages about servers."""

from __future__ import annotations

from typing import Any

from django.urls import URLPattern, path

from servers.carriers.views import CarrierDeletePage, CarrierListPage, CarrierPage, DetectPage
from servers.kind import NOTIFICATION_SERVER, SECURE_HUB_PUSH, Kind
from servers.kinds import KINDS
from servers.testing.views import TestedServerPage, TestPage, TestView
from servers.views import ActivateView, ForgetView, PushListPage, ServerDeletePage, ServerListPage, TryAgainView

_CARRIERS = "settings/carrier-sms-gateway/"
_LIST = "settings/notification-server/"


def of_kind(kind: Kind[Any]) -> list[URLPattern]:
    """The pages of one kind of server."""
    place, page, test = f"{_LIST}{kind.value}/", TestedServerPage.of(kind).as_view(), TestView.of(kind).as_view()
    return [
        path(f"{place}add/", page, name=f"{kind.address}-add"),
        path(f"{place}test/", test, name=f"{kind.address}-test"),
        path(f"{place}<int:pk>/test/", test, name=f"{kind.address}-test"),
        path(f"{place}<int:pk>/", page, name=kind.address),
    ]


urlpatterns = [
    path(_LIST, ServerListPage.as_view(), name=NOTIFICATION_SERVER),
    path("settings/secure-hub-push/", PushListPage.as_view(), name=SECURE_HUB_PUSH),
    *(pattern for kind in KINDS.values() for pattern in of_kind(kind)),
    path(f"{_LIST}tests/<uuid:pk>/", TestPage.as_view(), name="server-test"),
    path(f"{_LIST}<int:pk>/activate/", ActivateView.as_view(), name="server-activate"),
    path(f"{_LIST}<int:pk>/try-again/", TryAgainView.as_view(), name="server-try-again"),
    path(f"{_LIST}<int:pk>/forget/", ForgetView.as_view(), name="server-forget"),
    path(f"{_LIST}<int:pk>/delete/", ServerDeletePage.as_view(), name="server-delete"),
    path(_CARRIERS, CarrierListPage.as_view(), name="carrier-gateways"),
    path(f"{_CARRIERS}add/", CarrierPage.as_view(), name="carrier-gateway-add"),
    path(f"{_CARRIERS}detect/", DetectPage.as_view(), name="carrier-gateway-detect"),
    path(f"{_CARRIERS}<int:pk>/", CarrierPage.as_view(), name="carrier-gateway"),
    path(f"{_CARRIERS}<int:pk>/delete/", CarrierDeletePage.as_view(), name="carrier-gateway-delete"),
]
