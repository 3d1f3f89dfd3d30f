#!/usr/bin/env python3
"""A second reader of envelopes, seal/1 and offices' signatures, written from the pages alone.

Shares no code and no library with the Rust one: it runs the vectors of the areas `envelope`, `seal` and
`office` through Python's `cryptography` (48 or newer, with ML-KEM) and says where it disagrees.

    python3 docs/spec/check.py

Ends with 0 if every outcome is the expected one. It is for reading the pages critically, not for use: it
wipes nothing and makes no effort at constant time. Where Ed25519 libraries are laxer than the rule of
primitives.md the rule is added here.
"""

import hashlib
import hmac as mac
import pathlib
import sys

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

STANZA, CHUNK, ORDER = 1185, 65536, 2**252 + 27742317777372353535851937790883648493


class Refused(Exception):
    """An outcome other than ok."""


# --- primitives.md ---------------------------------------------------------------------------------

def domain(name):
    return b"cbm/1/" + name.encode() + b"\0"


def digest(name, message):
    return hashlib.sha256(domain(name) + message).digest()


def hmac(key, name, message):
    return mac.new(key, domain(name) + message, hashlib.sha256).digest()


def hkdf(ikm, salt, name, info):
    key = mac.new(salt or bytes(32), ikm, hashlib.sha256).digest()
    return mac.new(key, domain(name) + info + b"\x01", hashlib.sha256).digest()


def verifies(key, message, signature, name="header"):
    if int.from_bytes(signature[32:], "little") >= ORDER:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, domain(name) + message)
    except InvalidSignature:
        return False
    return True


class Epoch:
    """An epoch key with its secrets."""

    def __init__(self, seed):
        self.x_secret = X25519PrivateKey.from_private_bytes(hkdf(seed, b"", "epoch-x25519", b""))
        dz = hkdf(seed, b"", "epoch-kem-d", b"") + hkdf(seed, b"", "epoch-kem-z", b"")
        self.kem_secret = MLKEM768PrivateKey.from_seed_bytes(dz)
        self.x = self.x_secret.public_key().public_bytes_raw()
        self.kem = self.kem_secret.public_key().public_bytes_raw()
        self.id = digest("epoch-key", self.x + self.kem)[:16]

    def agree(self, x):
        return self.x_secret.exchange(X25519PublicKey.from_public_bytes(x))


def noise_kpsk0_open(me, author_x, psk, prologue, message):
    """Noise revision 34, pattern K with psk0, as the responder of its one message."""
    name = b"Noise_Kpsk0_25519_ChaChaPoly_SHA256"
    h = ck = hashlib.sha256(name).digest()

    def expand(ikm, outputs):
        temp = mac.new(ck, ikm, hashlib.sha256).digest()
        out = [b""]
        for n in range(outputs):
            out.append(mac.new(temp, out[-1] + bytes([n + 1]), hashlib.sha256).digest())
        return out[1:]

    def mix_hash(h, data):
        return hashlib.sha256(h + data).digest()

    for data in (prologue, author_x, me.x):
        h = mix_hash(h, data)
    ck, temp_h, _ = expand(psk, 3)
    h = mix_hash(h, temp_h)
    e = message[:32]
    h = mix_hash(h, e)
    ck, _ = expand(e, 2)
    for shared in (me.agree(e), me.agree(author_x)):
        ck, key = expand(shared, 2)
    return ChaCha20Poly1305(key).decrypt(bytes(12), message[32:], h)


# --- envelope.md -----------------------------------------------------------------------------------

def pad(n):
    n = 512 if n < 512 else -(-n // 256) * 256
    e = n.bit_length() - 1
    step = 1 << (e - e.bit_length())
    return -(-n // step) * step


def sealed_len(padded):
    return padded + 16 * -(-padded // CHUNK)


class Bytes:
    """Takes bytes from the front."""

    def __init__(self, data):
        self.data = data

    def take(self, n):
        if len(self.data) < n:
            raise Refused("malformed")
        head, self.data = self.data[:n], self.data[n:]
        return head

    def number(self, n):
        return int.from_bytes(self.take(n), "big")

    def end(self):
        need(not self.data)


def need(condition, word="malformed"):
    if not condition:
        raise Refused(word)


def header(data):
    rest, h = Bytes(data), {}
    suite = rest.number(2)
    need(suite == 1, "unknown_suite")
    h["kind"] = rest.number(1)
    need(h["kind"] in (1, 2, 3), "unknown_kind")
    h["network"], version = rest.take(32), rest.number(4)
    h["lane"], h["author"], h["incarnation"] = rest.take(16), rest.take(16), rest.take(16)
    h["seq"], prev, made_at = rest.number(8), rest.take(32), rest.number(8)
    h["epoch"], length = rest.take(16), rest.number(4)
    form = rest.number(1)
    need(form in (0, 1, 2))
    count = rest.number(2) if form == 1 else 0
    if form == 2:
        rest.take(16)
    h["h0"] = data[: len(data) - len(rest.data)]
    h["fkc"], h["body"], h["stanzas"], h["root"] = (rest.take(32) for _ in range(4))
    rest.end()
    first = prev == bytes(32)
    need((h["seq"] == 0 and first) if h["kind"] == 3 else h["seq"] > 0 and first == (h["seq"] == 1))
    need(version > 0 and made_at <= 253402300799999)
    if h["kind"] == 1:
        need(form == 2 or (form == 1 and count in (1 << n for n in range(9))))
        need(pad(length) == length and sealed_len(length) <= 294912)
    else:
        need(form == 0 and not any(h["epoch"] + h["fkc"] + h["stanzas"] + h["root"]))
        need(length <= (16384 if h["kind"] == 3 else 294912))
    h["length"], h["form"] = length, form
    h["body_len"] = sealed_len(length) if h["kind"] == 1 else length
    h["stanzas_len"] = (0, count * STANZA, 49)[form]
    return h


def envelope(data, key=None, network=None):
    need(len(data) <= 655360, "oversize")
    rest = Bytes(data)
    need(rest.take(3) == b"CBM")
    need(rest.number(1) == 1, "unknown_framing")
    flags = rest.number(1)
    need(flags < 4)
    length = rest.number(2)
    need(length <= 512)
    head = rest.take(length)
    signatures, count = [], rest.number(1)
    need(1 <= count <= 4)
    for _ in range(count):
        key_id, algorithm, size = rest.take(16), rest.number(1), rest.number(2)
        need(size <= 2500)
        signatures.append((algorithm, key_id, rest.take(size)))
    h = header(head)
    need(all(len(s) == {1: 64, 2: 2420}.get(a) for a, _, s in signatures))
    order = [(a, k) for a, k, _ in signatures]
    need(order == sorted(set(order)) and order[0][0] == 1)
    stanzas = rest.take(rest.number(4)) if flags & 1 else None
    body = rest.take(rest.number(4)) if flags & 2 else None
    rest.end()
    if stanzas is not None:
        need(len(stanzas) == h["stanzas_len"] and digest("stanzas", stanzas) == h["stanzas"], "wrong_part")
        tags = [stanzas[at : at + 16] for at in range(0, len(stanzas), STANZA)]
        need(h["form"] != 1 or tags == sorted(set(tags)))
    if body is not None:
        need(len(body) == h["body_len"] and digest("body", body) == h["body"], "wrong_part")
    need(body is not None or h["kind"] != 3)
    need(network in (None, h["network"]), "foreign_network")
    if key:
        mine = [s for a, k, s in signatures if a == 1 and k == digest("sign-key", key)[:16]]
        need(mine, "unknown_key")
        need(verifies(key, head, mine[0]), "bad_signature")
    h["id"] = digest("header", head)
    return h, stanzas, body


# --- seal.md ---------------------------------------------------------------------------------------

def parts_of(plain):
    rest, parts = Bytes(plain), []
    count = rest.number(2)
    need(1 <= count <= 128)
    for _ in range(count):
        salt, kind = rest.take(16), rest.take(1)
        parts.append((salt, kind, rest.take(rest.number(4))))
    need(not any(rest.data) and pad(len(plain) - len(rest.data)) == len(plain))
    return parts


def tree(leaves):
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << ((len(leaves) - 1).bit_length() - 1)
    return hashlib.sha256(b"\x01" + tree(leaves[:split]) + tree(leaves[split:])).digest()


def open_with(h, body, fk, status):
    need(body is not None, "incomplete")
    need(hkdf(fk, digest("h0", h["h0"]), "commit", b"") == h["fkc"], "commitment")
    context = digest("h0-fkc", h["h0"] + h["fkc"])
    aead = ChaCha20Poly1305(hkdf(fk, context, "body", bytes([status])))
    plain, chunks = b"", range(0, len(body), CHUNK + 16)
    for number, at in enumerate(chunks):
        nonce = number.to_bytes(11, "big") + bytes([number + 1 == len(chunks)])
        try:
            plain += aead.decrypt(nonce, body[at : at + CHUNK + 16], b"")
        except InvalidTag:
            raise Refused("body") from None
    try:
        parts = parts_of(plain)
    except Refused:
        raise Refused("plaintext") from None
    root = tree([hashlib.sha256(b"\0" + salt + kind + data).digest() for salt, kind, data in parts])
    need(root == h["root"], "content_root")
    return parts


def open_letter(h, stanzas, body, me, author_x, author_kem):
    need(h["kind"] == 1, "not_sealed")
    author_id = digest("epoch-key", author_x + author_kem)[:16]
    need(author_id == h["epoch"], "epoch_key")
    need(stanzas is not None, "incomplete")
    key = hkdf(me.agree(author_x), h["network"], "tag-key", b"".join(sorted((me.id, author_id))))
    place = h["network"] + h["lane"] + h["author"] + h["incarnation"] + h["seq"].to_bytes(8, "big")
    tag = hmac(key, "tag", place + me.id)[:16]
    mine = [stanzas[at : at + STANZA] for at in range(0, len(stanzas), STANZA)]
    mine = [stanza for stanza in mine if stanza[:16] == tag]
    need(mine, "not_addressed")
    ct, message = mine[0][16:1104], mine[0][1104:]
    context = digest("h0-fkc", h["h0"] + h["fkc"])
    bound = digest("kem-key", me.kem) + digest("kem-ct", ct)
    psk = hkdf(me.kem_secret.decapsulate(ct), context, "psk", bound)
    prologue = domain("stanza") + context + h["body"] + bound
    try:
        payload = noise_kpsk0_open(me, author_x, psk, prologue, message)
    except (InvalidTag, ValueError):
        raise Refused("stanza") from None
    status = payload[32] & 0x7F
    need(status in (1, 2, 3, 4), "status")
    hands_out = payload[:32] if payload[32] & 0x80 else None
    return open_with(h, body, payload[:32], status), status, hands_out


def sender_key(h, fk):
    context = digest("h0-fkc", h["h0"] + h["fkc"])
    derive = lambda domain: hkdf(fk, context, domain, b"")
    return derive("sender-key-id")[:16], h["seq"], derive("sender-chain")


def open_under(h, piece, body, key):
    name, first, link = key
    need(h["kind"] == 1, "not_sealed")
    need(h["h0"][-17:] == b"\2" + name, "not_addressed")
    need(piece is not None and body is not None, "incomplete")
    need(0 < h["seq"] - first <= 1024, "not_addressed")
    for _ in range(h["seq"] - first - 1):
        link = hmac(link, "sender-next", b"")
    context = digest("h0-fkc", h["h0"] + h["fkc"])
    aead = ChaCha20Poly1305(hkdf(link, context, "sender-piece", h["body"]))
    try:
        payload = aead.decrypt(bytes(12), piece, b"")
    except InvalidTag:
        raise Refused("not_addressed") from None
    need(payload[32] in (1, 2, 3, 4), "status")
    return open_with(h, body, payload[:32], payload[32]), payload[32]


# --- letter.md: what an office signs ---------------------------------------------------------------

def protobuf(data):
    """Fields in their order, as (number, value); varints and bytes, all that an entry has."""
    rest = Bytes(data)

    def varint():
        value = shift = 0
        while True:
            byte = rest.number(1)
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    found = []
    while rest.data:
        tag = varint()
        found.append((tag >> 3, varint() if tag & 7 == 0 else rest.take(varint())))
    return found


def office_statement(entry):
    one = dict(reversed(entry))
    names = [dict(protobuf(value)).get(2, b"") for number, value in entry if number == 12]
    code = names[0].decode() if names else ""
    if not 1 <= len(code) <= 128 or any(ord(c) < 32 or 127 <= ord(c) < 160 for c in code):
        return None, code
    texts = [dict(protobuf(value)) for number, value in entry if number == 11]
    said = b"".join(len(t.get(n, b"")).to_bytes(4, "big") + t.get(n, b"") for t in texts for n in (1, 2))
    words = digest("office-words/1", said) if texts else bytes(32)
    codes = bytes([one[4], one.get(7, 0), one.get(8, 0)])
    times = one[5].to_bytes(8, "big")
    return one[1] + one[2] + one[3] + codes + times + words + code.encode(), code


def office(entry, key, certified, statement):
    entry = protobuf(entry)
    signed, code = office_statement(entry)
    need(signed is not None, "nothing")
    need(statement in (None, signed), "other_statement")
    slot = dict(protobuf(dict(entry)[14]))
    need(slot[2] == 1, "newer")
    need(slot[1] == digest("sign-key", key)[:16], "not_certified")
    need(certified == code, "other_office")
    holds = len(slot[3]) == 64 and verifies(key, signed, slot[3], "office-statement/1")
    need(holds, "mismatch")
    return "ok"


# --- the vectors -----------------------------------------------------------------------------------

def load(path):
    fields, last = {}, None
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith(" "):
            fields[last] += line.strip()
        else:
            last, value = line.split(":", 1)
            fields[last] = value.strip()
    return fields


def outcome(area, fields):
    field = lambda name: bytes.fromhex(fields[name]) if name in fields else None
    try:
        if area == "office":
            key, certified = field("key"), fields["certified"]
            return office(field("entry"), key, certified, field("statement"))
        if area == "envelope":
            h, _, _ = envelope(field("envelope"), field("key"), field("network"))
            return "ok" if field("id") in (None, h["id"]) else "other_id"
        h, stanzas, body = envelope(field("envelope"))
        if "file_key" in fields:
            status = int(fields["status"])
            parts = open_with(h, body, field("file_key"), status)
        else:
            me = Epoch(field("me"))
            args = me, field("author_x"), field("author_kem")
            if "hand_out" in fields:
                first, first_stanzas, first_body = envelope(field("hand_out"))
                fk = open_letter(first, first_stanzas, first_body, *args)[2]
                need(fk is not None, "no_key")
                key = sender_key(first, fk)
                need(field("link") in (None, key[2]), "other_link")
                parts, status = open_under(h, stanzas, body, key)
            else:
                parts, status, _ = open_letter(h, stanzas, body, *args)
        same = (status, len(parts)) == (int(fields["status"]), int(fields["parts"]))
        return "ok" if same and parts[-1][2] == field("last") else "other_content"
    except Refused as refused:
        return str(refused)


def main():
    wrong = total = 0
    for path in sorted((pathlib.Path(__file__).parent / "vectors").glob("*.txt")):
        area = path.name.split("_")[0]
        if area not in ("envelope", "office", "seal"):
            continue
        fields = load(path)
        found, total = outcome(area, fields), total + 1
        if found != fields["expect"]:
            wrong += 1
            print(f"{path.stem}: {found}, expected {fields['expect']}")
    print(f"{total} vectors of envelope, office and seal, {wrong} wrong")
    return 1 if wrong or not total else 0


if __name__ == "__main__":
    sys.exit(main())
