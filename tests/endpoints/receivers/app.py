"""An app's webhook route as its guide would have it: the raw body is checked, and what fails the check is refused.

Beside it, for the test: which secret it checks by, and what came.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from granian.constants import Interfaces
from granian.server.embed import Server
from standardwebhooks import Webhook, WebhookVerificationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


class App:
    """What it checks by, and what came."""

    def __init__(self, secret: str) -> None:
        self.webhook = Webhook(secret)
        self.verified: list[dict[str, Any]] = []
        self.refused: list[str] = []

    async def take(self, request: Request) -> Response:
        try:
            event = self.webhook.verify(await request.body(), dict(request.headers))
        except WebhookVerificationError as error:
            self.refused.append(str(error))
            return Response(status_code=400)
        told = {"id": event["id"], "type": event["type"], "sequence": event["sequence"]}
        signatures = len(request.headers["webhook-signature"].split())
        self.verified.append(told | {"user": event["data"]["user_id"], "signatures": signatures})
        return Response(status_code=204)

    async def set_secret(self, request: Request) -> Response:
        self.webhook = Webhook((await request.body()).decode())
        return Response(status_code=204)

    async def show(self, _: Request) -> Response:
        return JSONResponse({"verified": self.verified, "refused": self.refused})


def main(secret: str, port: int) -> None:
    app = App(secret)
    routes = [
        Route("/events", app.take, methods=["POST"]),
        Route("/secret", app.set_secret, methods=["POST"]),
        Route("/seen", app.show),
    ]
    server = Server(
        Starlette(routes=routes), address="127.0.0.1", port=port, interface=Interfaces.ASGINL, log_enabled=False
    )

    async def serve() -> None:
        print(port, flush=True)
        await server.serve()

    asyncio.run(serve())


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
