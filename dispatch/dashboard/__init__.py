"""What was sent, counted and drawn."""
