"""The health check of every server's container: the application answers on the server's port.

It is copied into the images and imports next to nothing, because it runs every few seconds in each
of them. It is not how the harness learns that a deployment is ready: that is
`conformance.readiness`, which also looks at who answers.
"""

import socket
import sys

REQUEST = b"GET /-/identity HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"

try:
    with socket.create_connection(("127.0.0.1", 8000), timeout=4) as connection:
        connection.sendall(REQUEST)
        line = connection.makefile("rb").readline()
except OSError as error:
    sys.exit(f"no answer on port 8000: {type(error).__name__}: {error}")
if line.split(b" ")[1:2] != [b"200"]:
    sys.exit(f"expected status 200 from /-/identity, found {line!r}")
