"""Measurements, alternating with their yardstick in one run."""
