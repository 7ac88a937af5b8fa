"""Check digits, which tell a number that names somebody from any other."""

from __future__ import annotations

import re

_VERHOEFF = tuple(map(tuple, (
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9), (1, 2, 3, 4, 0, 6, 7, 8, 9, 5), (2, 3, 4, 0, 1, 7, 8, 9, 5, 6),
    (3, 4, 0, 1, 2, 8, 9, 5, 6, 7), (4, 0, 1, 2, 3, 9, 5, 6, 7, 8), (5, 9, 8, 7, 6, 0, 4, 3, 2, 1),
    (6, 5, 9, 8, 7, 1, 0, 4, 3, 2), (7, 6, 5, 9, 8, 2, 1, 0, 4, 3), (8, 7, 6, 5, 9, 3, 2, 1, 0, 4),
    (9, 8, 7, 6, 5, 4, 3, 2, 1, 0),
)))  # fmt: skip
_SHUFFLE = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)
_IBAN_COUNTRIES = {
    15: "NO",
    16: "BE",
    18: "DK FI FO GL NL",
    19: "MK SI",
    20: "AT BA EE KZ LT LU XK",
    21: "CH HR LI LV",
    22: "BG BH CR DE GB GE IE ME RS VA",
    23: "AE GI IL IQ",
    24: "AD CZ ES MD PK RO SA SE SK TN VG",
    25: "PT",
    26: "IS TR",
    27: "FR GR IT MC MR SM",
    28: "AL AZ BY CY DO GT HU LB PL",
    29: "BR EG PS QA UA",
    30: "JO KW MU",
    31: "MT",
}
"""Length of an IBAN to the countries that use it."""
_DNI = "TRWAGMYFPDXBNJZSQVHLCKE"


def digits(text: str) -> str:
    """The digits alone."""
    return re.sub(r"[^0-9]", "", text)


def luhn(number: str) -> bool:
    """Whether the check digit of a card number is right."""
    doubled = [int(d) * (1 + i % 2) for i, d in enumerate(reversed(number))]
    return 12 <= len(number) <= 19 and sum(d - 9 if d > 9 else d for d in doubled) % 10 == 0


def iban(text: str) -> bool:
    """Whether length and check digits of an IBAN are right (mod 97)."""
    if text[:2] not in _IBAN_COUNTRIES.get(len(text), "").split():
        return False
    return int("".join(str(int(character, 36)) for character in text[4:] + text[:4])) % 97 == 1


def verhoeff(number: str) -> bool:
    """Whether the check digit of an Indian Aadhaar number is right."""
    check = 0
    for index, digit in enumerate(reversed(number)):
        value = int(digit)
        for _ in range(index % 8):
            value = _SHUFFLE[value]
        check = _VERHOEFF[check][value]
    return check == 0


def cpf(number: str) -> bool:
    """Whether both check digits of a Brazilian CPF are right."""

    def check(length: int) -> int:
        total = sum(int(d) * (length + 1 - i) for i, d in enumerate(number[:length]))
        return total * 10 % 11 % 10

    return len(set(number)) > 1 and check(9) == int(number[9]) and check(10) == int(number[10])


def dni(text: str) -> bool:
    """Whether the letter of a Spanish DNI or NIE is right."""
    number = text[:-1].translate(str.maketrans("XYZ", "012"))
    return number.isdigit() and _DNI[int(number) % 23] == text[-1]


def nir(number: str) -> bool:
    """Whether the key of a French social security number is right."""
    return 97 - int(number[:13]) % 97 == int(number[13:])


def national(number: str) -> bool:
    """Whether the check character of a Chinese identity number is right."""
    total = sum(int(d) * 2 ** (17 - i) for i, d in enumerate(number[:17]))
    return "10X98765432"[total % 11] == number[17]
