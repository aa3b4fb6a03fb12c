"""What `make run` needs: a supervisor over broker, web, workers and simulated mail server, and a first mail."""
