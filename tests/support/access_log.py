"""Lines of a real access log: Swift 2.38.3, proxy-logging at both ends of the pipeline, by what their requests were."""

from __future__ import annotations

#: boto3's, as it is logged.
BOTO = ("Boto3/1.44.5%20md/Botocore%231.44.5%20ua/2.1%20os/linux%236.18.44-fc-v657%20md/arch%23x86_64%20lang/"
        "python%233.11.7%20md/pyimpl%23CPython%20m/E%2Ca%2Cc%2CN%2Ce%20cfg/retry-mode%23standard%20Botocore/1.44.5")

VERSIONED = (
    "- - 22/Nov/2026/02/50/52 GET /v1/AUTH_versioned/c/o%3Fsymlink%3Dget HTTP/1.0 200 - Swift - - - - "
    "tx941af325700942d2905c1-006b02588c - 0.0063 OV - 1795315852.156471014 1795315852.162772894 0 -",
    "- - 22/Nov/2026/02/50/52 PUT /v1/AUTH_versioned/%2500versions%2500c/%2500o%25008204684147.83253 HTTP/1.0 201 - "
    "Swift AUTH_tke2ce80598... 2000 - - tx941af325700942d2905c1-006b02588c - 0.0144 OV - 1795315852.167722464 "
    "1795315852.182128429 0 -",
    "127.0.0.1 127.0.0.1 22/Nov/2026/02/50/52 PUT /v1/AUTH_versioned/c/o HTTP/1.0 201 - - AUTH_tke2ce80598... 2000 - "
    "- tx941af325700942d2905c1-006b02588c - 0.0587 OV - 1795315852.153269291 1795315852.212014914 0 versioned:user",
    "- - 22/Nov/2026/02/50/52 GET /v1/AUTH_versioned/%2500versions%2500c/%2500o%25008204684147.83253 HTTP/1.0 200 - "
    "Swift AUTH_tke2ce80598... - 2000 - txd74a75e1627648ecb5f92-006b02588c - 0.0057 SYM - 1795315852.226859808 "
    "1795315852.232538939 0 -",
    "127.0.0.1 127.0.0.1 22/Nov/2026/02/50/52 GET /v1/AUTH_versioned/c/o HTTP/1.0 200 - - AUTH_tke2ce80598... - 2000 "
    "- txd74a75e1627648ecb5f92-006b02588c - 0.0116 - - 1795315852.221296787 1795315852.232946157 0 versioned:user",
)

COPIED = (
    "- - 22/Nov/2026/02/50/51 HEAD /v1/AUTH_copy-to-another-account/c HTTP/1.0 204 - Swift - - - - "
    "tx307b0d98549747aeb1633-006b02588b - 0.0135 CS - 1795315851.139335871 1795315851.152856827 0 -",
    "127.0.0.1 127.0.0.1 22/Nov/2026/02/50/51 PUT /v1/AUTH_copy-to-another-account/c/o HTTP/1.0 201 - - "
    "AUTH_tk6190e3f58... 20000000 - - tx307b0d98549747aeb1633-006b02588b - 0.2035 - - 1795315851.135821342 "
    "1795315851.339359045 0 copy-to-another-account:user",
    "- - 22/Nov/2026/02/50/51 GET /v1/AUTH_copy-to-another-account/c/o HTTP/1.0 200 - Swift AUTH_tke174927b4... - "
    "20000000 - tx8f8ff0422ff548d19a5a5-006b02588b - 0.2449 SSC - 1795315851.349143028 1795315851.594055414 0 -",
    "127.0.0.1 127.0.0.1 22/Nov/2026/02/50/51 COPY /v1/AUTH_copy-to-another-account-other/c/o HTTP/1.0 201 - - "
    "AUTH_tke174927b4... - - - tx8f8ff0422ff548d19a5a5-006b02588b - 0.2948 - - 1795315851.342674971 "
    "1795315851.637497187 - admin:admin",
    "- - 22/Nov/2026/02/50/51 GET /v1/AUTH_copy-to-another-account/c/o HTTP/1.0 200 - Swift AUTH_tke174927b4... - "
    "20000000 - tx568ec16aff8b49ee8e85c-006b02588b - 0.1929 SSC - 1795315851.651024342 1795315851.843969822 0 -",
    "127.0.0.1 127.0.0.1 22/Nov/2026/02/50/51 PUT /v1/AUTH_copy-to-another-account-other/c/o2 HTTP/1.0 201 - - "
    "AUTH_tke174927b4... - - - tx568ec16aff8b49ee8e85c-006b02588b - 0.2596 - - 1795315851.640114069 "
    "1795315851.899703026 - admin:admin",
)

S3 = (
    "- - 22/Nov/2026/02/50/41 HEAD /v1/AUTH_s3-objects%3Fformat%3Djson HTTP/1.0 200 - Swift - - - - "
    "txd3f6194389334e79a1791-006b025881 - 0.0078 GET_ACCOUNT_INFO - 1795315841.939448118 1795315841.947283983 - -",
    "- - 22/Nov/2026/02/50/41 HEAD /v1/AUTH_s3-objects%3Fformat%3Djson HTTP/1.0 204 - Swift - - - - "
    "txd3f6194389334e79a1791-006b025881 - 0.0069 GET_ACCOUNT_INFO - 1795315841.983379364 1795315841.990318298 - -",
    f"127.0.0.1 127.0.0.1 22/Nov/2026/02/50/42 PUT /bucket HTTP/1.0 200 - {BOTO} - - - - "
    "txd3f6194389334e79a1791-006b025881 - 0.1275 - - 1795315841.928513765 1795315842.055987597 0 s3-objects:user",
    "- - 22/Nov/2026/02/50/42 HEAD /v1/AUTH_s3-objects/bucket HTTP/1.0 204 - Swift - - - - "
    "txc71e7daf051b4f8e9cdf9-006b025882 - 0.0079 CQ - 1795315842.087387085 1795315842.095244884 0 -",
    f"127.0.0.1 127.0.0.1 22/Nov/2026/02/50/42 PUT /bucket/o HTTP/1.0 200 - {BOTO} - 5000 - - "
    "txc71e7daf051b4f8e9cdf9-006b025882 - 0.0457 - - 1795315842.077258587 1795315842.122973442 0 s3-objects:user",
    f"127.0.0.1 127.0.0.1 22/Nov/2026/02/50/42 GET /bucket/o HTTP/1.0 200 - {BOTO} - - 5000 - "
    "tx34054174c42c46e0b522c-006b025882 - 0.0194 - - 1795315842.140260935 1795315842.159633160 0 s3-objects:user",
    f"- - 22/Nov/2026/02/50/42 GET /v1/AUTH_s3-objects/bucket/o HTTP/1.0 200 - {BOTO} - - 5000 - "
    "txebfd70ecd5ee49138edf6-006b025882 - 0.0230 SSC - 1795315842.346228123 1795315842.369274616 0 -",
    f"127.0.0.1 127.0.0.1 22/Nov/2026/02/50/42 PUT /bucket/o2 HTTP/1.0 200 - {BOTO} - - 224 - "
    "txebfd70ecd5ee49138edf6-006b025882 - 0.0613 - - 1795315842.330677986 1795315842.391961098 - s3-objects:user",
)

S3_REFUSED = (
    "- - 22/Nov/2026/02/50/45 HEAD /v1/s3-bad-signature%253Auser%3Fformat%3Djson HTTP/1.0 200 - Swift - - - - "
    "txcd219780e5aa4fb1ae35a-006b025885 - 0.0051 OV - 1795315845.251344204 1795315845.256402016 - -",
    "- - 22/Nov/2026/02/50/45 HEAD /v1/s3-bad-signature%253Auser/bucket HTTP/1.0 404 - Swift - - - - "
    "txcd219780e5aa4fb1ae35a-006b025885 - 0.0003 OV - 1795315845.256895065 1795315845.257188082 - -",
    f"127.0.0.1 127.0.0.1 22/Nov/2026/02/50/45 GET /bucket/o HTTP/1.0 403 - {BOTO} - - 2124 - "
    "txcd219780e5aa4fb1ae35a-006b025885 - 0.0207 - s3:err:SignatureDoesNotMatch 1795315845.244409323 "
    "1795315845.265081167 - s3-bad-signature:user",
    f"127.0.0.1 127.0.0.1 22/Nov/2026/02/50/45 PUT /bucket/o HTTP/1.0 403 - {BOTO} - - 2124 - "
    "tx75d5d35eb31c42dca7745-006b025885 - 0.0066 - s3:err:SignatureDoesNotMatch 1795315845.289552212 "
    "1795315845.296200991 - s3-bad-signature:user",
)

S3_VERSION = (
    "- - 22/Nov/2026/02/50/45 HEAD /v1.0/AUTH_s3-bucket-named-like-a-version-other%3Fformat%3Djson HTTP/1.0 200 - "
    "Swift - - - - tx20afedecd8234290a24e7-006b025885 - 0.0113 CS - 1795315845.728919268 1795315845.740174770 - -",
    "- - 22/Nov/2026/02/50/45 HEAD /v1.0/AUTH_s3-bucket-named-like-a-version-other/x HTTP/1.0 404 - Swift - - - - "
    "tx20afedecd8234290a24e7-006b025885 - 0.0005 CS - 1795315845.741089106 1795315845.741576910 - -",
    "- - 22/Nov/2026/02/50/45 HEAD /v1/AUTH_s3-bucket-named-like-a-version/v1.0 HTTP/1.0 204 - Swift - - - - "
    "tx20afedecd8234290a24e7-006b025885 - 0.0159 CQ - 1795315845.751638174 1795315845.767525434 0 -",
    "127.0.0.1 127.0.0.1 22/Nov/2026/02/50/45 PUT /v1.0/AUTH_s3-bucket-named-like-a-version-other/x HTTP/1.0 200 - "
    f"{BOTO} - 1500 - - tx20afedecd8234290a24e7-006b025885 - 0.0834 - - 1795315845.728328228 1795315845.811682463 0 "
    "s3-bucket-named-like-a-version:user",
    "- - 22/Nov/2026/02/50/46 HEAD /v1/s3-bucket-named-like-a-version%253Auser%3Fformat%3Djson HTTP/1.0 200 - Swift "
    "- - - - tx6bb22f2a321141a198c59-006b025885 - 0.0163 OV - 1795315846.007213354 1795315846.023509502 - -",
    "- - 22/Nov/2026/02/50/46 HEAD /v1/s3-bucket-named-like-a-version%253Auser/v1.0 HTTP/1.0 404 - Swift - - - - "
    "tx6bb22f2a321141a198c59-006b025885 - 0.0005 OV - 1795315846.024299383 1795315846.024752378 - -",
    "127.0.0.1 127.0.0.1 22/Nov/2026/02/50/46 GET /v1.0/AUTH_s3-bucket-named-like-a-version-other/x%3Fformat%3Djson "
    f"HTTP/1.0 403 - {BOTO} - - 2342 - tx6bb22f2a321141a198c59-006b025885 - 0.0478 - s3:err:SignatureDoesNotMatch "
    "1795315845.996082067 1795315846.043844938 - s3-bucket-named-like-a-version:user",
)

S3_VAGUE = (
    "- - 22/Nov/2026/02/50/46 HEAD /v1/AUTH_s3-versioning/bucket HTTP/1.0 204 - Swift - - - - "
    "txb1785877347840bb80618-006b025886 - 0.0131 S3 - 1795315846.234272957 1795315846.247357607 0 -",
    f"127.0.0.1 127.0.0.1 22/Nov/2026/02/50/46 GET /bucket%3Fversioning HTTP/1.0 200 - {BOTO} - - 113 - "
    "txb1785877347840bb80618-006b025886 - 0.0241 - - 1795315846.224136353 1795315846.248264790 - s3-versioning:user",
)

LEFT = (
    "127.0.0.1 127.0.0.1 22/Nov/2026/02/50/23 GET /v1/AUTH_get-closed-early/c/o HTTP/1.0 499 - - AUTH_tk680ca83d0... "
    "- 2293760 - tx5488972edec44b93a43c6-006b02586f - 0.0391 - - 1795315823.768207550 1795315823.807349920 0 "
    "get-closed-early:user",
)

REMAPPED = (
    "127.0.0.1 127.0.0.1 22/Nov/2026/02/50/55 GET /v1/AUTH_domain-remap/c/o HTTP/1.0 200 - - - - 1700 - "
    "tx4a69af02884f4513ae008-006b02588f - 0.0136 - - 1795315855.187512636 1795315855.201115131 - -",
)

NOBODYS = (
    "127.0.0.1 127.0.0.1 22/Nov/2026/02/50/21 GET /auth/v1.0 HTTP/1.0 200 - Python-urllib/3.11 - - - - "
    "txae0fb3419ce74df082a43-006b02586d - 0.0055 - - 1795315821.396097898 1795315821.401633024 - not-found:user",
    "127.0.0.1 127.0.0.1 22/Nov/2026/02/50/55 GET /info HTTP/1.0 200 - - - - 2104 - "
    "tx2cf7bb85b2104abab39fa-006b02588f - 0.0008 - - 1795315855.476054192 1795315855.476876736 - -",
)

#: What rsyslog (its own format and RFC 5424) puts before a line; the demo's log has the third.
PREFIXES = (
    "Nov 22 02:50:52 proxy-01 proxy-server: ",
    "<142>1 2026-11-22T02:50:52.151+00:00 proxy-01 proxy-server 1207 - - ",
    "proxy-server: ",
    "",
)


def line_of(method: str, path: str, *, status: int = 200, bytes_in: int = 0, bytes_out: int = 0, start: float, end: float,
            token: str = "AUTH_tk1...", source: str = "-", user: str = "a:user", transaction: str = "tx1") -> str:
    """Return a line as proxy-logging writes it, for a request that a test invents. `path` is percent-encoded already."""
    return (f"127.0.0.1 127.0.0.1 22/Oct/2012/08/00/00 {method} {path} HTTP/1.0 {status} - - {token} {bytes_in or '-'} "
            f"{bytes_out or '-'} - {transaction} - {end - start:.4f} {source} - {start:.9f} {end:.9f} 0 {user}")
