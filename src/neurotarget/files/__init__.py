"""The door to every file: read without trust, written whole or not at all."""
