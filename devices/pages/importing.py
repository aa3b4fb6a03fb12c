"""Import: a CSV file is uploaded and checked, its preview shown, then it is imported as that showed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.generic.base import TemplateResponseMixin

from console.kit.registry import Words
from console.kit.views import is_fragment
from devices import import_runs
from devices.import_runs import RefusedImportError
from devices.imports import Kind
from devices.limits import ScopedView
from devices.lines import ENCODINGS
from devices.models import ImportRun
from foundation import audit

_FOUND = ("", gettext_lazy("As found in the file"))
_HOLDS = {
    Kind.DEVICES: gettext_lazy("Devices"),
    Kind.USERS: gettext_lazy("Users and their groups"),
    Kind.ATTRIBUTES: gettext_lazy("Attributes of users"),
}


class UploadForm(forms.Form):
    kind = forms.ChoiceField(
        label=gettext_lazy("The file holds"),
        help_text=gettext_lazy(
            "In the form of an export, such as SerialNumber;IMEI;OperatingSystemFamily;name;value, or as a table with "
            "the names of the columns in its first line."
        ),
    )
    file = forms.FileField(
        label=gettext_lazy("CSV file"), max_length=255, widget=forms.FileInput(attrs={"accept": ".csv,.txt,text/csv"})
    )
    encoding = forms.ChoiceField(
        label=gettext_lazy("Encoding"), required=False, choices=[_FOUND, *((name, name) for name in ENCODINGS)]
    )
    delimiter = forms.ChoiceField(
        label=gettext_lazy("Separator"),
        required=False,
        choices=[
            _FOUND,
            (";", gettext_lazy("Semicolon")),
            (",", gettext_lazy("Comma")),
            ("tab", gettext_lazy("Tab")),
        ],
    )

    def __init__(self, *args: Any, kinds: tuple[Kind, ...], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["kind"].choices = [(kind.value, _HOLDS[kind]) for kind in kinds]  # type: ignore[attr-defined]


class ImportView(ScopedView):
    kinds: ClassVar[tuple[Kind, ...]] = ()

    def run(self) -> ImportRun:
        """That of whoever handed it in, and of nobody else."""
        mine = ImportRun.objects.filter(owner=self.request.user.pk, kind__in=self.kinds)
        return get_object_or_404(mine, pk=self.kwargs["pk"])

    def get_crumbs(self) -> list[tuple[Words, str]]:
        return [(gettext_lazy("Devices") if self.page == "devices" else gettext_lazy("Users"), reverse(self.page))]

    def address(self, name: str, run: ImportRun) -> str:
        return reverse(f"{self.page}-{name}", args=[run.pk])


class UploadPage(TemplateResponseMixin, ImportView):
    template_name = "devices/import.html"
    title = gettext_lazy("Import")

    def get(self, request: HttpRequest) -> HttpResponse:
        return self.render_to_response(self.get_context_data(form=UploadForm(kinds=self.kinds)))

    def post(self, request: HttpRequest) -> HttpResponse:
        form = UploadForm(request.POST, request.FILES, kinds=self.kinds)
        if form.is_valid():
            given, file = form.cleaned_data, form.cleaned_data["file"]
            try:
                run = import_runs.receive(
                    file.chunks(),
                    name=file.name or "",
                    kind=Kind(given["kind"]),
                    owner=request.user,  # type: ignore[arg-type]
                    encoding=given["encoding"],
                    delimiter="\t" if given["delimiter"] == "tab" else given["delimiter"],
                )
            except RefusedImportError as refusal:
                form.add_error("file", str(refusal))
            else:
                try:
                    import_runs.start_check(run, scope=self.scope)
                except RefusedImportError as refusal:
                    messages.warning(request, str(refusal))
                return redirect(self.address("import", run))
        context = self.get_context_data(form=form)
        return self.render_to_response(context, status=422)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        mine = ImportRun.objects.filter(owner=self.request.user.pk, kind__in=self.kinds).first()
        context = {"back": reverse(self.page), "last": mine, "last_url": self.address("import", mine) if mine else ""}
        return super().get_context_data(**context | kwargs)


class RunPage(TemplateResponseMixin, ImportView):
    """How far it is, what the check showed, *Import*, and what was stored. The box alone for htmx."""

    template_name = "devices/import_run.html"

    def get_title(self) -> Words:
        return self.shown.name

    def get_crumbs(self) -> list[tuple[Words, str]]:
        return [*super().get_crumbs(), (_("Import"), reverse(f"{self.page}-upload"))]

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        self.shown = self.run()
        if is_fragment(request):
            response = render(request, "devices/import_state.html", self._state())
        else:
            response = self.render_to_response(self.get_context_data(**self._state()))
        patch_vary_headers(response, ("HX-Request",))
        return response

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        run = self.run()
        try:
            if request.POST.get("do") == "check":
                import_runs.start_check(run, scope=self.scope)
            else:
                self._import(run)
        except RefusedImportError as refusal:
            messages.error(request, str(refusal))
        return redirect(self.address("import", run))

    def _import(self, run: ImportRun) -> None:
        found, takes_unknown = import_runs.found(run), self.request.POST.get("takes_unknown") == "on"
        if found.layout is None or run.fault_count or (found.unknown and not takes_unknown):
            raise RefusedImportError(_("Nothing was imported: the check shows what has to be done first."))
        import_runs.start_import(
            run, scope=self.scope, takes_unknown=takes_unknown, actor=audit.by_request(self.request)
        )

    def _state(self) -> dict[str, Any]:
        run, now = self.shown, timezone.now()
        found = import_runs.found(run)
        under_way = import_runs.is_under_way(run, now=now)
        is_ready = run.state == ImportRun.State.CHECKED and not run.fault_count
        return {
            "run": run,
            "found": found,
            "holds": _HOLDS[Kind(run.kind)],
            "under_way": under_way,
            "is_storing": run.state == ImportRun.State.STORING,
            "lost": import_runs.is_lost(run, now=now),
            "is_ready": is_ready,
            "is_empty": is_ready and not run.lines,
            "is_known": run.state in {ImportRun.State.CHECKED, ImportRun.State.STORED},
            "more_faults": run.fault_count > len(found.faults),
            "url": self.address("import", run),
            "sheet": self.address("import-faults", run) if run.fault_count else "",
            "again": reverse(f"{self.page}-upload"),
            "listed": reverse(self.page),
        }


class FaultsSheet(ImportView):
    """All that is wrong, as CSV."""

    def get(self, request: HttpRequest, **kwargs: Any) -> StreamingHttpResponse:
        run = self.run()
        if not run.fault_count:
            raise Http404
        lines: Iterator[str] = import_runs.sheet(run)
        response = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
        response.headers["Content-Disposition"] = 'attachment; filename="faults.csv"'
        return response


class _OfDevices(ImportView):
    page = "devices"
    kinds = (Kind.DEVICES,)
    permissions = ("devices.view_device", "devices.add_device", "devices.change_device")


class _OfUsers(ImportView):
    page = "users"
    kinds = (Kind.USERS, Kind.ATTRIBUTES)
    permissions = ("devices.view_person", "devices.add_person", "devices.change_person")


class DevicesUpload(_OfDevices, UploadPage):
    pass


class UsersUpload(_OfUsers, UploadPage):
    pass


class DevicesRun(_OfDevices, RunPage):
    pass


class UsersRun(_OfUsers, RunPage):
    pass


class DevicesFaults(_OfDevices, FaultsSheet):
    pass


class UsersFaults(_OfUsers, FaultsSheet):
    pass
