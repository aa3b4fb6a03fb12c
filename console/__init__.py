"""The kit of the console's screens, and the audit trail."""
