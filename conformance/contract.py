"""What the suite takes for granted of the application under test, beyond its routes."""

#: The key that the application signs its session cookie with. In the open, like all of it.
SECRET_KEY = "wsgi-conform signs with this in the open"
#: A key that it still accepts and no longer signs with.
RETIRED_SECRET_KEY = "wsgi-conform signed with this before"
