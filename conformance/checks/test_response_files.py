"""Responses: files, whole and in parts, static ones, and folders that nothing gets out of."""

from __future__ import annotations

import hashlib
from urllib.parse import quote, unquote

import pytest

from conformance.checks.bodies import numbered
from conformance.checks.probes import bodiless, closed_once
from conformance.clauses import clause, flask, pep3333, rfc9110
from conformance.client import Wire
from conformance.client.http import Answer, Client

SEND_FILE = flask("api", "flask.send_file")
SEND_FROM_DIRECTORY = flask("api", "flask.send_from_directory")
STATIC = flask("quickstart", "Static Files")
SMALL = "/response/file/small"
BIG = "/response/file/big"
SMALL_SIZE = 1000
BIG_SIZE = 4 * 1024 * 1024 + 17
MODIFIED = "Thu, 29 Feb 2024 12:30:15 GMT"
#: What stands in the files beside the folder that is served.
OUTSIDE = "OUTSIDE-OF-THE-FOLDER"


def same(found: bytes, expected: bytes) -> None:
    """The bytes are these; a message of megabytes would help nobody."""
    assert len(found) == len(expected)
    assert hashlib.sha256(found).hexdigest() == hashlib.sha256(expected).hexdigest()


# Whole files


@clause("response/file", "contract", SEND_FILE)
def test_file(client: Client) -> None:
    """A file is sent whole, with its length, its date and an entity tag."""
    answer = client.get(SMALL)
    assert answer.status_code == 200
    same(answer.content, numbered(SMALL_SIZE))
    assert answer.header("Content-Type") == "application/octet-stream"
    assert answer.header("Content-Length") == str(SMALL_SIZE)
    assert (answer.header("Last-Modified"), answer.header("ETag")) == (MODIFIED, '"v1"')
    assert answer.header("Accept-Ranges") == "bytes"


@clause("response/file/big", "contract", SEND_FILE)
def test_file_big(client: Client) -> None:
    """A file of 4 MiB and some bytes arrives as it is, with its length."""
    answer = client.get(BIG)
    assert answer.status_code == 200
    assert answer.header("Content-Length") == str(BIG_SIZE)
    same(answer.content, numbered(BIG_SIZE))


@clause("response/file/head", "must", rfc9110("9.3.2"))
def test_file_head(wire: Wire) -> None:
    """HEAD of a file has no body: where the server sends files by itself it has to know that."""
    response = bodiless(wire, "HEAD", SMALL)
    assert (response.status, response.all("ETag")) == (200, ['"v1"'])


@clause("response/file/closed", "contract", SEND_FILE)
@pytest.mark.parametrize(
    ("method", "fields", "status"),
    [
        pytest.param("GET", {}, (200,), id="get"),
        pytest.param("HEAD", {}, (200,), id="head"),
        pytest.param("GET", {"Range": "bytes=1-2"}, (206,), id="range"),
        pytest.param("GET", {"If-None-Match": '"v1"'}, (304,), id="not-modified"),
    ],
)
def test_file_closed(
    client: Client, key: str, method: str, fields: dict[str, str], status: tuple[int]
) -> None:
    """A file that was sent, in part, or not at all is closed: they would run out otherwise."""
    answer = client.request(method, f"/response/file/noted?key={key}", headers=fields)
    assert answer.status_code in status
    closed_once(client, key)


@clause("response/file/max-age", "contract", SEND_FILE)
def test_file_max_age(client: Client) -> None:
    """A file says how long it may be cached, and without an age that caches have to ask."""
    aged = client.get("/response/file/max-age").header("Cache-Control")
    assert {part.strip() for part in aged.split(",")} == {"public", "max-age=3600"}
    assert client.get(SMALL).header("Cache-Control") == "no-cache"


@clause("response/file/attached", "contract", SEND_FILE)
@pytest.mark.parametrize(
    "name",
    [
        pytest.param("report.txt", id="token"),
        pytest.param('a "quoted" name; really.txt', id="quoted"),
        pytest.param("Gr\xfc\xdfe \u65e5\u672c.txt", id="unicode"),
    ],
)
def test_file_attached(client: Client, name: str) -> None:
    """An attachment is offered under its name, in the extended form where it is not ASCII.

    A plain form may stand beside that one, for clients that know no other.
    """
    answer = client.get(f"/response/file/attached?name={quote(name)}")
    assert (answer.status_code, answer.content) == (200, b"attached")
    disposition = answer.header("Content-Disposition")
    assert disposition.startswith("attachment;")
    if name.isascii():
        value = disposition.partition("filename=")[2]
        if value.startswith('"'):
            value = value[1:-1].replace('\\"', '"')
        assert value == name
    else:
        assert disposition.isascii()
        charset, _, rest = disposition.partition("filename*=")[2].partition("''")
        assert charset.upper() == "UTF-8"
        assert unquote(rest.partition(";")[0], errors="strict") == name


# Parts of files


@clause("response/range", "contract", SEND_FILE)
@pytest.mark.parametrize(
    ("wanted", "start", "stop"),
    [
        pytest.param("0-99", 0, 100, id="first"),
        pytest.param("100-199", 100, 200, id="middle"),
        pytest.param("0-0", 0, 1, id="one-byte"),
        pytest.param("-100", 900, 1000, id="suffix"),
        pytest.param("900-", 900, 1000, id="open"),
        pytest.param("900-5000", 900, 1000, id="beyond-the-end"),
    ],
)
def test_range(client: Client, wanted: str, start: int, stop: int) -> None:
    """A range of a file is answered with 206, those bytes, and where they lie.

    A server that sends the file by itself has to begin in its middle and stop before its end.
    """
    answer = client.get(SMALL, headers={"Range": f"bytes={wanted}"})
    assert answer.status_code == 206
    assert answer.content == numbered(SMALL_SIZE)[start:stop]
    assert answer.header("Content-Range") == f"bytes {start}-{stop - 1}/{SMALL_SIZE}"
    assert answer.wire.all("Content-Length") in ([], [str(stop - start)])
    assert answer.header("ETag") == '"v1"'


@clause("response/range/big", "contract", SEND_FILE)
def test_range_big(client: Client) -> None:
    """A range of a megabyte from the middle of a big file arrives as it is."""
    start, stop = 1_234_567, 2_345_678
    answer = client.get(BIG, headers={"Range": f"bytes={start}-{stop - 1}"})
    assert answer.status_code == 206
    same(answer.content, numbered(BIG_SIZE)[start:stop])


@clause("response/range/unsatisfiable", "should", rfc9110("15.5.17"))
def test_range_unsatisfiable(client: Client) -> None:
    """A range beyond the end is answered with 416, and with the size, so that it can be mended."""
    answer = client.get(SMALL, headers={"Range": "bytes=1000-"})
    assert answer.status_code == 416
    assert answer.header("Content-Range") == f"bytes */{SMALL_SIZE}"


@clause("response/range/malformed", "may", rfc9110("14.2"))
def test_range_malformed(client: Client) -> None:
    """A range that is none is ignored or refused; no part is made up for it."""
    for wanted in ("bytes=5-2", "bytes=a-b", "bytes=-", "bytes", "bytes=1-2-3"):
        answer = client.get(SMALL, headers={"Range": wanted})
        assert answer.status_code in (200, 400, 416), wanted
        if answer.status_code == 200:
            same(answer.content, numbered(SMALL_SIZE))


def part(answer: Answer) -> bool:
    """Whether an answer is the part that was asked for, and not the whole file."""
    expected = numbered(SMALL_SIZE)
    assert answer.content == (expected[:10] if answer.status_code == 206 else expected)
    assert answer.status_code in (200, 206)
    return answer.status_code == 206


@clause("response/range/if-range", "should", rfc9110("13.1.5"))
@pytest.mark.parametrize(
    ("same_as", "other"),
    [
        pytest.param('"v1"', '"v2"', id="etag"),
        pytest.param(MODIFIED, "Thu, 29 Feb 2024 12:30:14 GMT", id="date"),
    ],
)
def test_if_range(client: Client, same_as: str, other: str) -> None:
    """If-Range gets the part of a file that is still the same, and else the whole file.

    A part of another file would be put together with what the client has of the old one.
    """
    assert part(client.get(SMALL, headers={"Range": "bytes=0-9", "If-Range": same_as}))
    assert not part(client.get(SMALL, headers={"Range": "bytes=0-9", "If-Range": other}))


@clause("response/range/head", "must", rfc9110("9.3.2"))
def test_range_head(wire: Wire) -> None:
    """HEAD with a range has no body either, and the connection is in step after it."""
    with wire.connect() as connection:
        connection.request("HEAD", SMALL, [("Range", "bytes=0-9"), ("Connection", "close")])
        response = connection.receive("HEAD")
        connection.assert_closed()
    # Ranges are defined for GET alone, but Flask answers them here as well.
    assert response.status in (200, 206), response.describe()
    assert response.header("ETag") == '"v1"'


@clause("response/range/not-offered", "agreement", pep3333("Other HTTP Features"))
def test_range_view(client: Client) -> None:
    """A range of what has no ranges is answered whole, or with the range that was asked for.

    The application ignores it; PEP 3333 allows a server to cut the range out by itself.
    """
    answer = client.get("/response/conditional", headers={"Range": "bytes=0-3"})
    found = (answer.status_code, answer.content)
    assert found in ((200, b"the representation"), (206, b"the "))
    if answer.status_code == 206:
        assert answer.header("Content-Range") == "bytes 0-3/18"


# Static files


@clause("response/static", "contract", STATIC)
def test_static(client: Client) -> None:
    """A file of the static folder is served below `/static/`: at its top, or in a folder of it."""
    for name, body in (
        ("plain.txt", b"plain\n"),
        ("folder/deep.txt", b"in a folder\n"),
        ("with%20space.txt", b"with a space\n"),
    ):
        answer = client.get(f"/static/{name}")
        assert (answer.status_code, answer.content) == (200, body)


@clause("response/static/content-type", "contract", SEND_FILE)
def test_static_type(client: Client) -> None:
    """The type of a file is guessed from its name, and unknown ones are bytes."""
    types = {
        "page.html": {"text/html"},
        "style.css": {"text/css"},
        # Python before 3.12 has the older name.
        "script.js": {"text/javascript", "application/javascript"},
        "data.json": {"application/json"},
        "picture.svg": {"image/svg+xml"},
        "plain.txt": {"text/plain"},
        "unknown.wsgiconform": {"application/octet-stream"},
    }
    for name, expected in types.items():
        answer = client.get(f"/static/{name}")
        assert answer.status_code == 200
        kind, _, parameter = answer.header("Content-Type").partition(";")
        assert kind.strip() in expected, name
        if kind.startswith("text/"):
            assert parameter.strip().lower() == "charset=utf-8", name


@clause("response/static/missing", "contract", SEND_FROM_DIRECTORY)
def test_static_missing(client: Client) -> None:
    """What is no file there is not found: neither a name that is missing, nor a folder."""
    assert client.get("/static/plain.txt").status_code == 200
    for name in ("missing.txt", "folder", "folder/", "plain.txt/more"):
        assert client.get(f"/static/{name}").status_code == 404, name


@clause("response/static/method", "must", rfc9110("15.5.6"))
def test_static_method(client: Client) -> None:
    """A static file takes no POST: 405, and Allow says what it takes."""
    answer = client.post("/static/plain.txt", data=b"x")
    assert answer.status_code == 405
    assert {name.strip() for name in answer.header("Allow").split(",")} >= {"GET", "HEAD"}


# Nothing gets out of a folder


def kept_inside(response_status: int, body: str) -> None:
    """An answer that has nothing from beside the folder: a refusal, or a way elsewhere."""
    assert OUTSIDE not in body
    assert "root:" not in body
    assert 300 <= response_status < 500, response_status


@clause("response/traversal/view", "contract", SEND_FROM_DIRECTORY)
def test_traversal_view(client: Client) -> None:
    """A name that leads out of the folder is not found, wherever the view has it from.

    Here it is from the query, on which no server resolves anything.
    """
    inside = client.get("/response/file/by-query?name=file.txt")
    assert (inside.status_code, inside.text) == (200, "inside the folder\n")
    for name in (
        "../outside.txt",
        "./../outside.txt",
        "folder/../../outside.txt",
        "../inside-not/outside.txt",
        "..",
        "..\\outside.txt",
        "/etc/passwd",
        "//etc/passwd",
        "../../../../../../../../../../etc/passwd",
        "file.txt\0.png",
    ):
        answer = client.get(f"/response/file/by-query?name={quote(name, safe='')}")
        assert answer.status_code == 404, name
        kept_inside(answer.status_code, answer.text)


@clause("response/traversal/path", "contract", SEND_FROM_DIRECTORY)
@pytest.mark.parametrize(
    "name",
    [
        pytest.param("../outside.txt", id="dots"),
        pytest.param("..%2Foutside.txt", id="encoded-slash"),
        pytest.param("%2e%2e/outside.txt", id="encoded-dots"),
        pytest.param("%2e%2e%2foutside.txt", id="all-encoded"),
        pytest.param("%252e%252e%252foutside.txt", id="encoded-twice"),
        pytest.param("folder/%2e%2e/%2e%2e/outside.txt", id="from-below"),
        pytest.param("..%5Coutside.txt", id="backslash"),
        pytest.param("%2e%2e%2finside-not%2foutside.txt", id="beside"),
        pytest.param("%2Fetc%2Fpasswd", id="absolute"),
        pytest.param("file.txt%00.png", id="nul"),
        pytest.param("..;/outside.txt", id="parameter"),
        pytest.param("%c0%ae%c0%ae/outside.txt", id="overlong"),
    ],
)
def test_traversal_path(wire: Wire, name: str) -> None:
    """No spelling of a path gets a file from outside of the folder.

    Between the request and the file a path is decoded and normalised by the server, by a gateway
    and by the framework; where two of them do the same, or in another order, a way out opens.
    """
    inside = wire.ask("GET", "/response/file/by-path/file.txt")
    assert (inside.status, inside.body) == (200, b"inside the folder\n")
    response = wire.ask("GET", f"/response/file/by-path/{name}")
    kept_inside(response.status, response.body.decode("latin-1"))


@clause("response/traversal/static", "contract", STATIC)
@pytest.mark.parametrize(
    "name",
    [
        pytest.param("../shared/outside.txt", id="dots"),
        pytest.param("%2e%2e%2fshared%2foutside.txt", id="encoded"),
        pytest.param("%252e%252e%252fshared%252foutside.txt", id="encoded-twice"),
    ],
)
def test_traversal_static(wire: Wire, name: str) -> None:
    """The static folder is as closed as any."""
    inside = wire.ask("GET", "/static/plain.txt")
    assert (inside.status, inside.body) == (200, b"plain\n")
    response = wire.ask("GET", f"/static/{name}")
    kept_inside(response.status, response.body.decode("latin-1"))
