"""Unit tests of the macro language."""
