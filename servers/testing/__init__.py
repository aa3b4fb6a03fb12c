"""Test Configuration: its stages, its runs, its page."""
