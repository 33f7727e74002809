"""What a failure means: every check has a sentence, and every sentence a check."""

from __future__ import annotations

from conformance import catalogue, consequences


def test_every_check_has_a_consequence_and_no_sentence_is_left_over() -> None:
    used = {consequences.of(check.id).text for check in catalogue.collect()}
    assert consequences.UNKNOWN.text not in used
    patterns = consequences.patterns()
    assert [pattern for pattern, found in patterns.items() if found.text not in used] == []


def test_the_longest_pattern_counts() -> None:
    assert (
        consequences.of("http/chunked/as-declared").text != consequences.of("http/chunked/x").text
    )
    assert consequences.of("http/chunked/as-declared").group == "Where a request ends"


def test_a_check_of_another_version_has_one_that_says_so() -> None:
    assert consequences.of("other/check") is consequences.UNKNOWN
