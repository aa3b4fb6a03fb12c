"""Addresses of the pages about devices and users."""

from __future__ import annotations

from django.urls import path

from devices.pages.views import DeviceList, DevicePage, DevicesExport, UserList, UserPage, UsersExport

urlpatterns = [
    path("devices/", DeviceList.as_view(), name="devices"),
    path("devices/devices.csv", DevicesExport.as_view(), name="devices-export"),
    path("devices/<int:pk>/", DevicePage.as_view(), name="device"),
    path("users/", UserList.as_view(), name="users"),
    path("users/users.csv", UsersExport.as_view(), name="users-export"),
    path("users/<int:pk>/", UserPage.as_view(), name="user"),
]
