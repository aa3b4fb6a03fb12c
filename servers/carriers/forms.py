"""The form of a carrier SMS gateway."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from servers import countries, queries
from servers.carriers.validators import RETIRED, clean_carrier
from servers.forms import CheckedForm
from servers.models import CarrierGateway


class CarrierGatewayForm(CheckedForm[CarrierGateway]):
    country = forms.ChoiceField(label=_("Country code"), choices=countries.choices)

    class Meta:
        model = CarrierGateway
        fields = ["carrier", "domain", "country", "prefix", "number_format"]
        help_texts = {
            "carrier": _("As phones report it; case, punctuation and words such as “wireless” do not count."),
            "domain": _("The part after the @, for example sms.example.com."),
            "prefix": _("Optional: what stands before the number."),
            "number_format": _("How the carrier wants the number before the @."),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        retired = {domain: str(words) for domain, words in RETIRED.items()}
        self.fields["domain"].widget.attrs["data-warns-of"] = json.dumps(retired)
        if not self.initial.get("country"):
            self.initial["country"] = queries.country() or countries.FIRST

    def check(self, instance: CarrierGateway) -> None:
        clean_carrier(instance)
