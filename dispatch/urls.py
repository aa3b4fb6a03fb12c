"""Addresses of the pages about what is sent."""

from __future__ import annotations

from django.urls import path

from dispatch.dashboard.views import DashboardPage
from dispatch.log.bulk import LogBulk
from dispatch.log.trial_views import Trial, TrialResult
from dispatch.log.views import DeliveryHtml, DeliveryPage, Intervene, LogExport, LogPage
from dispatch.log.withheld_views import DecideWithheld

urlpatterns = [
    path("", DashboardPage.as_view(), name="dashboard"),
    path("settings/notification-templates/<int:pk>/test/", Trial.as_view(), name="template-trial"),
    path("log/", LogPage.as_view(), name="delivery-log"),
    path("log/bulk/", LogBulk.as_view(), name="delivery-log-bulk"),
    path("log/deliveries.csv", LogExport.as_view(), name="delivery-log-export"),
    path("log/withheld/<int:pk>/<str:decision>/", DecideWithheld.as_view(), name="withheld"),
    path("log/<uuid:pk>/", DeliveryPage.as_view(), name="delivery"),
    path("log/<uuid:pk>/result/", TrialResult.as_view(), name="delivery-result"),
    path("log/<uuid:pk>/html/", DeliveryHtml.as_view(), name="delivery-html"),
    path("log/<uuid:pk>/retry/", Intervene.as_view(do="retry"), name="delivery-retry"),
    path("log/<uuid:pk>/cancel/", Intervene.as_view(do="cancel"), name="delivery-cancel"),
    path("log/<uuid:pk>/sent/", Intervene.as_view(do="sent"), name="delivery-sent"),
]
