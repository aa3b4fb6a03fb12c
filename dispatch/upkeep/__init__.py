"""What becomes due as time passes: the sweep, receipts, alerts, clocks, dead workers."""
