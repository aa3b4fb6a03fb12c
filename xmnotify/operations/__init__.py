"""What an operator does to the whole of the data."""
