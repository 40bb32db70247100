"""Secrets in command lines: what follows names such as password or token is not kept, whatever way it is written."""

import functools
import os
import re
from collections.abc import Iterator, Mapping, Sequence

MASK = "***"
# Shorter values of the environment stand in too many places to be told.
LEAST_SECRET = 8
# Values in values that are looked into.
DEPTH = 20

# Of the words of a name, in lower case: what it is of, and what makes a number of it that is no secret.
_SECRET = re.compile(
    r"(.*(password|passwd|passphrase|secret|token|credential|apikey|accesskey|privatekey|secretkey)s?"
    r"|keys?|pwds?|pass|pw|auth|authorization|bearer|creds?|cookies?|jwt|pat|psk|sas|sig|signature)"
)
_MEASURES = frozenset({"max", "min", "num", "n", "count", "limit", "length", "len", "size", "per", "total", "budget"})
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_NUMBER = re.compile(r"[-+]?[0-9][0-9_.]*([eE][-+]?[0-9]+)?")

# A word of a command line that is an option, or name=value.
_OPTION = re.compile(r"--?[A-Za-z][\w.-]*")
_ASSIGNED = re.compile(r"([-+]{0,2}[A-Za-z_][\w.@/-]*)=(.*)", re.DOTALL)
# A password that is glued to its option, and what else begins with -p: numbers, ports, a few flags, and options.
_GLUED = re.compile(r"(-[pP])=?(.+)", re.DOTALL)
_NO_PASSWORD = re.compile(
    r"[-+]?[0-9][0-9.:,x/-]*(e[-+]?[0-9]+|/?(tcp|udp))?|[a-z]{1,3}"
    r"|(?:ack(age)?|ad(ding)?|age|aram(eter)?|arallel|arent|arse|art(ition)?|asses|atch|ath|atience|attern|ause|er|ercent"
    r"|erf|eriod|erm|hase|id|in|ipe(line)?|ixel|lain|lan|lot|lugin|oint|olicy|oll|ool(ing)?|ort|os(ition)?|ost|ower"
    r"|re(cision|d|dict|fix|pare|process|set|tend|train|trained|view)?|rint0?|rior(ity)?|rob(e)?|rocess(es|or)?|rod|rofiler?"
    r"|rogress|roject|rompt|ropert(y|ies)|roto(col)?|rovider|roxy|rune|runing|thread|ublic|ublish|ull|ush|ython)s?([-_].*)?"
)
_NAMED = re.compile(r"-(pass(word|wd|phrase)?|pwd?|psk|pat)s?", re.IGNORECASE)
# Options with a user and a password; of what is two numbers both are ids.
_USERS = ("-u", "-U", "--user", "--proxy-user", "--login", "--userpass")
_USER = re.compile(r"(?![0-9]+:[0-9]+$)([^:]*):(.+)", re.DOTALL)
# Inside of a word: "name": "value", name=value, name: value, of JSON, code, queries and headers.
_PAIR = re.compile(
    r"""(?<![A-Za-z_])(?P<name>[A-Za-z_][\w.-]{0,255})(?P<sign>\\?["'\]]*\s*(?:=>|:=|=|:(?!//))\s*)"""
    r"""(?P<value>\\?"(?:[^"\\]|\\.)*"|\\?'(?:[^'\\]|\\.)*'|\[[^\]]{0,9999}\]|\{[^{}]{0,9999}\}|[^\s&;,"'})\]]+)""",
    re.DOTALL,
)
# A text in quotes in code, and its name.
_QUOTED = re.compile(
    r"""(?<![A-Za-z_])(?P<name>[A-Za-z_][\w.-]{0,255})(?P<sign>["'\]]?\s*(?::=|=|:)\s*)"""
    r"""(?P<value>"(?:[^"\\\n]|\\.)+"|'(?:[^'\\\n]|\\.)+')"""
)
_HEADER = re.compile(r"(?<![A-Za-z])(?P<name>[A-Za-z][\w-]{0,255})(?P<sign>\s*:(?!//)\s*)(?P<value>[^\r\n\"']+)")
_SCHEME = re.compile(r"\b(bearer|basic)(\s+)[^\s\"']+", re.IGNORECASE)
# Up to the last @: an @ in a password may not be encoded. A port is followed by a path, whose @ is another.
_USERINFO = re.compile(r"(?<=://)(?:([^\s/:@\"']{0,256}):(?![0-9]+/)([^\s\"']{0,1024})|([^\s/:@\"']+))(?=@)")
# The same without a scheme, as user:password@host. Not the tag of an image, nor a letter and a path of Windows.
_LOGIN = re.compile(
    r"(?<![\w.+%/@:-])(?!(?:mailto|npm|jsr|pypi|pkg|git|ssh|sip|file|docker):)([\w.+%-]+):(?!//|[0-9]+/|\\)"
    r"([^\s\"']{1,256})(?=@(?!sha(?:256|512):)[\w\[])"
)
# Keys that tell themselves: ours, and those of services that programs of this field call. Not the names of options, nor
# words that only begin so.
_KNOWN = re.compile(
    r"(?<!\w)(?<!\A-)(?<!\A--)(xps_|hf_|npm_|gsk_|gh[opsur]_|github_pat_|glpat-|pypi-|sk-|[sr]k_live_|xox[abeprs]-|xapp-"
    r"|ya29\.|AKIA|ASIA|AIza|eyJ)(?=[A-Za-z_.-]*[0-9A-Z]|[a-z]{12})[A-Za-z0-9_.\-]{8,}"
)

# In lower case: a line without any of these has nothing that `masked_text` masks but what it is told.
_HINTS = (
    *("://", "bearer", "basic", "pass", "pw", "secret", "token", "cred", "key", "auth", "cookie", "jwt", "pat", "psk"),
    *("sas", "sig", "xps_", "hf_", "npm_", "gsk_", "gho_", "ghp_", "ghs_", "ghu_", "ghr_", "glpat-", "pypi-", "sk-"),
    *("k_live_", "xox", "xapp-", "ya29.", "akia", "asia", "aiza", "eyj"),
)


def masked(words: Sequence[str], environment: Mapping[str, str] = os.environ) -> list[str]:
    """The words of a command line without the secrets in them: in doubt a word too many is masked.

    Args:
        words: as the program was given them.
        environment: values of its variables that are secret by their name are masked wherever they stand.
    """
    known = _secrets(environment)
    return [_without(word, known) for word in _after_names(words)]


def masked_text(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """A text such as a patch without the secrets in it that can be told from code.

    Those are values of secret variables, passwords in URLs, keys that tell themselves, and texts in quotes whose name
    is that of a secret. `sort(key=length)` stays.
    """
    for secret in _secrets(environment):
        text = text.replace(secret, MASK)
    return _masked_forms(text)


def secrets(*more: str, environment: Mapping[str, str] = os.environ) -> list[str]:
    """Values of secret variables, and other secrets."""
    return [*_secrets(environment), *(secret for secret in more if len(secret) >= LEAST_SECRET)]


def masked_lines(text: str, known: Sequence[str]) -> str:
    """As `masked_text`, of what a program prints: lines of which nothing hints at a secret cost next to nothing.

    Args:
        text: of which a secret is in one line.
        known: secrets that are masked wherever they stand.
    """
    for secret in known:
        text = text.replace(secret, MASK)
    lowered = text.lower()
    hints = [hint for hint in _HINTS if hint in lowered]
    if not hints:
        return text
    return "".join(
        _masked_forms(line) if any(hint in line.lower() for hint in hints) else line
        for line in text.splitlines(keepends=True)
    )


def _masked_forms(text: str) -> str:
    text = _USERINFO.sub(lambda one: MASK if one[3] is not None else f"{one[1]}:{MASK}", text)
    text = _SCHEME.sub(rf"\1\2{MASK}", text)
    text = _QUOTED.sub(lambda one: _masked_value(one) if _is_secret(one["name"], "") else one[0], text)
    return _KNOWN.sub(MASK, text)


def _secrets(environment: Mapping[str, str]) -> list[str]:
    return [value for name, value in environment.items() if len(value) >= LEAST_SECRET and _is_secret(name, value)]


def _after_names(words: Sequence[str]) -> Iterator[str]:
    """Masks the word after a name of its own: all up to the next option after a plural, or a header in pieces."""
    name, is_first = "", False
    for word in words:
        if (glued := _GLUED.fullmatch(word)) and not _NAMED.fullmatch(word) and _is_password(*glued.groups()):
            yield f"{glued[1]}{MASK}"
            name = ""
            continue
        if word.startswith(("-u", "-U")) and (found := _USER.fullmatch(word[2:])):
            yield f"{word[:2]}{found[1]}:{MASK}"
            name = ""
            continue
        if _OPTION.fullmatch(word) and (word.startswith("--") or len(word) == 2 or not name):
            name, is_first = word, True
        elif name in _USERS and (found := _USER.fullmatch(word)):
            yield f"{found[1]}:{MASK}"
            name = ""
            continue
        elif name and _is_secret(name, word):
            yield MASK
            name, is_first = (name if name.endswith(("s", "S", ":")) else ""), False
            continue
        elif word.endswith(":") and _is_secret(word, ""):
            name = word
        elif is_first or not name.endswith(":"):
            name = ""
        yield word


def _is_password(option: str, rest: str) -> bool:
    return not _NO_PASSWORD.fullmatch(rest) and not (option == "-P" and re.fullmatch("[a-z_-]+", rest))


def _without(word: str, known: Sequence[str]) -> str:
    if (found := _ASSIGNED.fullmatch(word)) and _is_secret(found[1], found[2]):
        return f"{found[1]}={MASK}"
    if found and found[1] in _USERS and (user := _USER.fullmatch(found[2])):
        return f"{found[1]}={user[1]}:{MASK}"
    for secret in known:
        word = word.replace(secret, MASK)
    word = _USERINFO.sub(lambda one: MASK if one[3] is not None else f"{one[1]}:{MASK}", word)
    word = _LOGIN.sub(rf"\1:{MASK}", word)
    word = _SCHEME.sub(rf"\1\2{MASK}", word)
    word = _HEADER.sub(_masked_value, word)
    word = _PAIR.sub(_masked_value, word)
    return _KNOWN.sub(MASK, word)


def _masked_value(found: "re.Match[str]", depth: int = 0) -> str:
    value = found["value"]
    if depth < DEPTH and not _is_secret(found["name"], value.strip("\\\"'")):
        inner = _PAIR.sub(lambda one: _masked_value(one, depth + 1), value)  # --set=secret=...
        return f"{found['name']}{found['sign']}{inner}"
    quote = re.match(r"\\?[\"']", value)
    return f"{found['name']}{found['sign']}{quote[0] + MASK + quote[0] if quote else MASK}"


def _is_secret(name: str, value: str) -> bool:
    words = _words_of_secret(name)
    return bool(words) and not (_NUMBER.fullmatch(value) and not _MEASURES.isdisjoint(words))


@functools.lru_cache(1_000)  # names of variables are asked for with each piece that a run prints
def _words_of_secret(name: str) -> tuple[str, ...]:
    """The words of a name in lower case, if it is that of a secret."""
    words = tuple(word.lower() for word in _WORDS.findall(name))
    return words if any(_SECRET.fullmatch(word) for word in words) else ()
