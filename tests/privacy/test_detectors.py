"""Each detector finds the forms people write, and leaves alone what only looks like one."""
# ruff: noqa: E501 - tables of forms, one line for each sort

import pytest

from loom.privacy import make_detectors
from loom.privacy._numbers import luhn, mod97
from loom.privacy.redaction import Redaction
from tests.privacy.talks import conversation

FOUND = {
    "mail": [
        "bob@example.com", "Bob.O'Neil+list@sub.example.co.uk", '"bob smith"@example.com', "bob@[10.1.2.3]", "jürgen@münchen.de",
        "bob (at) example (dot) com", "bob [at] example [dot] org", "bob at example dot com", "bob(@)example(.)com", "bob @ example.com", "bob at gmail.com",
    ],
    "phone": [
        "+49 30 1234567", "+1 (555) 234-5678", "(555) 234-5678", "555-234-5678", "00 44 20 7946 0958", "020 7946 0958", "06 12 34 56 78",
        "call me at 555 0199 23", "Tel.: 12345678", "+86 138 1234 5678", "0171/1234567", "+442079460958", "电话：84512345",
    ],
    "card": ["4111111111111111", "4111 1111 1111 1111", "3782-822463-10005", "5555.5555.5555.4444", "6304000000000000000", "4111 1111\n1111 1111", "| 4111 | 1111 | 1111 | 1111 |", "4111+1111+1111+1111", "1234 4111 1111 1111 1111", "213132575976554"],
    "iban": ["DE89 3704 0044 0532 0130 00", "GB29NWBK60161331926819", "fr76 3000 6000 0112 3456 7890 189", "NL91-ABNA-0417-1643-00", "MT84MALT011000012345MTLCAST001S"],
    "ssn": ["536-90-4399", "my ssn:536-90-4399."],
    "keys": [
        "sk-proj-abcdefghijklmnopqrst", "ghp_abcdefghijklmnopqrstuvwxyz0123456789", "AKIAIOSFODNN7EXAMPLE", "AIzaSyA1234567890abcdefghijklmnopqrstuv", "xoxb-1234567890-abcdefghij",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.abc-DEF_123", "password: x1", "The password is hunter2", "my password is swordfish.", "Passwort lautet geheim!", "pwd=abc", '"api_key" : "tiny"',
        "token=abc&x=1", "Authorization: Bearer abc.def", "https://user:pass1@example.com/", "the key 9f8a7b6c5d4e3f2a1b0c9d8e7f6a5b4c", "пароль: кот123", "密码是abc123", "PIN: 1234",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA\n-----END RSA PRIVATE KEY-----", "-----BEGIN PRIVATE KEY-----\nMIIEowIBAAKC", "seed phrase: witch collapse practice feed",
        "password for the admin account: letmein", "<password>hunter2</password>", "glsa_0123456789abcdefghijABCDEFGHIJ", "sntrys_0123456789abcdefghij", "PMAK-0123456789abcdef01234567-0123456789abcdef0123456789abcdef01",
        "NRAK-0123456789ABCDEFGHIJKLMNOPQ", "ATATT3xFfGF0123456789abcdef", "eyJhbGciOiJkaXIifQ..abcdefgh.abcdefgh.abcdefgh", "?sv=2&sig=abc%3D", "$2b$12$abcdefghijklmnopqrstuv", "curl -u bob:pear9",
        "IDENTIFIED BY 'pear'", "machine x password Sommer2024!", "Passwort? Sommer2024", "şifre: elma", "heslo je: jablko", "jelszó: alma", "κωδικός: μήλο", "סיסמה: תפוח", "mật khẩu: tao", "пароль кот123abc", "password - Sommer24", "mysql --password hunter2", "DB_PASS=hunter2", "PW: abc12", "cvv 123", "Bearer abc12345",
        "your verification code is 482913", "SK0123456789abcdef0123456789abcdef", "0x" + "1f" * 32, "5HueCGU8rMjxEXxiPuD5BDku4MkFqeZyd4dZ1jvhTVqvbTLvyTJ",
        "FERNET_KEY=cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=", "ENV DB_PASSWORD Tiger77x", "รหัสผ่าน: Tiger77x", "رمز عبور: Tiger77x",
    ],
    "address": [
        "12 Baker Street", "1600 Pennsylvania Ave NW", "221B Baker Street, London NW1 6XE", "350 Fifth Avenue, New York, NY 10118", "Hauptstraße 5, 10115 Berlin", "Unter den Linden Allee 77", "Am Markt Platz 3",
        "10 rue de la Paix, 75002 Paris", "5 bis avenue Foch", "Calle de Alcalá 25", "Via Garibaldi, 12", "Kerkstraat 12", "ul. Długa 5", "P.O. Box 1234", "〒100-0001", "SW1A 1AA", "K1A 0B1", "12 baker street",
        "Ledagervej 218", "Haraldsted Allé 531", "Strandgränd 181", "Otermankuja 913", "Elisebaan 30", "Putzstraße 1/1", "Calle Salta N° 92", "ул. Волжская, д. 19 к. 1/4", "пер. Запрудный, д. 7", "провулок Морський, буд. 018",
        "avenue Beguin 9", "Vicolo Antonietta, 5", "al. Wybickiego 21/99", "Av. Buenos Aires N° 164", "1600 PENNSYLVANIA AVENUE", "14 Harbour View", "Calle José Faúndez 4908 Dpto. 216",
    ],
    "network": ["MAC:00:1a:2b:3c:4d:5e", "IP:2001:db8::ff00:42:8329", "2001:db8::ff00:42:8329: up", "00:1a:2b:3c:4d:5e: up", "No.10.2.3.4", "192.168.1.17", "8.8.8.8", "2001:db8::ff00:42:8329", "fe80::1", "00:1a:2b:3c:4d:5e", "00-1A-2B-3C-4D-5E", "001a.2b3c.4d5e"],
}  # fmt: skip
LEFT = {
    "mail": ["user@localhost is nobody", "@everyone", "a @ b", "look at example.com", "x@y", "meet at noon dot"],
    "phone": ["2026-11-23", "23.11.2026", "in 1,234,567 cases", "3.14159265", "version 1.2.3.4", "pages 100-200", "ISO 8601", "$1234567", "1700000000000", "id_5552345678", "+0.001 (-0.006"],
    "card": ["4111 1111 1111 1112", "1234567890123456", "0000000000000000", "4111111111111", "41111111111111111111111"],
    "iban": ["DE89 3704 0044 0532 0130 01", "DE8937040044053201", "XX89370400440532013000", "GB29 words that are long enough here"],
    "ssn": ["666-90-4399", "000-12-3456", "536-00-4399", "536-90-43990", "1536-90-4399"],
    "keys": [
        "the password is required", "a token is a unit of text", "The secret is out", "passwords must be long", "password: required", "sk-learn", "task-force-one-two", "pass the salt",
        "keyboard", "a non-token class here", "the bearer of news", "bearer instruments", "pin the tail", "bypass it", "the bearer of news", "bearer instruments", "pin the tail", "bypass it", "monkey: banana", "the key to success is patience", "3f786850e387550fdab836ed7e6dc881de23001b",
        "commit=3f786850e387550fdab836ed7e6dc881de23001b", "ENV MAX_TOKENS 4096",
    ],
    "address": ["12 ways to drive", "in 1999 the street", "10 people on the road", "Chapter 5 Place your bets", "the 5 Kings of old", "3 courts", "Figure 3 Next Page", "the Allegro 5 plays", "C. Smith 2024", "R. Brown, 1999"],
    "network": ["127.0.0.1", "::1", "0.0.0.0", "1.2.3", "1.2.3.4.5", "999.1.1.1", "10:30:45", "a::b::c", "std::vector", "SHA1 Fingerprint=ab:cd:ef:01:23:45:67:89:ab:cd:ef:01:23:45:67:89:ab:cd:ef:01", "std::string: x"],
}  # fmt: skip


@pytest.mark.parametrize("name", FOUND)
def test_it_finds_what_people_write(name: str) -> None:
    (detector,) = make_detectors([name])
    missed = [text for text in FOUND[name] if not list(detector.find(f"so: {text} - yes"))]
    assert missed == []


@pytest.mark.parametrize("name", LEFT)
def test_it_leaves_alone_what_only_looks_like_it(name: str) -> None:
    (detector,) = make_detectors([name])
    taken = {
        text: [f"so: {text} - yes"[a:b] for a, b, _ in detector.find(f"so: {text} - yes")]
        for text in LEFT[name]
    }
    assert {text: found for text, found in taken.items() if found} == {}


def test_check_digits_are_those_of_the_standards() -> None:
    assert luhn("79927398713")
    assert not any(luhn(f"7992739871{digit}") for digit in "012456789")
    assert mod97("GB82WEST12345698765432")
    assert not mod97("GB82WEST12345698765423")


@pytest.mark.parametrize(
    "text",
    [
        '{"password": "ti\\"ger77x"}',
        r"password = 'it\'s ger77x'",
        r'{"body": "{\"password\": \"ti\\\"ger77x\"}"}',
        'password: "C:\\ger77x\\"',
    ],
)
def test_a_quoted_password_with_a_quote_in_it_is_hidden_to_its_end(text: str) -> None:
    assert "ger77x" in text
    assert "ger77x" not in Redaction(make_detectors()).redact(text, conversation())
