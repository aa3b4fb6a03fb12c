"""The project: settings, addresses, workers and the quick start."""
