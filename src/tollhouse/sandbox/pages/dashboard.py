"""The dashboard: what there is, what was told of it, and ways to meddle."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from tollhouse.sandbox.api.rendering import render
from tollhouse.sandbox.errors import missing
from tollhouse.sandbox.faults.kinds import KINDS
from tollhouse.sandbox.pages.dashboard_actions import Actions
from tollhouse.sandbox.pages.site import Site
from tollhouse.sandbox.state import timers
from tollhouse.sandbox.values import Obj

ROWS_MAX: Final = 50
# What is listed, under which path and name.
LISTS: Final = {
    "payments": ("payment_intent", "Payments"),
    "customers": ("customer", "Customers"),
    "subscriptions": ("subscription", "Subscriptions"),
    "events": ("event", "Events"),
    "webhooks": ("webhook_endpoint", "Webhooks"),
}


def add_routes(site: Site) -> None:
    """Register the dashboard's pages and what their forms do."""
    dashboard = Dashboard(site)
    site.get("/")(dashboard.show)
    site.get("/dashboard")(dashboard.show)
    site.get("/dashboard/break")(dashboard.show_faults)
    site.get("/dashboard/objects/{id}")(dashboard.show_object)
    site.get("/dashboard/{name}")(dashboard.show_list)
    actions = Actions(site)
    for path, action in actions.all().items():
        site.post("/dashboard/" + path)(action)


class Dashboard:
    """Pages over everything in the world."""

    def __init__(self, site: Site) -> None:
        """Show this site's sandbox."""
        self._site = site
        self._world = site.world

    async def show(self, request: Request) -> Response:
        """Show how much there is of each, the latest payments and the clock."""
        counts = self._read(lambda: {name: len(self._world.every(kind)) for name, (kind, _) in LISTS.items()})
        payments = self._world.every("payment_intent")[:10]
        context: dict[str, Any] = {"counts": counts, "payments": payments, "names": self._names()}
        return self._page("dashboard.html", "home", failed=timers.read_failed(self._world)[:1], **context)

    async def show_list(self, request: Request) -> Response:
        """List the newest of a kind."""
        name: str = request.path_params["name"]
        if name not in LISTS:
            raise missing("page", name)
        kind, title = LISTS[name]
        objects = self._read(lambda: self._world.every(kind)[:ROWS_MAX])
        context: dict[str, Any] = {"name": name, "title": title, "objects": objects, "names": self._names()}
        if name == "events":
            context["deliveries"] = self._deliveries(objects)
        return self._page("dashboard_list.html", name, **context)

    async def show_object(self, request: Request) -> Response:
        """Show one object as the API shows it, with its events; and an event with its deliveries."""
        id: str = request.path_params["id"]
        kinds = [kind for kind in self._world.description.schemas if kind != "error"]
        found = self._read(lambda: next((each for kind in kinds if (each := self._world.find(kind, id))), None))
        if found is None:
            raise missing("object", id)
        text = json.dumps(render(self._world, found, version=self._world.description.version), indent=2)
        is_event = found["object"] == "event"
        deliveries = self._world.every("delivery", **({"event": id} if is_event else {"source": id}))
        return self._page("dashboard_object.html", "", obj=found, text=text, deliveries=deliveries[:ROWS_MAX])

    async def show_faults(self, request: Request) -> Response:
        """Show what is broken on purpose, and what can be."""
        rules = self._read(self._site.sandbox.faults.every)
        return self._page("dashboard_faults.html", "break", rules=rules, kinds=KINDS)

    def _read(self, function: Callable[[], Any]) -> Any:
        return self._site.act(function)

    def _names(self) -> dict[str, str]:
        """Return what customers are called, by their ids."""
        return {each["id"]: each["email"] or each["name"] or each["id"] for each in self._world.every("customer")}

    def _deliveries(self, events: list[Obj]) -> dict[str, list[Obj]]:
        return {each["id"]: self._world.every("delivery", event=each["id"]) for each in events}

    def _page(self, template: str, current: str, **context: Any) -> Response:
        now = self._site.sandbox.clock.now()
        return self._site.page(template, current=current, now=now, lists=LISTS, **context)
