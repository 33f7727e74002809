"""The harness and the suite: what starts servers, talks to them and judges them."""
