"""`python -m conformance` is the command `wsgi-conform`."""

from conformance.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
