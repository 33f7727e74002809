"""`doctor`: what this machine can do."""

from __future__ import annotations

import argparse

from conformance import doctor
from conformance.verdicts import EXIT_AS_EXPECTED, EXIT_ERROR


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand to a parser."""
    examine = commands.add_parser("doctor", help="say what this machine can do")
    examine.set_defaults(call=_doctor)


def _doctor(parsed: argparse.Namespace) -> int:
    findings = doctor.examine()
    for finding in findings:
        print(f"{'ok' if finding.ok else 'no':<4}{finding.subject:<20}{finding.text}")
    return EXIT_AS_EXPECTED if doctor.can_run(findings) else EXIT_ERROR
