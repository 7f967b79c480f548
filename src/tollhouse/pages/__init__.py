"""Plain, quick, accessible HTML pages: templates, stylesheet, scripts and the headers they are served with."""

from __future__ import annotations

from tollhouse.pages.brand import Brand
from tollhouse.pages.devices import describe
from tollhouse.pages.headers import mail_frame_headers, security_headers
from tollhouse.pages.rendering import Action, Asset, Pages

__all__ = ["Action", "Asset", "Brand", "Pages", "describe", "mail_frame_headers", "security_headers"]
