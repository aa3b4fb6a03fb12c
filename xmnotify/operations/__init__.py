"""Running an installation: whether it works as it should, and what an operator does to the whole of its data."""
