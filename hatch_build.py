"""What a wheel contains beside the packages: the registry, and what its images are built from.

A checkout has them at its root. `conformance.backends.build_context` puts the two together again.
"""

from __future__ import annotations

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

#: Where `conformance.registry.default_path` looks for it.
DIRECTORY = "conformance/deployments"


class RegistryHook(BuildHookInterface):  # type: ignore[type-arg]
    """Puts it into a wheel; an installation in editable form uses that of the checkout."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the files."""
        if version != "editable":
            for path in ("compose.yaml", "docker", ".dockerignore"):
                build_data["force_include"][path] = f"{DIRECTORY}/{path}"
