"""What all pages share: how they are rendered and guarded, and how a form's effect happens."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from tollhouse.sandbox import money
from tollhouse.sandbox.api import forms
from tollhouse.sandbox.errors import StripeError
from tollhouse.sandbox.guard import find_fault
from tollhouse.sandbox.pages import words
from tollhouse.sandbox.state.world import World

if TYPE_CHECKING:
    from tollhouse.sandbox.sandbox import Sandbox

Result = TypeVar("Result")
Endpoint = Callable[[Request], Awaitable[Response]]
Form = dict[str, Any]

FORM_BYTES_MAX: Final = 64_000
POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; base-uri 'none';"
    " frame-ancestors 'none'"
)
HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not no-referrer, with which Chromium posts our own forms with `Origin: null`.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


FILTERS: Final[dict[str, Callable[..., str]]] = {
    "money": money.show,
    "day": words.write_day,
    "moment": words.write_moment,
    "rhythm": words.write_rhythm,
    "price": words.write_price,
    "card": words.write_method,
    "spaced": words.write_status,
}


@dataclass(slots=True)
class Site:
    """The pages of one sandbox."""

    sandbox: Sandbox
    routes: list[Route] = field(default_factory=list[Route])

    @property
    def world(self) -> World:
        """The account that the pages are about."""
        return self.sandbox.world

    def get(self, path: str) -> Callable[[Endpoint], Endpoint]:
        """Register what answers a GET of this path."""
        return self._register("GET", path)

    def post(self, path: str) -> Callable[[Endpoint], Endpoint]:
        """Register what answers a form posted to this path."""
        return self._register("POST", path)

    def act(self, function: Callable[[], Result]) -> Result:
        """Return the function's value; its effects happen whole, or not at all. Raises `StripeError` as it did."""
        return self.world.act(function)

    def page(self, template: str, *, status: int = 200, leads_out: bool = False, **context: Any) -> Response:
        """Return a page. With `leads_out` its forms may end on another origin, as Checkout's do."""
        body = _environment.get_template(template).render(site=self, **context)
        # Chromium holds the redirects after a form to `form-action`, and where a seller leads on from there is
        # nobody's to know beforehand.
        policy = POLICY if leads_out else POLICY + "; form-action 'self'"
        return HTMLResponse(body, status, HEADERS | {"Content-Security-Policy": policy})

    def message(self, title: str, text: str = "", *, status: int = 200, on: tuple[str, str] | None = None) -> Response:
        """Return a page that says one thing; `on` is a way on from it: an address and its words."""
        return self.page("message.html", status=status, title=title, text=text, on=on)

    def _register(self, method: str, path: str) -> Callable[[Endpoint], Endpoint]:
        def register(endpoint: Endpoint) -> Endpoint:
            async def answer(request: Request) -> Response:
                refusal = find_fault(request, self.world.url)
                if refusal is not None:
                    return self.message("Not from here", refusal, status=403)
                try:
                    return await endpoint(request)
                except StripeError as error:
                    title = "Nothing here" if error.status == 404 else "That did not work"
                    return self.message(title, str(error), status=error.status)

            self.routes.append(Route(path, answer, methods=[method]))
            return endpoint

        return register


async def read_form(request: Request) -> Form:
    """Return the fields of a posted form. Raises `StripeError` for one that is too large or cannot be read."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > FORM_BYTES_MAX:
            raise StripeError("The form is too large.", status=413)
    try:
        return forms.decode(body.decode())
    except UnicodeDecodeError as error:
        raise StripeError("The form is not in UTF-8.") from error


def redirect(address: str) -> Response:
    """Lead the browser on, with a GET."""
    return RedirectResponse(address, 303, {"Cache-Control": "no-store"})


def text_of(form: Form, name: str) -> str:
    """Return what was typed into a field, or an empty text."""
    value = form.get(name, "")
    return value.strip() if isinstance(value, str) else ""


def _make_environment() -> Environment:
    loader = PackageLoader("tollhouse.sandbox.pages")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= dict(FILTERS)  # pyright: ignore[reportUnknownMemberType] (jinja2 leaves its type open)
    return environment


_environment: Final = _make_environment()
