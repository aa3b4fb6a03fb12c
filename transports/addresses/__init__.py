"""Mail addresses and phone numbers, read and normalised; how many parts an SMS has."""
