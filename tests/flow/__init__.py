"""Real broker, real workers, real peers."""
