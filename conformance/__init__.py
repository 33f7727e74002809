"""The harness and the suite: what starts servers, talks to them and judges them."""

__version__ = "0.1.0"
