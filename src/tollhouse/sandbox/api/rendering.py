"""Objects as a reply shows them: of the asked version, with what was asked to be expanded, without what is hidden."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from tollhouse.sandbox.api.versions import downgrade
from tollhouse.sandbox.description import Schema, is_nullable
from tollhouse.sandbox.errors import invalid
from tollhouse.sandbox.resources import registry
from tollhouse.sandbox.state.world import HIDDEN, World
from tollhouse.sandbox.values import Obj, is_list, is_object

LEVELS_MAX: Final = 4

Tree = dict[str, "Tree"]


def render(world: World, obj: Obj, *, version: str, expand: Iterable[str] = ()) -> Obj:
    """Return what a reply shows of an object or a list. Raises `StripeError` 400 for what cannot be expanded."""
    return _Renderer(world, version).render(obj, read_paths(expand), "")


def read_paths(expand: Iterable[str]) -> Tree:
    """Return `["a.b", "a.c"]` as `{"a": {"b": {}, "c": {}}}`."""
    tree: Tree = {}
    for path in expand:
        node = tree
        names = path.split(".")
        if len(names) - (names[0] == "data") > LEVELS_MAX:
            raise invalid(f"You cannot expand more than {LEVELS_MAX} levels of a property. Property: {path}", "expand")
        for name in names:
            node = node.setdefault(name, {})
    return tree


def conceal(value: Any) -> Any:
    """Return a copy without the fields that Stripe keeps to itself."""
    if is_object(value):
        return {name: conceal(each) for name, each in value.items() if name != HIDDEN}
    if is_list(value):
        return [conceal(each) for each in value]
    return value


class _Renderer:
    """Follows the paths to expand through an object."""

    def __init__(self, world: World, version: str) -> None:
        self._world = world
        self._version = version

    def render(self, obj: Obj, tree: Tree, path: str) -> Obj:
        if obj.get("object") in {"list", "search_result"}:
            return self._render_list(obj, tree, path)
        shown: Obj = conceal(downgrade(obj, self._version, self._world))
        self._expand(obj, shown, tree, path)
        return shown

    def _render_list(self, page: Obj, tree: Tree, path: str) -> Obj:
        shown = {name: value for name, value in page.items() if name != HIDDEN}
        for name in tree:
            made = registry.find_includable(page["object"], name)
            if made is not None:
                shown[name] = made(self._world, page)
            elif name != "data":
                raise _not_expandable(path + name)
        return shown | {"data": [self.render(each, tree.get("data", {}), path + "data.") for each in page["data"]]}

    def _expand(self, owner: Obj, shown: Any, tree: Tree, path: str, within: str = "") -> None:
        """Expand what the tree names in a part of the owner; `within` is the path of that part, and a dot."""
        for name, below in tree.items():
            whole, field = path + name, within + name
            made = registry.find_includable(owner.get("object", ""), field)
            if made is not None:
                self._include(shown, name, self._render_any(owner, made(self._world, owner), below, whole, field))
            elif is_object(shown) and name in shown:
                shown[name] = self._follow(owner, shown[name], below, whole, field)
            elif not self._is_described(owner, field):
                raise _not_expandable(whole)

    def _include(self, shown: Obj, name: str, value: Any) -> None:
        """Write an asked-for field; one that this object merely lacks stays away."""
        if value is not None or name in shown or self._is_nullable(shown, name):
            shown[name] = value

    def _follow(self, owner: Obj, value: Any, below: Tree, path: str, field: str) -> Any:
        """Return what stands at an expanded field: the object its id names, or what was embedded there."""
        if isinstance(value, str):
            found = self._world.store.get(value, field.rpartition(".")[2])
            if found is None:
                raise _not_expandable(path)
            return self.render(found, below, path + ".")
        if is_list(value):
            return [self._follow(owner, each, below, path, field) for each in value]
        return self._render_any(owner, value, below, path, field)

    def _render_any(self, owner: Obj, value: Any, below: Tree, path: str, field: str) -> Any:
        if is_list(value):
            return [self._render_any(owner, each, below, path, field) for each in value]
        if not is_object(value):
            return value
        if "object" in value:
            return self.render(value, below, path + ".")
        self._expand(owner, value, below, path + ".", field + ".")
        return value

    def _is_described(self, obj: Obj, name: str) -> bool:
        """Say whether the kind has such a field, which this object merely lacks."""
        return name in self._fields(obj)

    def _is_nullable(self, obj: Obj, name: str) -> bool:
        return is_nullable(self._fields(obj).get(name, {}))

    def _fields(self, obj: Obj) -> Schema:
        return self._world.description.schemas.get(obj.get("object", ""), {}).get("properties", {})


def _not_expandable(path: str) -> Exception:
    return invalid(
        f"This property cannot be expanded ({path}). You may want to try expanding an object above it.", "expand"
    )
