"""What the name of a customer's member says: words, one customer or several, named or not."""

import re

__all__ = ["is_anonymous", "is_several", "is_supplier", "label_of"]

# Between a small letter or figure and a capital, between an acronym and a word, between a word and a figure.
BREAKS = re.compile(r"(?<=[a-z0-9.])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[a-z])(?=[0-9])|_+")


def _set(*lines: str) -> frozenset[str]:
    return frozenset(" ".join(lines).split())


NUMBERS = _set(
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen ",
    "eighteen nineteen twenty",
)
MANY = NUMBERS - {"one"}
ORDINALS = _set("first second third fourth fifth sixth seventh eighth ninth tenth")
ROLES = _set(
    "customer client distributor reseller partner licensee payor payer tenant lessee buyer purchaser wholesaler ",
    "retailer carrier operator hyperscaler oem manufacturer integrator dealer agency company counterparty party ",
    "channel provider vendor supplier end user",
)
# Of these, there are always several; of the second kind only if no name stands beside: "Lowes Companies" is one.
PLURALS = _set(
    "customers clients distributors resellers licensees payors payers tenants wholesalers retailers carriers ",
    "hyperscalers oems dealers",
)
PLURALS_OR_NAMES = _set(
    "partners lessees buyers purchasers operators manufacturers integrators agencies companies counterparties parties ",
    "channels providers users",
)
# Said of a customer that is not named.
VAGUE = _set(
    "a an the of by major significant single individual largest large biggest top direct indirect unnamed anonymous ",
    "unidentified undisclosed confidential certain another main key principal primary number no international domestic ",
    "foreign external third",
)
# The first word of everybody else, or of a sum.
REST = _set("all other others remaining no various multiple several aggregate aggregated combined total")
SUM = _set("aggregate aggregated combined excluding exceeding collectively")
SUPPLIERS = _set("supplier suppliers vendor vendors")


def label_of(member: str) -> str:
    """Return the name of a member in words, without its prefix and the closing Member.

    Examples
    --------
    >>> [label_of(m) for m in ("intc:DellIncMember", "nvda:CustomerAMember", "intc:HPInc.Member", "x:Customer1Member")]
    ['Dell Inc', 'Customer A', 'HP Inc.', 'Customer 1']
    """
    local = re.split(r"[:}]", member)[-1]
    return " ".join(BREAKS.sub(" ", local.removesuffix("Member") or local).split())


def is_several(label: str) -> bool:
    """Whether a label stands for several customers, or for the rest.

    Examples
    --------
    >>> [is_several(label) for label in ("Three Largest Customers", "All Other", "Top Ten", "Customer Two", "Dell Inc")]
    [True, True, True, False, False]
    """
    words = _words(label)
    first, rest = words[0], words[1:]
    if (PLURALS | SUM) & set(words) or words[-1] == "domain":
        return True
    if words[-1] in PLURALS_OR_NAMES and all(_says_no_name(word) for word in words[:-1]):
        return True
    if first in REST:
        # TotalEnergies and Total are companies where a role does not follow.
        return first != "total" or bool(ROLES & set(rest))
    if _counts(first) and rest and rest[0] in VAGUE:
        return True
    # "Top Ten"; "Customer A And B".
    return (first == "top" and bool(rest) and _counts(rest[0])) or (first in ROLES and "and" in rest)


def is_anonymous(label: str) -> bool:
    """Whether a label names a role and not a company.

    Examples
    --------
    >>> [is_anonymous(label) for label in ("Customer A", "Customer One", "Largest Customer", "Dell Inc")]
    [True, True, True, False]
    """
    words = _words(label)
    return bool(ROLES & set(words)) and all(_says_no_name(word) for word in words)


def is_supplier(label: str) -> bool:
    """Whether a label stands for one that is paid, not one that pays."""
    return bool(SUPPLIERS & set(_words(label)))


def _words(label: str) -> list[str]:
    return re.findall(r"[^\W_]+", label.casefold()) or [""]


def _counts(word: str) -> bool:
    return word in MANY or (word.isdigit() and int(word) > 1)


def _says_no_name(word: str) -> bool:
    """Whether a word is a role, a rank, or the A, 1 or IV of customer A, 1 or IV."""
    known = word in ROLES or word in VAGUE or word in NUMBERS or word in ORDINALS
    return known or len(set(word)) == 1 or word.isdigit() or bool(re.fullmatch(r"[ivx]+", word))
