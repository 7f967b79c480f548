"""Where settings come from beside the environment: `…_FILE` variables, and lists written as text."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic_settings import NoDecode, PydanticBaseSettingsSource

from tollhouse.errors import SettingsError

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo


class SecretFileSource(PydanticBaseSettingsSource):
    """Values of `TOLLHOUSE_<NAME>_FILE`: the content of the named file without its last line end."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return the file's text, or None where no file is named; raise what reading it raises."""
        path = os.environ.get(self.variable(field_name))
        text = Path(path).read_text(encoding="utf-8").rstrip("\r\n") if path else None
        return text, field_name, False

    def variable(self, field_name: str) -> str:
        """Return the name of the variable that names a setting's file."""
        return f"{self.config.get('env_prefix', '')}{field_name}_FILE".upper()

    def __call__(self) -> dict[str, Any]:
        """Return every value that a file gives; raise `SettingsError` with every file that cannot be read."""
        found: dict[str, Any] = {}
        problems: list[str] = []
        for name, field in self.settings_cls.model_fields.items():
            try:
                value, _, _ = self.get_field_value(field, name)
            except (OSError, ValueError) as error:
                why = type(error).__name__
                problems.append(f"{self.variable(name)} names a file that cannot be read ({why}): check it.")
                continue
            if value is not None and NoDecode not in field.metadata and self.field_is_complex(field):
                try:
                    value = json.loads(value)
                except ValueError:
                    problems.append(f"{self.variable(name)} names a file that is not JSON: check it.")
                    continue
            if value is not None:
                found[name] = value
        if problems:
            raise SettingsError(problems)
        return found


def split_list(value: Any) -> Any:
    """Return a tuple of the parts of a comma- or line-separated text (or JSON list); other things as they are."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return tuple(json.loads(value))
    return tuple(part for part in (piece.strip() for piece in value.replace("\n", ",").split(",")) if part)
