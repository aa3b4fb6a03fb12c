"""The tests' surroundings come first: Django reads its settings from them."""

import django

from tests import surroundings

surroundings.enter()
django.setup()
