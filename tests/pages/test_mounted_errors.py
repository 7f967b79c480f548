"""Mounted in a host: our paths answer in our form, the host's in the host's."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse

from tollhouse.app import Tollhouse
from tollhouse.testing import TestKit, make_settings


async def test_a_page_of_ours_that_is_not_there_is_a_problem() -> None:
    app = FastAPI()
    toll = Tollhouse(make_settings())
    toll.install(app)
    async with TestKit(app=app, toll=toll) as kit:
        reply = await kit.new_browser().put("/auth/session")
        assert (reply.status_code, reply.json()["code"]) == (405, "method_not_allowed")
        assert "GET" in reply.headers["allow"]
        missing = await kit.new_browser().get("/auth/nothing-here")
        assert (missing.status_code, missing.headers["content-type"]) == (404, "application/problem+json")


async def test_the_hosts_own_errors_stay_the_hosts() -> None:
    app = FastAPI()

    async def of_the_host(_request: Request, error: Exception) -> PlainTextResponse:
        assert isinstance(error, HTTPException)
        return PlainTextResponse("the host says no", status_code=error.status_code)

    app.add_exception_handler(HTTPException, of_the_host)
    toll = Tollhouse(make_settings())
    toll.install(app)
    async with TestKit(app=app, toll=toll) as kit:
        reply = await kit.new_browser().get("/nothing-here")
        assert (reply.status_code, reply.text) == (404, "the host says no")


async def test_a_host_without_a_handler_keeps_the_frameworks() -> None:
    app = FastAPI()
    toll = Tollhouse(make_settings())
    toll.install(app)
    async with TestKit(app=app, toll=toll) as kit:
        assert (await kit.new_browser().get("/nothing-here")).json() == {"detail": "Not Found"}
