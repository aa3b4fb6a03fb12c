"""Templates in the database."""
