"""Unit tests of what administrators write."""
