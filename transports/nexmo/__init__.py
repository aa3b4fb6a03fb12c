"""SMS over Nexmo's interface and those compatible with it."""
