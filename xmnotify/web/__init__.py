"""How requests reach Django: granian speaks HTTP, bodies are read without a thread, then one of eight runs Django."""
