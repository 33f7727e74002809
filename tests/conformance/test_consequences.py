"""What a failure means: every check has a sentence, and every sentence a check."""

from __future__ import annotations

from conformance import catalogue, consequences


def test_every_check_has_a_consequence_and_no_sentence_is_left_over() -> None:
    used = {consequences.of(check.id).text for check in catalogue.collect()}
    patterns = consequences.patterns()
    assert [pattern for pattern, found in patterns.items() if found.text not in used] == []


def test_the_longest_pattern_counts() -> None:
    assert (
        consequences.of("http/chunked/as-declared").text != consequences.of("http/chunked/x").text
    )
    assert consequences.of("http/chunked/as-declared").group == "Where a request ends"
