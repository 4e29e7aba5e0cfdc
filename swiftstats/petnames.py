"""What a petname may be: a name that this site gives an account, for people; `physics/lab1` is in the group `physics`.

It stands in tables, spreadsheets and terminals, where it must be nothing but text: what a spreadsheet takes for a formula, and
what moves a cursor or turns the direction of writing, is refused when it is set. Whoever shows it escapes it all the same.
"""

from __future__ import annotations

import unicodedata

#: The longest petname, in bytes of UTF-8.
NAME_BYTES = 255
#: What stands between a group and what is in it.
SEPARATOR = "/"
#: What a spreadsheet begins a formula with.
FORMULA = "=+-@"
#: What shows that an account has no petname, where there is no null.
ABSENT = "?"
#: Invisible characters (Unicode category Cf) that some scripts cannot be written without.
_JOINERS = "\u200c\u200d"
_INVISIBLE = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")


def checked(text: str) -> str:
    """Return a petname in Unicode's form NFC, in which alike looks are alike bytes; raise ValueError with what was expected."""
    name = unicodedata.normalize("NFC", text)
    if any(unicodedata.category(each) in _INVISIBLE and each not in _JOINERS for each in name):
        raise ValueError("a name without control characters, line breaks or invisible characters")
    if not name or len(name.encode()) > NAME_BYTES:
        raise ValueError(f"a name of 1 to {NAME_BYTES} bytes")
    # Spreadsheets take the full-width forms of these too.
    if unicodedata.normalize("NFKC", name[0])[:1] in FORMULA or name[0] in "'\"":
        raise ValueError("a name that begins with none of = + - @ ' \", which a spreadsheet does not take for text")
    parts = name.split(SEPARATOR)
    if parts[0] == ABSENT:
        raise ValueError(f"a name other than {ABSENT}, which says that there is none")
    if any(not part or part != part.strip() for part in parts):
        raise ValueError(f"groups and a name with one {SEPARATOR} between them, and no space beside it")
    return name


def is_within(name: str, group: str) -> bool:
    """Tell whether a petname is a group or below it: `physics` and `physics/lab1` are within `physics`, `physics2` is not."""
    return name == group or name.startswith(group + SEPARATOR)
