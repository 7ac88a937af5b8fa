"""Kinds of secret: tokens by their issuer's prefix and length, keys by their form.

Forms follow the issuers' documentation and the public rule sets of detect-secrets and gitleaks.
"""

from __future__ import annotations

import base64
import binascii
import json
import re

from goldsmith.data.sensitive.kinds import Kind, Match

_DIGIT, _LETTER = re.compile(r"[0-9]"), re.compile(r"[A-Za-z]")


def mixed(match: Match) -> bool:
    """Whether it holds letters and digits: a word of prose does not."""
    value = _value(match)
    return bool(_DIGIT.search(value) and _LETTER.search(value))


def _value(match: Match) -> str:
    return match["value"] if "value" in match.re.groupindex else match.group()


def _json_header(match: Match) -> bool:
    """Whether the first part of a token in three or five parts is a JSON object."""
    head = match.group().split(".")[0]
    try:
        return isinstance(json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4))), dict)
    except (ValueError, binascii.Error):
        return False


def _prefixed(name: str, triggers: str, rest: str, *, prose: bool = False) -> Kind:
    """A token that begins with one of the triggers; `prose`: words may look like it."""
    words = tuple(triggers.split())
    pattern = re.compile(f"(?:{'|'.join(map(re.escape, words))}){rest}", re.ASCII)
    return Kind(name, "secret", pattern, words, accept=mixed if prose else None)


_TOKEN, _END = r"[\w-]", r"(?![\w-])"
ISSUED = (
    Kind(
        "AWS Access Key",
        "secret",
        re.compile(
            r"(?:A3T[A-Z0-9]|ABIA|ACCA|AKIA|ASIA)[0-9A-Z]{16}"
            r"(?:[\s,;:|\"'=]{1,4}[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+]))?"
        ),
        ("AKIA", "ASIA", "ABIA", "ACCA", "A3T"),
        glued=True,
    ),
    Kind(
        "AWS Secret Key",
        "secret",
        re.compile(
            r"aws.{0,24}?(?:key|pwd|pw|password|pass|token).{0,20}?"
            r"(?<![A-Za-z0-9/+])(?P<value>[0-9a-zA-Z/+]{40})(?![0-9a-zA-Z/+])",
            re.IGNORECASE,
        ),
        ("aws",),
        folded=True,
        glued=True,
        accept=mixed,
    ),
    _prefixed("Google API Key", "AIza", r"[\w-]{35}"),
    _prefixed("Google OAuth Token", "ya29.", r"[\w-]{20,2048}"),
    _prefixed("Google Client Secret", "GOCSPX-", r"[\w-]{20,64}"),
    Kind(
        "Azure Storage Account access key",
        "secret",
        re.compile(r"(?:AccountKey|SharedAccessKey)=(?P<value>[a-zA-Z0-9+/=]{40,90})"),
        ("AccountKey=", "SharedAccessKey="),
        glued=True,
    ),
    Kind(
        "Azure Shared Access Signature",
        "secret",
        re.compile(r"sig=(?P<value>[A-Za-z0-9%+/]{40,90}={0,2})"),
        ("sig=",),
        accept=mixed,
    ),
    Kind(
        "Azure Client Secret",
        "secret",
        re.compile(r"Q~[A-Za-z0-9_~.-]{31,34}(?![\w~.-])"),
        ("Q~",),
        before=re.compile(r"[A-Za-z0-9_~.-]{3}\d\Z"),
        reach=4,
    ),
    _prefixed("GitHub Token", "ghp_ gho_ ghu_ ghs_ ghr_", r"[A-Za-z0-9]{36,255}"),
    _prefixed("GitHub Fine-grained Token", "github_pat_", r"\w{22,255}"),
    _prefixed(
        "GitLab Token",
        "glpat- gldt- glft- glsoat- glrt- glcbt- glimt- glptt- glagent- gloas- glffct- GR1348941",
        r"[\w.-]{20,1024}",
        prose=True,
    ),
    _prefixed("Slack Token", "xoxa- xoxb- xoxp- xoxo- xoxs- xoxr- xoxe- xapp-", r"[\w.-]{10,255}"),
    _prefixed("Slack Webhook", "hooks.slack.com/services/", r"T\w+/B\w+/\w+"),
    _prefixed(
        "Discord Webhook",
        "discord.com/api/webhooks/ discordapp.com/api/webhooks/",
        r"\d{15,25}/[\w-]{50,100}",
    ),
    _prefixed("Stripe Access Key", "sk_live_ rk_live_ sk_test_ rk_test_", r"[0-9a-zA-Z]{16,247}"),
    _prefixed("Stripe Webhook Secret", "whsec_", r"[A-Za-z0-9+/=]{24,88}"),
    _prefixed("Anthropic API Key", "sk-ant-", r"[\w-]{20,200}"),
    _prefixed("OpenAI Token", "sk-", rf"{_TOKEN}{{20,220}}{_END}", prose=True),
    _prefixed("OpenRouter API Key", "sk-or-v1-", r"[0-9a-f]{64}"),
    _prefixed("Hugging Face Token", "hf_ api_org_", r"[A-Za-z0-9]{30,40}(?!\w)"),
    _prefixed("NPM Token", "npm_", r"[A-Za-z0-9]{36}"),
    Kind(
        "NPM Registry Token",
        "secret",
        re.compile(r"_authToken\s*=\s*(?P<value>[\w./+=-]{16,200})"),
        ("_authToken",),
        glued=True,
    ),
    _prefixed("PyPI Token", "pypi-Ag", r"[\w-]{50,300}"),
    _prefixed("RubyGems Token", "rubygems_", r"[0-9a-f]{48}"),
    _prefixed("NuGet Key", "oy2", r"[a-z0-9]{43}(?!\w)", prose=True),
    _prefixed("Docker Token", "dckr_pat_ dckr_oat_", r"[\w-]{20,64}"),
    _prefixed("Twilio API Key", "AC SK", r"[0-9a-f]{32}(?!\w)"),
    _prefixed("SendGrid API Key", "SG.", r"[\w-]{16,32}\.[\w-]{16,64}"),
    Kind(
        "Mailchimp Access Key",
        "secret",
        re.compile(r"-us\d{1,2}(?!\w)"),
        ("-us",),
        before=re.compile(r"(?<!\w)[0-9a-z]{32}\Z"),
        reach=32,
    ),
    _prefixed("Mailgun API Key", "key- pubkey-", r"[0-9a-f]{32}(?!\w)"),
    _prefixed("Square OAuth Secret", "sq0csp- sq0atp- sq0idp-", r"[0-9A-Za-z_-]{22,43}"),
    _prefixed("Meta or Square Access Token", "EAAA EAAC EAAB EAAG", r"[\w-]{60,400}"),
    Kind(
        "Telegram Bot Token",
        "secret",
        re.compile(rf":[0-9A-Za-z_-]{{35}}{_END}"),
        before=re.compile(r"(?<!\d)\d{8,10}\Z"),
        reach=10,
    ),
    Kind(
        "Discord Bot Token",
        "secret",
        re.compile(rf"\.[a-zA-Z\d_-]{{6}}\.[a-zA-Z\d_-]{{27,40}}{_END}"),
        before=re.compile(r"(?<![\w.-])[MNO][a-zA-Z\d_-]{23,27}\Z"),
        reach=28,
    ),
    _prefixed("Shopify Token", "shpat_ shpca_ shppa_ shpss_", r"[0-9a-fA-F]{32}"),
    _prefixed("DigitalOcean Token", "dop_v1_ doo_v1_ dor_v1_", r"[0-9a-f]{64}"),
    _prefixed("Databricks Token", "dapi", r"[0-9a-f]{32}(?:-\d)?(?!\w)"),
    _prefixed("Artifactory Credentials", "AKC", r"[a-zA-Z0-9]{10,128}(?!\w)", prose=True),
    _prefixed("Artifactory Password", "AP", r"[\dA-F][a-zA-Z0-9]{16,128}(?!\w)", prose=True),
    _prefixed("Vault Token", "hvs. hvb. hvr.", r"[\w-]{24,300}"),
    Kind(
        "Terraform Cloud Token",
        "secret",
        re.compile(r"\.atlasv1\.[\w=-]{60,70}"),
        (".atlasv1.",),
        before=re.compile(r"(?<!\w)[A-Za-z0-9]{14}\Z"),
        reach=14,
    ),
    _prefixed("Atlassian Token", "ATATT3 ATCTT3 ATBB", r"[\w=-]{28,300}"),
    _prefixed("Linear API Key", "lin_api_ lin_oauth_", r"[A-Za-z0-9]{32,64}"),
    _prefixed("Notion Token", "ntn_ secret_", r"[A-Za-z0-9]{40,50}(?!\w)", prose=True),
    _prefixed("Postman API Key", "PMAK-", r"[0-9a-f]{24}-[0-9a-f]{34}"),
    _prefixed("Grafana Token", "glsa_ glc_", r"[A-Za-z0-9_=+/]{32,400}"),
    _prefixed("New Relic Key", "NRAK- NRJS- NRII-", r"[A-Za-z0-9-]{19,40}"),
    _prefixed("Sentry Token", "sntrys_ sntryu_", r"[A-Za-z0-9_=+/]{40,300}"),
    _prefixed("Doppler Token", "dp.pt. dp.st. dp.ct.", r"[\w.-]{40,64}"),
    _prefixed("Supabase Token", "sbp_ sb_secret_", r"[\w-]{20,64}", prose=True),
    _prefixed("PlanetScale Token", "pscale_tkn_ pscale_pw_ pscale_oauth_", r"[\w=.-]{32,64}"),
    _prefixed("Figma Token", "figd_", r"[\w-]{36,64}"),
    _prefixed("Groq API Key", "gsk_", r"[A-Za-z0-9]{40,64}"),
    _prefixed("xAI API Key", "xai-", r"[A-Za-z0-9]{60,100}"),
    _prefixed("Perplexity API Key", "pplx-", r"[A-Za-z0-9]{40,64}"),
    _prefixed("Replicate Token", "r8_", r"[A-Za-z0-9]{37}(?!\w)"),
    _prefixed("LangSmith Key", "lsv2_pt_ lsv2_sk_", r"[0-9a-f]{32}_[0-9a-f]{10}"),
    _prefixed("Pinecone Key", "pcsk_", r"\w{50,100}"),
    _prefixed("Heroku Key", "HRKU-", r"[\w-]{36,64}"),
    _prefixed("Age Secret Key", "AGE-SECRET-KEY-1", r"[0-9A-Z]{58}"),
    _prefixed("Extended Private Key", "xprv yprv zprv", r"[1-9A-HJ-NP-Za-km-z]{107,108}"),
    Kind(
        "Airtable Token",
        "secret",
        re.compile(r"pat[A-Za-z0-9]{14}\.[0-9a-f]{64}"),
        ("pat",),
    ),
    Kind(
        "SoftLayer Credentials",
        "secret",
        re.compile(r"api\.softlayer\.com/soap/v3(?:\.1)?/(?P<value>[a-z0-9]{64})"),
        ("api.softlayer.com",),
    ),
)
"""Told by the issuer's form."""
_GAP = r"(?:\s|\\[rnt]|[\"'+>|,]){0,16}+"
_OF = r"(?:[A-Z0-9]{1,12} ){0,2}PRIVATE KEY(?: BLOCK)?-{0,5}"
_HEAD = f"BEGIN {_OF}"
_BODY = f"(?:{_GAP}(?:[A-Z][A-Za-z-]{{1,24}}: [^\\n\\\\]{{0,120}}+|[A-Za-z0-9+/=]{{24,}}+))*+"
_TAIL = f"(?:(?:{_GAP}[A-Za-z0-9+/=]{{1,64}}+){{0,2}}{_GAP}-{{4,5}}END {_OF})?"
"""Of a PEM or PGP block, also with its line ends escaped or cut off before its end."""
FORMS = (
    Kind("Private Key", "secret", re.compile(_HEAD + _BODY + _TAIL), ("BEGIN ",), glued=True),
    Kind(
        "PuTTY Private Key",
        "secret",
        re.compile(r"PuTTY-User-Key-File-\d(?:[^\n]{0,20000}+\n(?!\s*\n)){0,400}+[^\n]{0,20000}+"),
        ("PuTTY-User-Key-File-",),
    ),
    Kind(
        "JSON Web Token",
        "secret",
        re.compile(r"(?<![\w-])eyJ[\w=-]{5,8192}+\.[\w=-]{4,65536}+(?:\.[\w=-]*+){0,3}", re.ASCII),
        ("eyJ",),
        accept=_json_header,
    ),
    Kind(
        "Basic Auth Credentials",
        "secret",
        re.compile(
            r"://(?P<value>[^\s/?#:@'\"<>{}\[\]\\]{0,128}:[^\s/?#:@'\"<>{}\[\]\\]{1,256})@(?=[\w\[])"
        ),
        ("://",),
        glued=True,
    ),
)
"""Told by their own form."""
