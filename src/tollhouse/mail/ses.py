"""Amazon SES: its SMTP password, derived from an IAM secret access key."""

from __future__ import annotations

import base64
import hmac
import re
from typing import Final

_VERSION: Final = b"\x04"
_SCOPE_DATE: Final = "11111111"  # a constant of the scheme, not a day: the password does not expire

_HOST: Final = re.compile(
    r"(?:^|[.-])email-smtp(?:-fips)?\.(?P<region>[a-z]{2}(?:-[a-z]+)+-[0-9]{1,2})\.(?:vpce\.)?amazonaws\.com(?:\.cn)?"
)


def region_of(host: str) -> str | None:
    """The AWS region of an SES SMTP host, or None when the host is not one of SES."""
    match = re.search(_HOST.pattern + r"\Z", host.lower())
    return match["region"] if match else None


def smtp_password(secret_access_key: str, region: str) -> str:
    """The SMTP password of an IAM user in one region; the user name is the access key id.

    A Signature Version 4 key chain that ends in the message instead of a request, behind a version byte (Amazon SES
    developer guide, "Obtaining SES SMTP credentials by converting existing AWS credentials").
    """
    signature = f"AWS4{secret_access_key}".encode()
    for part in (_SCOPE_DATE, region, "ses", "aws4_request", "SendRawEmail"):
        signature = hmac.digest(signature, part.encode(), "sha256")
    return base64.b64encode(_VERSION + signature).decode()
