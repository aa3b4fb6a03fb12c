"""Where gateways report what became of a message."""
