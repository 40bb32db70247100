"""URLs that carry a signature (AWS Signature Version 4, in the query): for one request, with some of its headers.

`minio` signs the host alone in such URLs, and a URL without a signed range or length is one to the whole object.
"""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import SplitResult, quote

from xpstore_server.store.blobs.s3.place import Keys


def presigned(
    method: str, url: SplitResult, keys: Keys, *, region: str, at: datetime, seconds: int, headers: Mapping[str, str]
) -> str:
    """Signs a request.

    Args:
        method: of the request.
        url: of the object, without a query.
        keys: who asks.
        region: of the bucket.
        at: from when it is good, UTC.
        seconds: how long it is good.
        headers: what the request must have exactly so, by names in small letters.
    """
    signed = {"host": url.netloc, **headers}
    names = ";".join(sorted(signed))
    stamp = at.strftime("%Y%m%dT%H%M%SZ")
    scope = f"{stamp[:8]}/{region}/s3/aws4_request"
    query = {
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": f"{keys.access_key}/{scope}",
        "X-Amz-Date": stamp,
        "X-Amz-Expires": str(seconds),
        "X-Amz-SignedHeaders": names,
    }
    if keys.session_token:
        query["X-Amz-Security-Token"] = keys.session_token
    told = "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in sorted(query.items()))
    lines = "".join(f"{name}:{signed[name].strip()}\n" for name in sorted(signed))
    canonical = f"{method}\n{url.path}\n{told}\n{lines}\n{names}\nUNSIGNED-PAYLOAD"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    key = f"AWS4{keys.secret_key}".encode()
    for part in (stamp[:8], region, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.new(key, f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{digest}".encode(), "sha256").hexdigest()
    return f"{url.scheme}://{url.netloc}{url.path}?{told}&X-Amz-Signature={signature}"
