"""The containers that requests and responses hand out.

`mappings.py` has the dictionaries with several values per key, `headers.py` the header list,
`values.py` what single header fields parse to, `credentials.py` those of
authentication, `files.py` the uploaded file.
"""

from .credentials import Authorization, WWWAuthenticate
from .files import FileMultiDict, FileStorage
from .headers import EnvironHeaders, Headers
from .mappings import (
    CallbackDict,
    CombinedMultiDict,
    ImmutableDict,
    ImmutableMultiDict,
    MultiDict,
    iter_multi_items,
)
from .values import (
    Accept,
    ContentRange,
    ETags,
    HeaderSet,
    IfRange,
    LanguageAccept,
    MIMEAccept,
    Range,
    RequestCacheControl,
    ResponseCacheControl,
    UserAgent,
)

__all__ = [
    "Accept",
    "Authorization",
    "CallbackDict",
    "CombinedMultiDict",
    "ContentRange",
    "ETags",
    "EnvironHeaders",
    "FileMultiDict",
    "FileStorage",
    "HeaderSet",
    "Headers",
    "IfRange",
    "ImmutableDict",
    "ImmutableMultiDict",
    "LanguageAccept",
    "MIMEAccept",
    "MultiDict",
    "Range",
    "RequestCacheControl",
    "ResponseCacheControl",
    "UserAgent",
    "WWWAuthenticate",
    "iter_multi_items",
]
