"""Requests, their uploads: multipart forms, with files that arrive as they were, byte for byte."""

from __future__ import annotations

import random
from typing import Any

import pytest

from conformance.checks.probes import read_json, request
from conformance.checks.sending import (
    BOUNDARY,
    MULTIPART,
    chunked,
    file,
    multipart,
    part,
    send,
    sha256,
    show,
    uploaded,
)
from conformance.clauses import Source, clause, flask, werkzeug
from conformance.client import Wire
from conformance.client.http import Client

FILES = flask("api", "flask.Request.files")
UPLOADS = flask("patterns/fileuploads", "A Gentle Introduction")
STORAGE = werkzeug("datastructures", "werkzeug.datastructures.FileStorage")
PARSER = werkzeug("http", "werkzeug.formparser.FormDataParser")
INPUT_STREAM = werkzeug("wsgi", "werkzeug.wsgi.get_input_stream")


def rfc7578(section: str) -> Source:
    """A section of RFC 7578, multipart/form-data, by its number."""
    url = f"https://www.rfc-editor.org/rfc/rfc7578.html#section-{section}"
    return Source("RFC 7578", f"section {section}", url)


def rfc2046(section: str) -> Source:
    """A section of RFC 2046, media types, by its number."""
    url = f"https://www.rfc-editor.org/rfc/rfc2046.html#section-{section}"
    return Source("RFC 2046", f"section {section}", url)


PARAMETERS = Source(
    "RFC 2045", "section 5.1", "https://www.rfc-editor.org/rfc/rfc2045.html#section-5.1"
)

#: Contents that a parser which looks for line ends and boundaries could get wrong.
CONTENTS: dict[str, bytes] = {
    "every-byte": bytes(range(256)),
    "empty": b"",
    "line-end": b"\r\n",
    "line-ends-around": b"\r\n\r\ntext\r\n\r\n",
    "cr-at-end": b"text\r",
    "lf-at-end": b"text\n",
    "bare-line-ends": b"a\nb\rc\n\rd",
    "hyphens": b"--",
    "boundary-in-a-line": f"text --{BOUNDARY}--\r\n".encode(),
    "boundary-after-lf": f"a\n-{BOUNDARY}\nb".encode(),
    "boundary-cut": f"a\r\n--{BOUNDARY[:-1]}\r\nb".encode(),
    "boundary-one-hyphen": f"a\r\n-{BOUNDARY}--\r\nb".encode(),
    "like-a-part": b"a\r\nContent-Disposition: form-data; name=x\r\n\r\nb",
}


@clause("request/upload/content", "contract", UPLOADS)
@pytest.mark.parametrize("row", CONTENTS)
def test_upload_content(wire: Wire, row: str) -> None:
    """A file arrives byte for byte, whatever it has of line ends and of what delimits parts."""
    content = CONTENTS[row]
    body = multipart(
        part('name="file"; filename="a.bin"', content, "Content-Type: application/octet-stream"),
        part('name="after"', b"reached"),
    )
    found = show(wire, "files/form", body, MULTIPART)
    assert file(found["files"])["start"] == content.decode("latin-1")
    assert found["form"] == [["after", ["reached"]]]


@clause("request/upload/fields", "contract", flask("api", "flask.Request.form"))
def test_upload_fields(wire: Wire) -> None:
    """The parts without a filename are the form: each value as it was, repeated names in order."""
    body = multipart(
        part('name="b"', b"1"),
        part('name="a"', b"line\r\nline\r\n"),
        part('name="b"', b""),
        part('name="näme"', "€".encode()),
        part('name="b"', b"3+%20"),
    )
    assert show(wire, "form/files", body, MULTIPART) == {
        "form": [["b", ["1", "", "3+%20"]], ["a", ["line\r\nline\r\n"]], ["näme", ["€"]]],
        "files": [],
    }


@clause("request/upload/field-charset", "may", rfc7578("4.5"))
@pytest.mark.parametrize(
    ("declared", "sent"),
    [
        pytest.param("iso-8859-1", "ä".encode("latin-1"), id="latin-1"),
        pytest.param("UTF-8", "ä".encode(), id="utf-8"),
    ],
)
def test_field_charset(wire: Wire, declared: str, sent: bytes) -> None:
    """A field that says its charset is decoded by it."""
    body = multipart(part('name="a"', sent, f"Content-Type: text/plain; charset={declared}"))
    assert show(wire, "form", body, MULTIPART) == {"form": [["a", ["ä"]]]}


@clause("request/upload/field-not-utf-8", "contract", flask("api", "flask.Request.form"))
def test_field_not_utf_8(wire: Wire) -> None:
    """A field that is not UTF-8 has replacement characters, and is no error."""
    body = multipart(part('name="a"', b"x\xffy"), part('name="b"', "ä".encode()))
    assert show(wire, "form", body, MULTIPART) == {"form": [["a", ["x�y"]], ["b", ["ä"]]]}


FILENAMES: dict[str, tuple[str, str]] = {
    "plain": ('filename="report.txt"', "report.txt"),
    "token": ("filename=report.txt", "report.txt"),
    "spaces": ('filename="a report .txt"', "a report .txt"),
    "utf-8": ('filename="Übersicht €.txt"', "Übersicht €.txt"),
    "semicolon": ('filename="a; name=b.txt"', "a; name=b.txt"),
    "quote-as-percent": ('filename="a%22b.txt"', 'a"b.txt'),
    "quote-escaped": ('filename="a\\"b.txt"', 'a"b.txt'),
    "apostrophe": ('filename="it\'s.txt"', "it's.txt"),
    "path": ('filename="../../etc/passwd"', "../../etc/passwd"),
    "dot": ('filename=".htaccess"', ".htaccess"),
}


@clause("request/upload/filename", "contract", STORAGE)
@pytest.mark.parametrize("row", FILENAMES)
def test_filename(wire: Wire, row: str) -> None:
    """The filename is what the client says: text, unquoted, and not to be trusted.

    What it is used for is up to the view, so that it comes whole, a path too.
    """
    parameter, filename = FILENAMES[row]
    body = multipart(part(f'name="file"; {parameter}', b"content"))
    found = file(show(wire, "files", body, MULTIPART)["files"])
    assert (found["filename"], found["name"], found["start"]) == (filename, "file", "content")


@clause("request/upload/filename-first", "contract", FILES)
def test_filename_first(wire: Wire) -> None:
    """The parameters of a part may come in any order, with names and a type of any case."""
    body = multipart(
        part("")[: -len(b"form-data; \r\n\r\n")]
        + b'Form-Data; FileName="a.txt"; Name="file"\r\ncontent-TYPE: text/plain\r\n\r\ncontent'
    )
    found = file(show(wire, "files", body, MULTIPART)["files"])
    assert (found["filename"], found["mimetype"]) == ("a.txt", "text/plain")


@clause("request/upload/not-selected", "contract", UPLOADS)
def test_not_selected(wire: Wire) -> None:
    """A file that the user did not choose comes without a name and empty, as browsers send it."""
    body = multipart(
        part('name="file"; filename=""', b"", "Content-Type: application/octet-stream"),
        part('name="a"', b"1"),
    )
    found = show(wire, "files/form", body, MULTIPART)
    chosen = file(found["files"])
    assert (chosen["filename"], chosen["size"], found["form"]) == ("", 0, [["a", ["1"]]])


@clause("request/upload/several-of-one-name", "contract", FILES)
def test_several_files(wire: Wire) -> None:
    """Several files of one name are all there, in their order, each with its own content."""
    body = multipart(
        *(
            part(f'name="file"; filename="{number}.txt"', f"content {number}".encode())
            for number in range(3)
        )
    )
    files = uploaded(show(wire, "files", body, MULTIPART)["files"])["file"]
    assert [(each["filename"], each["start"]) for each in files] == [
        (f"{number}.txt", f"content {number}") for number in range(3)
    ]


@clause("request/upload/part-header", "contract", STORAGE)
def test_part_header(wire: Wire) -> None:
    """A file has the header of its part: its content type with parameters, and other fields."""
    body = multipart(
        part(
            'name="file"; filename="a.csv"',
            b"a,b",
            'Content-Type: Text/CSV; charset="utf-8"; header=present',
            "X-Own: of this part",
        )
    )
    found = file(show(wire, "files", body, MULTIPART)["files"])
    assert str(found["content_type"]).lower() == 'text/csv; charset="utf-8"; header=present'
    assert found["mimetype"] == "text/csv"
    assert found["mimetype_params"] == {"charset": "utf-8", "header": "present"}
    assert ["X-Own", "of this part"] in found["headers"]


BOUNDARIES = {
    "one-character": ("x", "x"),
    "hyphens": ("-" * 27 + "9051914041544843365972754266",) * 2,
    "longest": ("0123456789" * 7,) * 2,
    "quoted": ('"a:b/c=d?e,f(g)"', "a:b/c=d?e,f(g)"),
    "punctuation": ("a'b+c_d.e-f", "a'b+c_d.e-f"),
}


@clause("request/upload/boundary", "must", rfc2046("5.1.1"))
@pytest.mark.parametrize("row", BOUNDARIES)
def test_boundary(wire: Wire, row: str) -> None:
    """Every boundary that is one delimits: of 1 to 70 characters, in quotes where it must be."""
    written, boundary = BOUNDARIES[row]
    body = multipart(
        part('name="a"', b"1"), part('name="file"; filename="f"', b"2"), boundary=boundary
    )
    found = show(wire, "form/files", body, f"multipart/form-data; boundary={written}")
    assert (found["form"], file(found["files"])["start"]) == ([["a", ["1"]]], "2")


@clause("request/upload/boundary-parameter-name", "must", PARAMETERS)
def test_boundary_parameter(wire: Wire) -> None:
    """The parameter is found among others and without regard to case; its value has a case."""
    body = multipart(part('name="a"', b"--abc"), boundary="aBc")
    content_type = 'Multipart/Form-Data; charset=utf-8; Boundary="aBc"'
    assert show(wire, "form", body, content_type) == {"form": [["a", ["--abc"]]]}


@clause("request/upload/around", "must", rfc2046("5.1.1"))
@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(b"", b"ignored\r\n", id="epilogue"),
        pytest.param(b"\r\n", b"", id="line-end-before"),
    ],
)
def test_around(wire: Wire, before: bytes, after: bytes) -> None:
    """What comes before the first part and after the last one is not part of the form."""
    body = before + multipart(part('name="a"', b"1")) + after
    assert show(wire, "form/files", body, MULTIPART) == {"form": [["a", ["1"]]], "files": []}


@clause("request/upload/no-line-end-at-end", "must", rfc2046("5.1.1"))
def test_no_line_end(wire: Wire) -> None:
    """The close delimiter need not be followed by a line end."""
    body = multipart(part('name="a"', b"1")).removesuffix(b"\r\n")
    assert show(wire, "form", body, MULTIPART) == {"form": [["a", ["1"]]]}


WHOLE = multipart(part('name="a"', b"1"), part('name="file"; filename="f"', b"the content"))
MALFORMED: dict[str, tuple[bytes, str]] = {
    "no-boundary": (WHOLE, "multipart/form-data"),
    "boundary-empty": (WHOLE, 'multipart/form-data; boundary=""'),
    "another-boundary": (WHOLE, "multipart/form-data; boundary=another"),
    "cut-in-content": (WHOLE[: WHOLE.index(b"content")], MULTIPART),
    "cut-in-header": (WHOLE[: WHOLE.index(b"filename")], MULTIPART),
    "no-body": (b"", MULTIPART),
    "no-multipart": (b"a=1&b=2", MULTIPART),
}


@clause("request/upload/malformed", "contract", PARSER)
@pytest.mark.parametrize("row", MALFORMED)
def test_malformed(wire: Wire, row: str) -> None:
    """A form that is malformed has no fields and no files, or is answered with 400.

    It is the client's fault, so that a 500 is wrong, and half of a file must not pass for a file.
    """
    body, content_type = MALFORMED[row]
    fields = [f"Content-Length: {len(body)}", f"Content-Type: {content_type}", "Connection: close"]
    response = wire.exchange(
        request("POST /request/show/form/files HTTP/1.1", *fields, body=body), "POST"
    )
    if response.status != 400:
        assert read_json(response) == {"form": [], "files": []}


@clause("request/upload/saved", "contract", UPLOADS)
def test_saved(client: Client) -> None:
    """A file that the view saves is on the disk what it was at the client: small, empty, and big.

    The big one is more than frameworks keep in memory.
    """
    contents = {
        "small": b"text\r\n",
        "empty": b"",
        "big": random.Random(1).randbytes(600_000),
    }
    answer = client.post(
        "/request/saved",
        files={name: (f"{name}.bin", content) for name, content in contents.items()},
    )
    assert answer.status_code == 200
    assert answer.json() == {name: sha256(content) for name, content in contents.items()}


def _big(seed: int) -> tuple[bytes, bytes]:
    """A file of one and a half MiB, with line ends and hyphens in it, and a form with it."""
    block = random.Random(seed).randbytes(64 * 1024) + f"\r\n--{BOUNDARY[:-2]}\r\n\r".encode()
    content = block * 24
    body = multipart(
        part('name="before"', b"1"),
        part('name="file"; filename="big.bin"', content, "Content-Type: application/octet-stream"),
        part('name="after"', b"2"),
    )
    return content, body


def _assert_big(found: Any, content: bytes) -> None:
    whole = file(found["files"])
    assert (whole["size"], whole["sha256"]) == (len(content), sha256(content))
    assert found["form"] == [["before", ["1"]], ["after", ["2"]]]


@clause("request/upload/big", "contract", UPLOADS)
def test_big_upload(wire: Wire) -> None:
    """A file of one and a half MiB arrives whole, and so do the fields around it."""
    content, body = _big(2)
    _assert_big(send(wire, "/request/show/files/form", body, MULTIPART), content)


@clause("request/upload/chunked", "contract", INPUT_STREAM, requires=("chunked-input",))
@pytest.mark.parametrize("size", [7, 4096], ids=["small-chunks", "whole-in-one"])
def test_chunked_upload(wire: Wire, size: int) -> None:
    """A form whose body comes in chunks, as clients send what they read from a file, is read.

    A server that decodes chunks tells the framework that the stream ends by itself, by
    `wsgi.input_terminated`, or gives it a length: else the framework must take it for empty.
    """
    body = multipart(
        part('name="a"', b"1"), part('name="file"; filename="f.bin"', CONTENTS["every-byte"])
    )
    data = request(
        "POST /request/show/files/form HTTP/1.1",
        "Transfer-Encoding: chunked",
        f"Content-Type: {MULTIPART}",
        "Connection: close",
        body=chunked(body, size),
    )
    found = read_json(wire.exchange(data, "POST"))
    assert found["form"] == [["a", ["1"]]]
    assert file(found["files"])["start"] == CONTENTS["every-byte"].decode("latin-1")


@clause("request/upload/chunked-big", "contract", INPUT_STREAM, requires=("chunked-input",))
def test_chunked_big_upload(wire: Wire) -> None:
    """A file of one and a half MiB in chunks that split it anywhere arrives whole."""
    content, body = _big(3)
    data = request(
        "POST /request/show/files/form HTTP/1.1",
        "Transfer-Encoding: chunked",
        f"Content-Type: {MULTIPART}",
        "Connection: close",
        body=chunked(body, 10_007),
    )
    _assert_big(read_json(wire.exchange(data, "POST")), content)
