"""The areas of the application under test: what the checks of the same name talk to."""
