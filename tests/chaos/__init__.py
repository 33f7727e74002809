"""Chaos: random delays are put into client and servers, and no verdict may change by that.

A check that waits for a time, where it could wait for a fact, passes on an idle machine and fails
on a busy one. This makes busy machines: the same checks are run on the same server calmly and under
chaos, and the verdicts have to be identical.

    python -m tests.chaos waitress gunicorn-gthread             the whole suite, one by one
    python -m tests.chaos waitress --timely                     mostly checks with a time in them
    python -m tests.chaos waitress --seed 7 --rounds 3 -k load  under chaos of the seeds 7, 8 and 9

It prints each check whose verdict differs, with both messages, and exits 1. What is late:

- whole processes: the client, a server, or one process of a server is stopped for up to 400 ms and
  goes on, again and again (`pauses`); the deployments of acts as well, while they start and stop
- the client: before it connects, before it sends, before it reads (`plugin`)
- the application: before it is called, and at `start_response`, `write()`, each block, each read of
  the body, and `close()` (`application`, which `inside/sitecustomize.py` puts into the server)

Mutants are late where a seed is in the environment (`handlers`), and have to fail all the same:

    WSGI_CONFORM_CHAOS=7 python -m pytest -n auto tests/mutants -k every_mutant_fails

One that passes shows a check that goes on before what it sent has been read.

A seed decides when something is late, and how late; what is at work at that moment it does not. So
a seed that made a difference is likely to make it again, and not certain.

What a server itself does after a time (it gives up a connection without a byte after some seconds,
say) comes as it would: every delay is far below that.
"""
