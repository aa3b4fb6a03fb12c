"""An audience becomes deliveries, in steps."""
