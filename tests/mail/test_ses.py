from __future__ import annotations

import pytest

from tollhouse.mail import ses

SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"  # the key of Amazon's own examples


@pytest.mark.parametrize(
    ("region", "password"),
    [  # made with a chain of `openssl dgst -sha256 -mac HMAC -macopt hexkey:…`
        ("eu-central-1", "BF0/eIJm0ruTHsSjOkRuOGzGF+zeSyE3aiRzrzUQ8LwG"),
        ("us-east-1", "BLBM/9hSUELfq8Gw+rU1YcBjkOxGbhT2XG763xVLGWL9"),
    ],
)
def test_the_password_is_the_one_openssl_derives(region: str, password: str) -> None:
    assert ses.smtp_password(SECRET, region) == password


@pytest.mark.parametrize(
    ("host", "region"),
    [
        ("email-smtp.eu-central-1.amazonaws.com", "eu-central-1"),
        ("EMAIL-SMTP.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
        ("email-smtp-fips.us-east-2.amazonaws.com", "us-east-2"),
        ("vpce-0a1-b2.email-smtp.eu-west-1.vpce.amazonaws.com", "eu-west-1"),
        ("email-smtp.eu-west-1.amazonaws.com.evil.test", None),
        ("email-smtp.eu-west-1.amazonaws.com\n", None),
        ("notemail-smtpx.eu-west-1.amazonaws.com", None),
        ("smtp.acme.test", None),
    ],
)
def test_the_region_is_read_from_hosts_of_ses_alone(host: str, region: str | None) -> None:
    assert ses.region_of(host) == region
