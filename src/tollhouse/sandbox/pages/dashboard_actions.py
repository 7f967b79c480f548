"""What the dashboard's forms do: the same as the control API's commands, by the same functions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from tollhouse.sandbox.control import billing, breaking, payments, webhooks
from tollhouse.sandbox.durations import DAY_SECONDS, HOUR_SECONDS, TURN_SECONDS_MAX
from tollhouse.sandbox.errors import invalid
from tollhouse.sandbox.faults.kinds import KINDS
from tollhouse.sandbox.pages.site import Endpoint, Form, Site, read_form, redirect, text_of
from tollhouse.sandbox.values import Obj

STEPS: Final = {"hour": HOUR_SECONDS, "day": DAY_SECONDS, "month": 31 * DAY_SECONDS}
# Commands on one object, by the words of their buttons.
ON_ONE: Final[Mapping[str, Any]] = {
    "settle": payments.settle,
    "fail": payments.fail,
    "win": payments.win,
    "lose": payments.lose,
    "fail_refund": payments.fail_refund,
    "fail_next_payment": billing.fail_next_payment,
    "resend": webhooks.resend,
    "disable": webhooks.disable,
    "enable": webhooks.enable,
}
# Commands that name a payment intent in what they are told.
ON_PAYMENT: Final[Mapping[str, Any]] = {"refund": payments.refund, "dispute": payments.dispute}


class Actions:
    """One method for each form."""

    def __init__(self, site: Site) -> None:
        """Act on this site's sandbox."""
        self._site = site

    def all(self) -> dict[str, Endpoint]:
        """Return what answers the forms, by their paths below the dashboard's."""
        return {
            "clock": self.turn_clock,
            "reset": self.reset,
            "break": self.add_fault,
            "break/{id}": self.remove_fault,
            "objects/{id}/{verb}": self.act_on,
        }

    async def turn_clock(self, request: Request) -> Response:
        """Turn the clock forward by a step, or by so many seconds."""
        form = await read_form(request)
        step = text_of(form, "step")
        typed = text_of(form, "seconds")
        if step not in STEPS and not typed.isdecimal():
            raise invalid("The clock is turned by a number of seconds.", "seconds")
        await self._site.sandbox.advance_and_settle(
            STEPS[step] if step in STEPS else min(int(typed[:12]), TURN_SECONDS_MAX)
        )
        return redirect("/dashboard")

    async def reset(self, request: Request) -> Response:
        """Forget everything but the clock."""
        form = await read_form(request)
        if "sure" not in form:
            raise invalid("Tick the box: everything will be forgotten.")
        self._site.sandbox.reset()
        return redirect("/dashboard")

    async def add_fault(self, request: Request) -> Response:
        """Break something on purpose."""
        form = await read_form(request)
        told = _read_fault(form)
        self._site.act(lambda: breaking.add_fault(self._site.sandbox, told))
        return redirect("/dashboard/break")

    async def remove_fault(self, request: Request) -> Response:
        """Mend it."""
        id: str = request.path_params["id"]
        self._site.act(lambda: breaking.remove_fault(self._site.sandbox, {}, id=id))
        return redirect("/dashboard/break")

    async def act_on(self, request: Request) -> Response:
        """Do to an object what one of its buttons says."""
        form = await read_form(request)
        id: str = request.path_params["id"]
        verb: str = request.path_params["verb"]
        sandbox = self._site.sandbox
        if verb in ON_PAYMENT:
            told: Obj = {"payment_intent": id}
            if text_of(form, "amount"):
                told["amount"] = _number(text_of(form, "amount"), "amount")
            self._site.act(lambda: ON_PAYMENT[verb](sandbox, told))
        elif verb in ON_ONE:
            self._site.act(lambda: ON_ONE[verb](sandbox, {}, id=id))
        else:
            raise invalid(f"There is no such command: {verb}")
        return redirect(f"/dashboard/objects/{id}")


def _read_fault(form: Form) -> Obj:
    """Return the rule that was filled in: of the fields those that its kind has."""
    name = text_of(form, "fault")
    told: Obj = {"fault": name}
    fields = KINDS[name].takes if name in KINDS else {}
    for field in ("path", "when"):
        if field in fields and text_of(form, field):
            told[field] = text_of(form, field)
    for field in ("times", "status", "seconds"):
        if field in fields and text_of(form, field):
            told[field] = _number(text_of(form, field), field)
    if "types" in fields and text_of(form, "types"):
        told["types"] = text_of(form, "types").replace(",", " ").split()
    return told


def _number(typed: str, name: str) -> int:
    if not typed.isdecimal():
        raise invalid(f"Enter a whole number: {name}", name)
    return int(typed[:12])
