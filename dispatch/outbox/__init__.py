"""All that changes events, deliveries, lanes and the state of servers in the database."""
