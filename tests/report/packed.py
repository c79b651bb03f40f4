"""What a page carries as gzip in base64, taken out as a browser would."""

from __future__ import annotations

import base64
import gzip
import re


def unpacked(html: str, identity: str) -> str:
    (held,) = re.findall(rf'<script type="application/gzip" id="{identity}">([\w+/=]*)</script>', html)
    return gzip.decompress(base64.b64decode(held)).decode()
