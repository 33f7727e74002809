"""The health check of every server's container: the application answers on the server's port.

It is copied into the images and uses only the standard library. It is not how the harness learns
that a deployment is ready: that is `conformance.readiness`, which also looks at who answers.
"""

import http.client
import sys

connection = http.client.HTTPConnection("127.0.0.1", 8000, timeout=4)
try:
    connection.request("GET", "/-/identity", headers={"Connection": "close"})
    status = connection.getresponse().status
except (OSError, http.client.HTTPException) as error:
    sys.exit(f"no answer on port 8000: {type(error).__name__}: {error}")
finally:
    connection.close()
if status != 200:
    sys.exit(f"expected status 200 from /-/identity, found {status}")
