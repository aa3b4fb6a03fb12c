"""Addresses of the pages about servers."""

from __future__ import annotations

from django.urls import path

from servers.carriers.views import CarrierDeletePage, CarrierListPage, CarrierPage, DetectPage
from servers.testing.views import SmsTestView, SmtpTestView, TestPage
from servers.views import (
    ActivateView,
    ForgetView,
    ServerDeletePage,
    ServerListPage,
    SmsGatewayPage,
    SmtpServerPage,
    TryAgainView,
)

_CARRIERS = "settings/carrier-sms-gateway/"
_LIST = "settings/notification-server/"

urlpatterns = [
    path(_LIST, ServerListPage.as_view(), name="notification-server"),
    path(f"{_LIST}smtp/add/", SmtpServerPage.as_view(), name="smtp-server-add"),
    path(f"{_LIST}smtp/test/", SmtpTestView.as_view(), name="smtp-server-test"),
    path(f"{_LIST}smtp/<int:pk>/test/", SmtpTestView.as_view(), name="smtp-server-test"),
    path(f"{_LIST}sms/add/", SmsGatewayPage.as_view(), name="sms-gateway-add"),
    path(f"{_LIST}sms/test/", SmsTestView.as_view(), name="sms-gateway-test"),
    path(f"{_LIST}sms/<int:pk>/test/", SmsTestView.as_view(), name="sms-gateway-test"),
    path(f"{_LIST}sms/<int:pk>/", SmsGatewayPage.as_view(), name="sms-gateway"),
    path(f"{_LIST}tests/<uuid:pk>/", TestPage.as_view(), name="server-test"),
    path(f"{_LIST}smtp/<int:pk>/", SmtpServerPage.as_view(), name="smtp-server"),
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
