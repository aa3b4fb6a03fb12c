"""Who may use the console: log-in, second factor, lock-out, administrators and roles."""
