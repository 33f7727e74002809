"""Launchers for servers that have no command line of their own: one module each, a few lines.

Each does what the server's documentation says and nothing more.
"""
