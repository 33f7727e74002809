"""Containers: the same operations on ours and on Werkzeug's, the same results."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import werkzeug.datastructures as theirs

from reference_app.framework import datastructures as ours

Operation = Callable[[Any], Any]


def same(make: Callable[[Any], Any], operation: Operation) -> None:
    """Check that an operation gives the same, and leaves the same, in both libraries."""
    results = []
    for module in (ours, theirs):
        target = make(module)
        try:
            value = operation(target)
        except Exception as error:
            # The kind of error counts, not the words.
            value = [
                each.__name__
                for each in (KeyError, TypeError, ValueError)
                if isinstance(error, each)
            ]
        if hasattr(value, "lists"):
            value = list(value.items(multi=True))
        elif hasattr(value, "__next__") or isinstance(value, (ours.Headers, theirs.Headers)):
            value = list(value)
        after = list(target.items(multi=True)) if hasattr(target, "lists") else list(target)
        results.append((value, after))
    assert results[0] == results[1]


PAIRS = [("a", "1"), ("b", "x"), ("a", "2")]
MULTI: dict[str, Operation] = {
    "getitem": lambda d: d["a"],
    "missing": lambda d: d["z"],
    "get": lambda d: (d.get("a"), d.get("z"), d.get("z", 5)),
    "get-type": lambda d: (d.get("a", type=int), d.get("b", 7, type=int)),
    "getlist": lambda d: (d.getlist("a"), d.getlist("z"), d.getlist("b", type=int)),
    "set": lambda d: d.__setitem__("a", "9"),
    "add": lambda d: d.add("a", "9"),
    "setlist": lambda d: d.setlist("c", ["1", "2"]),
    "setdefault": lambda d: (d.setdefault("a", "9"), d.setdefault("c", "9")),
    "setlistdefault": lambda d: (d.setlistdefault("a", ["9"]), d.setlistdefault("c", ["9"])),
    "items": lambda d: list(d.items()),
    "lists": lambda d: list(d.lists()),
    "values": lambda d: (list(d.values()), list(d.listvalues())),
    "keys": lambda d: (sorted(d), sorted(d.keys()), len(d), "a" in d, "z" in d, bool(d)),
    "to_dict": lambda d: (d.to_dict(), d.to_dict(flat=False), dict(d), {**d}),
    "pop": lambda d: (d.pop("a"), d.pop("z", 5)),
    "pop-missing": lambda d: d.pop("z"),
    "popitem": lambda d: d.popitem(),
    "poplist": lambda d: (d.poplist("a"), d.poplist("z")),
    "popitemlist": lambda d: d.popitemlist(),
    "update": lambda d: d.update({"a": ["3", "4"], "c": "5"}),
    "del": lambda d: d.__delitem__("a"),
    "copy": lambda d: d.copy(),
    "deepcopy": lambda d: copy.deepcopy(d),
    "or": lambda d: d | {"a": "3"},
    "equal": lambda d: (d == d.copy(), d == {}),
    "pickle": lambda d: pickle.loads(pickle.dumps(d)),
    "clear": lambda d: d.clear(),
    "repr": lambda d: repr(d),
}


@pytest.mark.parametrize("kind", ["MultiDict", "ImmutableMultiDict"])
@pytest.mark.parametrize("name", MULTI)
def test_multi_dicts_agree(kind: str, name: str) -> None:
    same(lambda module: getattr(module, kind)(PAIRS), MULTI[name])


READS = ["getitem", "missing", "get", "get-type", "getlist", "items", "lists", "keys", "to_dict"]


@pytest.mark.parametrize("name", READS)
def test_combined_multi_dicts_agree(name: str) -> None:
    def make(module: Any) -> Any:
        return module.CombinedMultiDict(
            [module.MultiDict(PAIRS), module.MultiDict([("a", "7"), ("c", "8")])]
        )

    same(make, MULTI[name])


MULTI_SOURCES: list[Any] = [None, {"a": 1}, {"a": [1, 2]}, {"a": (1,)}, [("a", 1), ("a", 2)]]


@pytest.mark.parametrize("source", MULTI_SOURCES)
def test_multi_dicts_are_made_of_the_same(source: Any) -> None:
    same(lambda module: module.MultiDict(source), lambda d: list(d.lists()))


FIELDS = [("Content-Type", "a"), ("X-A", "1"), ("x-a", "2")]
HEADERS: dict[str, Operation] = {
    "getitem": lambda h: (h["x-A"], h[0], list(h[1:])),
    "missing": lambda h: h["z"],
    "get": lambda h: (h.get("x-a"), h.get("z"), h.get("X-A", type=int), h.get("z", 5)),
    "getlist": lambda h: (h.getlist("x-a"), h.getlist("x-a", type=int), h.get_all("z")),
    "set": lambda h: h.__setitem__("x-a", 5),
    "set-new": lambda h: h.set("X-B", "5", filename="a b", x_y=1),
    "add": lambda h: h.add("X-A", "3"),
    "add-options": lambda h: h.add("X-A", "3", filename="ü"),
    "setlist": lambda h: h.setlist("X-A", ["7", "8"]),
    "setdefault": lambda h: (h.setdefault("x-a", "9"), h.setdefault("z", "9")),
    "extend": lambda h: h.extend({"X-A": ["8", "9"]}, b="c"),
    "update": lambda h: h.update({"x-a": "9", "b": ["1", "2"]}),
    "update-pairs": lambda h: h.update([("x-a", "9"), ("x-a", "8")]),
    "remove": lambda h: (h.remove("x-a"), h.remove("z")),
    "del": lambda h: h.__delitem__("X-A"),
    "del-index": lambda h: h.__delitem__(0),
    "set-index": lambda h: h.__setitem__(0, ("a", "b")),
    "pop": lambda h: (h.pop("x-a"), h.pop("z", None), h.pop()),
    "popitem": lambda h: h.popitem(),
    "contains": lambda h: ("X-a" in h, "z" in h, len(h), bool(h)),
    "keys": lambda h: (list(h.keys(lower=True)), list(h.values()), list(h.items(lower=True))),
    "clear": lambda h: h.clear(),
    "copy": lambda h: h.copy(),
    "equal": lambda h: (h == h.copy(), h == 5),
    "or": lambda h: h | {"x-a": "9"},
    "wsgi": lambda h: h.to_wsgi_list(),
    "str": lambda h: str(h),
    "newline": lambda h: h.add("x", "a\nb"),
    "return": lambda h: h.__setitem__("x", "a\rb"),
}


@pytest.mark.parametrize("name", HEADERS)
def test_headers_agree(name: str) -> None:
    same(lambda module: module.Headers(FIELDS), HEADERS[name])


ENVIRON = {
    "HTTP_X_A": "1",
    "CONTENT_TYPE": "text/plain",
    "CONTENT_LENGTH": "",
    "HTTP_CONTENT_TYPE": "no",
    "OTHER": "no",
}


@pytest.mark.parametrize(
    "name", ["missing", "get", "contains", "keys", "wsgi", "set", "remove", "pop", "copy"]
)
def test_environ_headers_agree(name: str) -> None:
    same(lambda module: module.EnvironHeaders(dict(ENVIRON)), HEADERS[name])


SETS: dict[str, Operation] = {
    "add": lambda s: (s.add("B"), s.add("c")),
    "remove": lambda s: s.remove("a"),
    "remove-missing": lambda s: s.remove("z"),
    "discard": lambda s: (s.discard("b"), s.discard("z")),
    "update": lambda s: s.update(["x", "X", "a"]),
    "read": lambda s: (s.find("B"), s.find("z"), "A" in s, len(s), s[0], s.as_set(), str(s)),
    "clear": lambda s: s.clear(),
}


@pytest.mark.parametrize("name", SETS)
def test_header_sets_agree(name: str) -> None:
    same(lambda module: module.HeaderSet(["a", "b"]), SETS[name])


def test_ranges_agree() -> None:
    for ranges in ([(0, 5)], [(2, None)], [(-3, None)], [(9, 20)], [(10, None)], [(0, 1), (3, 4)]):
        for length in (None, 0, 5, 10):
            mine = ours.Range("bytes", ranges)  # type: ignore[arg-type]
            other = theirs.Range("bytes", ranges)
            assert mine.range_for_length(length) == other.range_for_length(length)
            assert mine.to_content_range_header(length) == other.to_content_range_header(length)
            assert mine.to_header() == other.to_header()


ACCEPTS = [
    ("text/html", True, True, False),
    ("application/xhtml+xml;q=0.5, */*;q=0.1", True, True, True),
    ("application/json", False, False, True),
    ("", False, False, False),
]


@pytest.mark.parametrize("offers", [["text/html", "application/json"], ["text/*"], []])
@pytest.mark.parametrize(
    "field",
    [
        *(accept[0] for accept in ACCEPTS),
        "text/*;q=0.5, text/html;level=1",
        # The specific one decides, though the general ones are liked better.
        "text/html;q=0.1, text/*;q=0.9, */*;q=0.5",
        "text/html;q=0, */*",
    ],
)
def test_best_matches_agree(field: str, offers: list[str]) -> None:
    from werkzeug.http import parse_accept_header as their_parse

    from reference_app.framework.http import parse_accept_header as our_parse

    mine = our_parse(field, ours.MIMEAccept)
    other = their_parse(field, theirs.MIMEAccept)
    assert mine.best_match(offers, "none") == other.best_match(offers, "none")
    assert (mine.best, mine.accept_html, mine.accept_json) == (
        other.best,
        other.accept_html,
        other.accept_json,
    )
    assert [mine.quality(offer) for offer in offers] == [other.quality(offer) for offer in offers]


CREDENTIALS = [
    "Basic dXNlcjpwYTpzcw==",
    "Bearer abc=",
    'Digest username="a b", realm=x, nc=1',
    "Basic ?",
    "Basic",
    "",
]


@pytest.mark.parametrize("value", CREDENTIALS)
def test_credentials_agree(value: str) -> None:
    results = []
    for module in (ours, theirs):
        found: Any = module.Authorization.from_header(value)
        results.append(
            found and (found.type, found.parameters, found.token, found.username, found.to_header())
        )
    assert results[0] == results[1]


def test_challenges_agree() -> None:
    for scheme, parameters in (
        ("basic", {"realm": "a b"}),
        ("digest", {"realm": "x", "qop": "auth"}),
    ):
        mine = ours.WWWAuthenticate(scheme, dict(parameters)).to_header()
        assert mine == theirs.WWWAuthenticate(scheme, dict(parameters)).to_header()


def test_cache_directives_are_written_back() -> None:
    fields = []
    control = ours.ResponseCacheControl((), lambda c: fields.append(c.to_header()))
    control.public = True
    control.max_age = 5
    control.public = None
    assert fields == ["public", "public, max-age=5", "max-age=5"]
    assert (control.max_age, control.no_store, control.s_maxage) == (5, False, None)


def test_a_callback_dict_reports_changes_and_nothing_else() -> None:
    changes: list[int] = []
    target: Any = ours.CallbackDict({"a": 1}, lambda d: changes.append(len(d)))
    target.get("a")
    target.setdefault("a", 2)
    target.pop("z", None)
    assert changes == []
    target["b"] = 2
    target.setdefault("c", 3)
    target.pop("a")
    target.update(d=4)
    target |= {"e": 5}
    del target["b"]
    target.popitem()
    target.clear()
    assert changes == [2, 3, 2, 3, 4, 3, 2, 0]


def test_an_uploaded_file_is_its_stream(tmp_path: Any) -> None:
    file = ours.FileStorage(io.BytesIO(b"line\nmore"), "x.txt", "field", "Text/Plain; charset=x")
    assert (file.mimetype, file.mimetype_params, file.content_length) == (
        "text/plain",
        {"charset": "x"},
        0,
    )
    assert (bool(file), list(file), file.tell()) == (True, [b"line\n", b"more"], 9)
    file.seek(0)
    file.save(tmp_path / "saved")
    assert (tmp_path / "saved").read_bytes() == b"line\nmore"
    file.close()
    assert file.closed
    with open(tmp_path / "saved", "rb") as opened:
        assert ours.FileStorage(opened).filename == str(tmp_path / "saved")
