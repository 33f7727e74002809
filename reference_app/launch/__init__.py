"""Launchers for servers that have no command line of their own: one module each, a few lines.

Each does what the server's documentation says and nothing more. `python -m` runs it.
"""

from __future__ import annotations

import argparse


def parser(module: str) -> argparse.ArgumentParser:
    """What the command line of every launcher has: `--host` and `--port`."""
    parser = argparse.ArgumentParser(prog=f"python -m reference_app.launch.{module}")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    return parser
