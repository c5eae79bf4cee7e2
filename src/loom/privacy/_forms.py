"""Keys and tokens that services give out, by how they begin."""

from __future__ import annotations

import re
from collections.abc import Iterator

from loom.privacy.finding import Finding

_W = r"[A-Za-z0-9_\-]"
_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_MODELS = (
    rf"sk-{_W}{{12,}}+(?:@{_W}{{8,}}+)?", r"(?:sk|rk|pk|rzp|tok)_(?:(?:live|test|prod)_)?[A-Za-z0-9]{12,}+",
    r"whsec_[A-Za-z0-9+/]{12,}+=?", r"hf_(?:app_)?[A-Za-z0-9]{20,}+", r"api_org_[A-Za-z0-9]{20,}+",
    r"gsk_[A-Za-z0-9]{20,}+", rf"xai-{_W}{{20,}}+", r"r8_[A-Za-z0-9]{20,}+", rf"pplx-{_W}{{20,}}+",
    rf"nvapi-{_W}{{20,}}+", rf"tgp_v\d_{_W}{{20,}}+", r"(?:fw|fc|csk|tvly(?:-dev)?|esecret|e2b)[_\-][A-Za-z0-9]{20,}+",
    rf"(?:pk|sk)-lf-{_UUID}", r"lsv2_(?:pt|sk)_[a-f0-9]{20,}+_[a-f0-9]{6,}+", rf"wandb_v\d_{_W}{{20,}}+",
    rf"pcsk_{_W}{{20,}}+",
)  # fmt: skip
_CLOUDS = (
    r"(?:AKIA|ASIA|AROA|AIDA|AGPA|ANPA|ANVA|ABIA|ACCA|A3T[A-Z0-9])[A-Z0-9]{12,}+", r"ABSK[A-Za-z0-9+/]{40,}+={0,2}",
    rf"amzn\.mws\.{_UUID}", r"(?:FwoGZXIvYXdz|IQoJb3JpZ2luX2Vj)[A-Za-z0-9/+]{40,}+={0,2}", rf"AIza{_W}{{30,}}+",
    rf"ya29\.{_W}{{16,}}+", rf"GOCSPX-{_W}{{20,}}+", rf"1//0{_W}{{30,}}+", r"GOOG1E[A-Z0-9]{40,}+",
    rf"AQ\.Ab8{_W}{{30,}}+", r"LTAI[A-Za-z0-9]{16,}+", r"[A-Za-z0-9_~.]{3}\dQ~[A-Za-z0-9_~.\-]{31,40}+",
    r"[A-Za-z0-9]{52}JQQJ99[A-Za-z0-9]{26}", r"[A-Za-z0-9]{76}AZDO[A-Za-z0-9]{4}", r"do[opr]_v1_[a-f0-9]{32,}+",
    r"fo1_[\w\-]{30,}+", r"fm(?:1[ar]|2)_[A-Za-z0-9+/]{40,}+={0,2}", r"dapi[0-9a-f]{32}(?:-\d)?",
    r"(?:[A-Za-z0-9]{14}\.)?atlasv1\.[\w\-=]{16,}+", rf"hv[sbr]\.{_W}{{22,}}+",
    r"s\.(?=[A-Za-z]*\d)[A-Za-z0-9]{24}(?!\w)", r"sha256~[\w\-]{40,}+", r"pul-[a-f0-9]{40}",
    r"pn[bu]_[A-Za-z0-9]{30,}+", r"dp\.(?:pt|st|ct|sa|scim|audit)\.(?:[a-z0-9_\-]{2,35}+\.)?[A-Za-z0-9]{30,}+",
    rf"HRKU-{_W}{{20,}}+", r"sb[ps]_(?:v0_)?[0-9a-f]{40}", rf"sb_secret_{_W}{{20,}}+",
    r"pscale_(?:tkn|pw|oauth)_[\w=.\-]{30,}+", r"(?:nfp|vc[piakr]|vercel_blob_rw|mdb_sa_sk)_[\w\-]{24,}+",
    r"(?:rnd|napi)_[A-Za-z0-9]{24,}+", r"npg_[A-Za-z0-9]{12,}+", rf"tskey-{_W}{{16,}}+",
    r"dckr_(?:pat|oat)_[\w\-]{20,}+", r"v1\.0-[a-f0-9]{24}-[a-f0-9]{100,}+",
    r"t1\.[\w\-]{20,}+={0,2}\.[\w\-]{80,}+={0,2}", r"AQVN[\w\-]{35,}+", r"YCA[\w\-]{37,}+", r"y0_[\w\-]{40,}+",
    r"ops_eyJ[A-Za-z0-9+/]{100,}+={0,3}",
    r"A3-[A-Z0-9]{6}-(?:[A-Z0-9]{11}|[A-Z0-9]{6}-[A-Z0-9]{5})(?:-[A-Z0-9]{5}){3}",
)  # fmt: skip
_CODE = (
    rf"gh[opusr]_{_W}{{20,}}+", rf"github_pat_{_W}{{20,}}+", r"v1\.[0-9a-f]{40}(?![0-9a-f])",
    rf"gl(?:pat|dt|cbt|rt|rtr|soat|ft|ffct|imt|agent|oas|ptt|wt)-{_W}{{16,}}+(?:\.[0-9a-z]{{2}}\.[0-9a-z]{{7,9}})?",
    rf"GR1348941{_W}{{20,}}+", r"npm_[A-Za-z0-9]{30,}+", rf"pypi-{_W}{{16,}}+", r"rubygems_[a-f0-9]{40,}+",
    r"CLOJARS_[A-Za-z0-9]{50,}+", r"cio[A-Za-z0-9]{32}(?![A-Za-z0-9])", r"AKCp[A-Za-z0-9]{60,}+",
    r"cmVmd[A-Za-z0-9]{50,}+", r"A(?:TATT|TCTT)3[\w\-=]{20,}+", r"ATBB[A-Za-z0-9]{28,}+",
    r"CCIP(?:AT|RJ)_[A-Za-z0-9_]{30,}+", r"bkua_[a-f0-9]{40}", r"sq[pua]_[a-f0-9]{40}",
    r"sgp_(?:[a-fA-F0-9]{16}_)?[a-fA-F0-9]{40}", r"(?:pat|sat)\.[\w\-]{22}\.[A-Za-z0-9]{24}\.[A-Za-z0-9]{20}",
    r"API-[A-Z0-9]{26}(?![A-Z0-9])", r"tk-us-[\w\-]{40,}+", r"ico-[A-Za-z0-9]{32}", rf"(?:api|sdk|mob)-{_UUID}",
    r"PMAK-[0-9a-f]{20,}+-[0-9a-f]{20,}+", r"rdme_[a-z0-9]{60,}+", rf"CFPAT-{_W}{{40,}}+",
    r"fig[dou]r?_[\w\-]{20,}+", r"s-s4t2(?:ud|af)-[a-f0-9]{40,}+", r"fio-u-[\w\-=]{50,}+", r"p8e-[a-z0-9]{32}",
)  # fmt: skip
_TALK = (
    r"xox[a-z](?:\.xox[a-z])?-[\w\-%+/]{8,}+", rf"xapp-{_W}{{10,}}+", r"\d{8,10}:AA[\w-]{30,}+",
    rf"[MNO]{_W}{{22,27}}\.{_W}{{6}}\.{_W}{{25,}}+", rf"SG\.{_W}{{16,}}+\.{_W}{{16,}}+", r"(?:pub)?key-[0-9a-f]{24,}+",
    r"[0-9a-f]{32}-us\d{1,2}(?!\w)", r"x(?:key|smtp)sib-[a-f0-9]{40,}+-[A-Za-z0-9]{12,}+",
    r"(?:AC|SK)[0-9a-f]{32}(?![0-9a-f])", r"EAA[\w\-]{40,}+", r"A{20,24}[A-Za-z0-9%]{60,}+",
    r"\d{15,16}\|[\w\-]{27,}+", r"tfp_[\w.=\-]{40,}+", r"re_[A-Za-z0-9]{6,}+_[A-Za-z0-9]{20,}+",
    r"(?:https://)?hooks\.slack(?:-gov)?\.com/[\w/]++",
    r"https://(?:\w{1,12}\.)?discord(?:app)?\.com/api/(?:v\d+/)?webhooks/[\w/\-]++",
    r"https://[\w.\-]{1,80}\.webhook\.office\.com/[\w/@\-]++", r"https://hooks\.zapier\.com/hooks/[\w/]++",
    r"https://maker\.ifttt\.com/[\w/\-]{0,80}/key/[\w\-]++",
)  # fmt: skip
_MONEY = (
    r"shp(?:at|ca|pa|ss|ua|tka|rt|mt)_[A-Fa-f0-9]{24,}+", rf"sq0(?:atp|csp|idp)-{_W}{{16,}}+",
    r"FLW(?:SECK|PUBK)(?:_TEST)?-[A-Za-z0-9]{12,}+(?:-X)?", rf"access-(?:sandbox|development|production)-{_UUID}",
    r"access_token\$(?:production|sandbox)\$[0-9a-z]{16}\$[0-9a-f]{32}", r"EZ[AT]K[A-Za-z0-9]{50,}+",
    r"shippo_(?:live|test)_[a-fA-F0-9]{30,}+", r"duffel_(?:live|test)_[\w\-=]{30,}+",
    r"(?:live|test)_(?:pub_)?[a-f0-9]{30,}+", r"rsk_[a-f0-9]{30,}+",
    r"[5KL][1-9A-HJ-NP-Za-km-z]{50,51}(?![A-Za-z0-9])", r"0x[0-9a-fA-F]{64}(?![0-9a-fA-F])",
    r"[xyz]prv[1-9A-HJ-NP-Za-km-z]{100,}+", r"nsec1[02-9ac-hj-np-z]{50,}+",
)  # fmt: skip
_REST = (
    r"lin_(?:api|oauth|wh)_[A-Za-z0-9]{20,}+", r"(?:ntn|secret)_[A-Za-z0-9]{20,}+", r"gl(?:c|sa)_[\w\-+/]{20,}+={0,2}",
    r"sntry[su]_[\w\-+/=]{20,}+", r"(?<=://)[0-9a-f]{32}(?=@[\w.\-]{1,80}sentry)",
    r"NR(?:AK|II|JS|IQ|RA|SP|BR)-[A-Za-z0-9\-]{19,}+", r"[0-9a-f]{36}NRAL",
    r"dt0[a-z]\d\d\.[A-Z2-7]{24}\.[A-Z2-7]{60,}+", r"pat[A-Za-z0-9]{14}\.[0-9a-f]{64}",
    r"[12]/\d{15,}+(?:/\d{15,}+)?:[0-9a-f]{32}", rf"pat-[a-z]{{2}}\d-{_UUID}", r"ph[cx]_[A-Za-z0-9]{30,}+",
    r"[ps]k\.eyJ[\w\-]{20,}+\.[\w\-]{20,}+", r"[A-Za-z0-9]{6}_[A-Za-z0-9]{29}_mmk", r"sl\.(?:u\.)?[\w\-=]{100,}+",
    r"sm_[aps]at_[A-Za-z0-9]{16,}+", r"eyJrIjoi[A-Za-z0-9+/]{40,}+={0,2}",
    rf"ey[A-K]{_W}{{6,}}+\.(?:{_W}{{6,}}+|\.{_W}{{6,}}+)(?:\.{_W}*+){{0,3}}+",
    rf"ey[A-Za-z0-9]{{17,}}+\.ey{_W}{{17,}}+(?:\.{_W}*+)?", r"AGE-SECRET-KEY-1[A-Z0-9]{40,}+",
    r"b3BlbnNzaC1rZXktdjEA[A-Za-z0-9+/]{40,}+={0,2}", r"pbkdf2_sha\d{1,3}\$\d{1,9}\$[\w./+]{1,64}+\$[\w./+]{16,}+=?",
    r"\$(?:2[abxy]?|[1567y]|apr1|argon2\w{1,2})\$[./A-Za-z0-9$=,+]{16,}+",
)  # fmt: skip
_FORMS = (*_MODELS, *_CLOUDS, *_CODE, *_TALK, *_MONEY, *_REST)
_KEY = re.compile(rf"(?<![A-Za-z0-9])(?:{'|'.join(_FORMS)})")
_RUN = re.compile(r"[!#-&(-;=?-~]{14,}+")
"""Where a key can stand: none is shorter, and prose has few words that are as long."""


_FEWEST = 4  # different characters that a key has at least


def known(text: str) -> Iterator[Finding]:
    """What has the form of a key that some service gives out."""
    for run in _RUN.finditer(text):
        if len(set(run[0])) < _FEWEST:
            continue
        for match in _KEY.finditer(text, *run.span()):
            yield Finding(*match.span(), "KEY")
