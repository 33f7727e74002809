"""Writes the document anew."""

from tests.contract.document import PATH, text

PATH.write_text(text(), encoding="utf-8")
