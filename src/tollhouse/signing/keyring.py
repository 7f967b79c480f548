"""The data keys: random, kept in the database, sealed under SECRET, so that the database alone opens nothing."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Final

from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from tollhouse.db import Database, Statement, Transaction
from tollhouse.errors import SettingsError
from tollhouse.signing.sealing import KEY_BYTES, SealBroken, derive_key, open_sealed, seal
from tollhouse.signing.tables import keys as table

PEPPER: Final = "pepper"  # of the digests of addresses; changing it would make everybody a stranger
DATA: Final = "data"  # seals mails that wait, keys the codes
PURPOSES: Final = (PEPPER, DATA)


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key as it is stored."""

    id: str
    sealed: bytes


ALL: Final = Statement(select(table.c.id, table.c.sealed), KeyRow)
ADD: Final = Statement(
    upsert(table)
    .values({name: bindparam(name) for name in ("id", "purpose", "sealed", "created_at")})
    .on_conflict_do_nothing(index_elements=["id"]),
    KeyRow,
)
RESEAL: Final = Statement(
    update(table).where(table.c.id == bindparam("key_id")).values(sealed=bindparam("new_sealed")), KeyRow
)


class Keyring:
    """The opened data keys, and what is done with them."""

    def __init__(self, pepper: bytes, data: bytes) -> None:
        """Derive one key for each purpose from the two random ones."""
        self._pepper = pepper
        self._mail_key = derive_key(data, "mail in the outbox")
        self._code_key = derive_key(data, "code of a magic link")
        self._network_key = derive_key(data, "network that asks")
        self._pair_key = derive_key(data, "browser that signed in to an address")
        self._signing_key_key = derive_key(data, "private keys that sign tokens")
        self._refresh_key = derive_key(data, "refresh tokens")
        self._shared_key = derive_key(data, "what replicas share outside the database")
        self._stripe_event_key = derive_key(data, "bodies of Stripe's events")
        self._address_key = derive_key(data, "addresses on their way to an endpoint")
        self._endpoint_key = derive_key(data, "secrets of endpoints")

    def digest_address(self, address: str) -> bytes:
        """Return what an address is known by: HMAC-SHA256 under the pepper."""
        return hmac.digest(self._pepper, address.encode(), "sha256")

    def digest_network(self, network: str) -> str:
        """Return what a network is known by in the limits; who asked, and from where, is nobody's to read there."""
        return hmac.digest(self._network_key, network.encode(), "sha256").hex()[:32]

    def digest_code(self, code: str, *, link_id: str) -> bytes:
        """Return what a code is known by; the link's id salts it."""
        return hmac.digest(self._code_key, f"{link_id}:{code}".encode(), "sha256")

    def digest_pair(self, browser: bytes, address_digest: bytes) -> bytes:
        """Return what a browser and an address it signed in to are known by."""
        return hmac.digest(self._pair_key, browser + address_digest, "sha256")

    def seal_mail(self, mail: bytes, *, delivery_id: str) -> bytes:
        """Seal a mail for its wait in the outbox."""
        return seal(self._mail_key, mail, context=delivery_id)

    def open_mail(self, sealed: bytes, *, delivery_id: str) -> bytes:
        """Open a mail that waited in the outbox."""
        return open_sealed(self._mail_key, sealed, context=delivery_id)

    def seal_signing_key(self, private_key: bytes, *, kid: str) -> bytes:
        """Seal a private key that signs tokens."""
        return seal(self._signing_key_key, private_key, context=kid)

    def open_signing_key(self, sealed: bytes, *, kid: str) -> bytes:
        """Open a private key that signs tokens."""
        return open_sealed(self._signing_key_key, sealed, context=kid)

    def mac_refresh(self, message: bytes) -> bytes:
        """Return HMAC-SHA256 of what belongs to a refresh token, under a key that only we have."""
        return hmac.digest(self._refresh_key, message, "sha256")

    def seal_shared(self, value: bytes, *, context: str) -> bytes:
        """Seal what replicas share through Valkey, which could otherwise put words into our mouth."""
        return seal(self._shared_key, value, context=context)

    def open_shared(self, sealed: bytes, *, context: str) -> bytes:
        """Open what replicas share through Valkey."""
        return open_sealed(self._shared_key, sealed, context=context)

    def seal_stripe_event(self, body: bytes, *, event_id: str) -> bytes:
        """Seal the body of an event of Stripe's, which holds addresses, for its time in the inbox."""
        return seal(self._stripe_event_key, body, context=event_id)

    def open_stripe_event(self, sealed: bytes, *, event_id: str) -> bytes:
        """Open the body of an event of Stripe's."""
        return open_sealed(self._stripe_event_key, sealed, context=event_id)

    def seal_address(self, address: bytes, delivery_id: str) -> bytes:
        """Seal an address for its wait in a delivery."""
        return seal(self._address_key, address, context=delivery_id)

    def open_address(self, sealed: bytes, delivery_id: str) -> bytes:
        """Open an address that waited in a delivery."""
        return open_sealed(self._address_key, sealed, context=delivery_id)

    def seal_endpoint_secrets(self, secrets_: bytes, *, name: str) -> bytes:
        """Seal what signs the events that an endpoint gets."""
        return seal(self._endpoint_key, secrets_, context=name)

    def open_endpoint_secrets(self, sealed: bytes, *, name: str) -> bytes:
        """Open what signs the events that an endpoint gets."""
        return open_sealed(self._endpoint_key, sealed, context=name)


async def load(db: Database, secret: tuple[str, ...], *, now_us: int) -> Keyring:
    """Return the keys of this database: made at the first start, sealed again when SECRET was rotated.

    Raise `SettingsError` when no entry of SECRET opens them.
    """
    wrapping = [derive_key(hashlib.sha256(each.encode()).digest(), "wrapping of data keys") for each in secret]
    opened = await db.transact(_load, wrapping, now_us)
    return Keyring(pepper=opened[PEPPER], data=opened[DATA])


async def _load(tx: Transaction, wrapping: list[bytes], now_us: int) -> dict[str, bytes]:
    for purpose in PURPOSES:  # two replicas that start together: one row wins
        fresh = seal(wrapping[0], secrets.token_bytes(KEY_BYTES), context=purpose)
        await tx.execute(ADD, id=purpose, purpose=purpose, sealed=fresh, created_at=now_us)
    opened: dict[str, bytes] = {}
    for row in await tx.fetch_all(ALL):
        key, current = _open(row, wrapping)
        if not current:
            await tx.execute(RESEAL, key_id=row.id, new_sealed=seal(wrapping[0], key, context=row.id))
        opened[row.id] = key
    return opened


def _open(row: KeyRow, wrapping: list[bytes]) -> tuple[bytes, bool]:
    for number, key in enumerate(wrapping):
        try:
            return open_sealed(key, row.sealed, context=row.id), number == 0
        except SealBroken:
            continue
    raise SettingsError(
        [
            "TOLLHOUSE_SECRET does not open this database's keys. Give the secret it was made with (after a rotation: "
            "new,old). Without it nobody's address is recognised."
        ]
    )
