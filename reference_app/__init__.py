"""The application under test, on a framework and a server written for reading."""
