"""Sessions of `stripe listen`. Source: the Stripe CLI's own client, github.com/stripe/stripe-cli, pkg/stripeauth."""

from __future__ import annotations

import time
from typing import Final

from tollhouse.sandbox.api.parameters import TEXT, TEXTS
from tollhouse.sandbox.resources.registry import Params, undescribed
from tollhouse.sandbox.state.world import World
from tollhouse.sandbox.values import Obj

KIND: Final = "stripecli_session"
SUBSCRIBE_PATH: Final = "/v1/stripecli/subscribe"
RECONNECT_SECONDS: Final = 3600  # after which the CLI dials again; on a loopback there is no need to
WEBHOOKS: Final = "webhooks"


@undescribed("POST", "/v1/stripecli/sessions", websocket_features=TEXTS, device_name=TEXT)
def create(world: World, params: Params, /) -> Obj:
    """Open a session; what happens from now on is kept for it until it connects."""
    features = params.get("websocket_features") or [""]
    session: Obj = {
        "id": "cliws_" + world.ids.text(24),
        "object": KIND,
        "created": world.clock.now(),
        "device_name": params.get("device_name", ""),
        "features": features,
        "seen": int(time.time()),  # by the machine's clock, as connections live and end by that
    }
    world.save(session)
    return {
        "websocket_url": _socket_url(world),
        "websocket_id": session["id"],
        "websocket_authorized_feature": features[0],
        "reconnect_delay": RECONNECT_SECONDS,
        "secret": secret_of(world, session),
        "default_version": world.description.version,
        "latest_version": world.description.version,
        "display_connect_filter_warning": False,
    }


def secret_of(world: World, session: Obj) -> str:
    """Return what a session's webhooks are signed with: the same for a device each time."""
    return "whsec_" + world.ids.derive(f"device:{session['device_name']}", 64)


def _socket_url(world: World) -> str:
    scheme, _, rest = world.url.partition("://")
    return f"{'wss' if scheme == 'https' else 'ws'}://{rest}{SUBSCRIBE_PATH}"
