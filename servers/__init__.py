"""What administrators send through: SMTP servers, SMS gateways, carrier gateways, push services."""
