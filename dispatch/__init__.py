"""The flow: events become deliveries, deliveries are sent, what happened is written back."""
