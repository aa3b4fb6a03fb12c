"""Stand-ins for the outside world on loopback, with faults to order."""
