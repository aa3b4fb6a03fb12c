"""Addresses of the pages about devices and users."""

from __future__ import annotations

from django.urls import path

from devices.import_runs import PATHS
from devices.pages import editing, groups, importing, preferences
from devices.pages.views import DeviceList, DevicePage, DevicesExport, UserList, UserPage, UsersExport

_DEVICES_IMPORT, _USERS_IMPORT = PATHS
urlpatterns = [
    path("devices/", DeviceList.as_view(), name="devices"),
    path("devices/devices.csv", DevicesExport.as_view(), name="devices-export"),
    path(_DEVICES_IMPORT, importing.DevicesUpload.as_view(), name="devices-upload"),
    path(f"{_DEVICES_IMPORT}<uuid:pk>/", importing.DevicesRun.as_view(), name="devices-import"),
    path(f"{_DEVICES_IMPORT}<uuid:pk>/faults.csv", importing.DevicesFaults.as_view(), name="devices-import-faults"),
    path("devices/columns/", preferences.DevicesColumns.as_view(), name="devices-columns"),
    path("devices/filters/", preferences.DevicesFilters.as_view(), name="devices-filters"),
    path("devices/filters/add/", preferences.DevicesFilterAdd.as_view(), name="devices-filter-add"),
    path("devices/filters/<int:pk>/delete/", preferences.DevicesFilterDelete.as_view(), name="devices-filter-delete"),
    path("devices/add/", editing.DeviceAddPage.as_view(), name="device-add"),
    path("devices/delete/", editing.DevicesDelete.as_view(), name="devices-delete"),
    path("devices/<int:pk>/", DevicePage.as_view(), name="device"),
    path("devices/<int:pk>/edit/", editing.DeviceEditPage.as_view(), name="device-edit"),
    path("devices/<int:pk>/delete/", editing.DeviceDeletePage.as_view(), name="device-delete"),
    path("groups/", groups.GroupList.as_view(), name="groups"),
    path("groups/add/", groups.GroupFormPage.as_view(), name="group-add"),
    path("groups/<int:pk>/", groups.GroupPage.as_view(), name="group"),
    path("groups/<int:pk>/rename/", groups.GroupFormPage.as_view(), name="group-rename"),
    path("groups/<int:pk>/delete/", groups.GroupDeletePage.as_view(), name="group-delete"),
    path("groups/<int:pk>/add/", groups.AddUsers.as_view(), name="group-add-users"),
    path("groups/<int:pk>/remove/", groups.RemoveUsers.as_view(), name="group-remove-users"),
    path("users/", UserList.as_view(), name="users"),
    path("users/users.csv", UsersExport.as_view(), name="users-export"),
    path(_USERS_IMPORT, importing.UsersUpload.as_view(), name="users-upload"),
    path(f"{_USERS_IMPORT}<uuid:pk>/", importing.UsersRun.as_view(), name="users-import"),
    path(f"{_USERS_IMPORT}<uuid:pk>/faults.csv", importing.UsersFaults.as_view(), name="users-import-faults"),
    path("users/columns/", preferences.UsersColumns.as_view(), name="users-columns"),
    path("users/filters/", preferences.UsersFilters.as_view(), name="users-filters"),
    path("users/filters/add/", preferences.UsersFilterAdd.as_view(), name="users-filter-add"),
    path("users/filters/<int:pk>/delete/", preferences.UsersFilterDelete.as_view(), name="users-filter-delete"),
    path("users/add/", editing.UserAddPage.as_view(), name="user-add"),
    path("users/delete/", editing.UsersDelete.as_view(), name="users-delete"),
    path("users/<int:pk>/", UserPage.as_view(), name="user"),
    path("users/<int:pk>/edit/", editing.UserEditPage.as_view(), name="user-edit"),
    path("users/<int:pk>/delete/", editing.UserDeletePage.as_view(), name="user-delete"),
]
