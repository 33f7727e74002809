"""wsgitools' SCGI server, to stand behind a web server (its documentation, "wsgitools.scgi")."""

from __future__ import annotations

from wsgitools.scgi.forkpool import SCGIServer

from reference_app.launch import parser
from reference_app.wsgi import application

if __name__ == "__main__":
    options = parser("wsgitools")
    options.add_argument("--processes", type=int, default=4, help="at the most")
    arguments = options.parse_args()
    server = SCGIServer(
        application, arguments.port, interface=arguments.host, maxworkers=arguments.processes
    )
    server.run()
