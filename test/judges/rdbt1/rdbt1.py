#!/usr/bin/python3
"""A second decoder of sealed files, written from docs/reference/rdbt1.md, FIPS 203, RFC 7748, RFC 5869 and SP 800-38D, and from nothing of ours.

Header slots, recipients (X25519 with ML-KEM-768), passphrase-free private keys, key commitment, body. ML-KEM-768 decapsulation is here in plain
Python, for Debian's python3-cryptography has none; X25519, HKDF and AES-GCM are that library's.

Reads a JSON array of {file, key, out} from standard input: a sealed file, a key file without passphrase, where the plaintext goes. Prints a JSON array of {ok, error}.
"""
import base64
import hashlib
import json
import struct
import sys

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

# ML-KEM-768 (FIPS 203, table 2)
N, Q, K, ETA, DU, DV = 256, 3329, 3, 2, 10, 4


def bit_reverse(value):
    return int(format(value, "07b")[::-1], 2)


ZETAS = [pow(17, bit_reverse(i), Q) for i in range(128)]
GAMMAS = [pow(17, 2 * bit_reverse(i) + 1, Q) for i in range(128)]


def ntt(f):  # algorithm 9
    f, i, length = list(f), 1, 128
    while length >= 2:
        for start in range(0, N, 2 * length):
            zeta, i = ZETAS[i], i + 1
            for j in range(start, start + length):
                t = zeta * f[j + length] % Q
                f[j + length], f[j] = (f[j] - t) % Q, (f[j] + t) % Q
        length //= 2
    return f


def inverse_ntt(f):  # algorithm 10
    f, i, length = list(f), 127, 2
    while length <= 128:
        for start in range(0, N, 2 * length):
            zeta, i = ZETAS[i], i - 1
            for j in range(start, start + length):
                t = f[j]
                f[j] = (t + f[j + length]) % Q
                f[j + length] = zeta * (f[j + length] - t) % Q
        length *= 2
    return [x * 3303 % Q for x in f]


def multiply(f, g):  # algorithms 11 and 12
    h = []
    for i in range(128):
        a0, a1, b0, b1 = f[2 * i], f[2 * i + 1], g[2 * i], g[2 * i + 1]
        h += [(a0 * b0 + a1 * b1 * GAMMAS[i]) % Q, (a0 * b1 + a1 * b0) % Q]
    return h


def add(f, g):
    return [(a + b) % Q for a, b in zip(f, g)]


def bits(data):
    return [(byte >> i) & 1 for byte in data for i in range(8)]


def from_bits(values):
    return bytes(sum(bit << i for i, bit in enumerate(values[at : at + 8])) for at in range(0, len(values), 8))


def encode(f, d):  # algorithm 5
    return from_bits([(x >> i) & 1 for x in f for i in range(d)])


def decode(data, d):  # algorithm 6
    b = bits(data)
    values = [sum(b[at + i] << i for i in range(d)) for at in range(0, len(b), d)]
    return [x % Q for x in values] if d == 12 else values


def compress(f, d):
    return [((x << d) + Q // 2) // Q % (1 << d) for x in f]


def decompress(f, d):
    return [(x * Q + (1 << (d - 1))) >> d for x in f]


def sample_ntt(seed):  # algorithm 7
    stream, out, at = hashlib.shake_128(seed).digest(4096), [], 0
    while len(out) < N:
        a, b, c = stream[at : at + 3]
        at += 3
        for d in (a + 256 * (b % 16), b // 16 + 16 * c):
            if d < Q and len(out) < N:
                out.append(d)
    return out


def sample_cbd(data):  # algorithm 8
    b = bits(data)
    return [(sum(b[2 * i * ETA : (2 * i + 1) * ETA]) - sum(b[(2 * i + 1) * ETA : 2 * (i + 1) * ETA])) % Q for i in range(N)]


def prf(seed, n):
    return hashlib.shake_256(seed + bytes([n])).digest(64 * ETA)


def matrix(rho):
    return [[sample_ntt(rho + bytes([j, i])) for j in range(K)] for i in range(K)]


def dot(row, vector):
    total = [0] * N
    for f, g in zip(row, vector):
        total = add(total, multiply(f, g))
    return total


def keygen(seed):  # algorithms 13 and 16, from d and z
    d, z = seed[:32], seed[32:]
    g = hashlib.sha3_512(d + bytes([K])).digest()
    rho, sigma = g[:32], g[32:]
    a = matrix(rho)
    s = [ntt(sample_cbd(prf(sigma, i))) for i in range(K)]
    e = [ntt(sample_cbd(prf(sigma, K + i))) for i in range(K)]
    t = [add(dot(a[i], s), e[i]) for i in range(K)]
    return b"".join(encode(x, 12) for x in t) + rho, s, z


def encrypt(ek, m, r):  # algorithm 14
    t = [decode(ek[384 * i : 384 * (i + 1)], 12) for i in range(K)]
    a = matrix(ek[384 * K :])
    y = [ntt(sample_cbd(prf(r, i))) for i in range(K)]
    e1 = [sample_cbd(prf(r, K + i)) for i in range(K)]
    e2 = sample_cbd(prf(r, 2 * K))
    u = [add(inverse_ntt(dot([a[j][i] for j in range(K)], y)), e1[i]) for i in range(K)]
    v = add(add(inverse_ntt(dot(t, y)), e2), decompress(decode(m, 1), 1))
    return b"".join(encode(compress(x, DU), DU) for x in u) + encode(compress(v, DV), DV)


def decapsulate(seed, c):  # algorithms 15 and 18
    ek, s, z = keygen(seed)
    u = [decompress(decode(c[320 * i : 320 * (i + 1)], DU), DU) for i in range(K)]
    v = decompress(decode(c[320 * K :], DV), DV)
    su = inverse_ntt(dot(s, [ntt(x) for x in u]))
    m = encode(compress([(a - b) % Q for a, b in zip(v, su)], 1), 1)
    g = hashlib.sha3_512(m + hashlib.sha3_256(ek).digest()).digest()
    if encrypt(ek, m, g[32:]) != c:
        return ek, hashlib.shake_256(z + c).digest(32)
    return ek, g[:32]


# RDBT1

MAGIC = {4096: b"RDBT1\n\x1a\x00", 16384: b"RDBT1\n\x1a\x01"}


def b64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def slot(data, size):
    if len(data) != size or data[:8] != MAGIC[size]:
        return None
    sequence, length = struct.unpack(">QI", data[8:20])
    if sequence < 1 or not 2 <= length <= size - 52:
        return None
    if hashlib.sha256(data[:20] + data[52:]).digest() != data[20:52]:
        return None
    header = json.loads(data[52 : 52 + length])
    return (sequence, header) if canonical(header) == data[52 : 52 + length] else None


def headers(data):
    for size in (16384, 4096):
        found = [x for x in (slot(data[:size], size), slot(data[size : 2 * size], size)) if x]
        if found:
            return max(found, key=lambda x: x[0])[1], 2 * size
    raise ValueError("no whole header")


def hkdf(material, salt, info):
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=salt, info=info).derive(material)


def data_key(header, key_file):
    scheme, public, fingerprint = key_file["recipient"].split(".")
    public = b64(public)
    if scheme != "redoubt-recipient-1" or b64(fingerprint) != hashlib.sha256(public).digest()[:16]:
        raise ValueError("no recipient")
    seed = b64(key_file["seed"])
    entry = next(k for k in header["keys"] if k["keyId"] == "recipient:" + fingerprint)
    wrapped = b64(entry["wrapped"])
    lattice, point, sealed = wrapped[:1088], wrapped[1088:1120], wrapped[1120:]
    ek, shared = decapsulate(seed[:64], lattice)
    curve = X25519PrivateKey.from_private_bytes(seed[64:])
    if ek + curve.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw) != public:
        raise ValueError("another key")
    material = shared + curve.exchange(X25519PublicKey.from_public_bytes(point))
    transcript = hashlib.sha256(public + lattice + point).digest()
    secret = hkdf(material, b"", b"redoubt X25519 ML-KEM-768 v1" + transcript)
    binding = entry["binding"]
    aad = canonical({**binding, "keyId": entry["keyId"], "version": entry["version"]})
    return AESGCM(secret).decrypt(sealed[:12], sealed[12:], aad)


def open_file(data, key_file):
    header, at = headers(data)
    key = data_key(header, key_file)
    facts = {k: v for k, v in header.items() if k not in ("keys", "commitment")}
    commitment = hkdf(key, hashlib.sha256(canonical(facts)).digest(), b"redoubt RDBT1 key commitment")
    aad = canonical({k: header[k] for k in ("binding", "format", "segmentSize", "suite")})
    if commitment != b64(header["commitment"]) or hashlib.sha256(aad).hexdigest() != header["aadDigest"]:
        raise ValueError("the header does not commit to this key")
    body = data[at:]
    if body[0] != 40:
        raise ValueError("no stream header")
    prefix, aead, size = body[33:40], AESGCM(hkdf(key, body[1:33], aad)), header["segmentSize"]
    segments = [body[40:size]] + [body[i : i + size] for i in range(size, len(body), size)]
    last = len(segments) - 1
    return b"".join(
        aead.decrypt(prefix + struct.pack(">I", i) + bytes([i == last]), segment, None) for i, segment in enumerate(segments)
    )


def run(job):
    try:
        with open(job["file"], "rb") as file, open(job["key"], "rb") as key:
            plaintext = open_file(file.read(), json.load(key))
        with open(job["out"], "wb") as out:
            out.write(plaintext)
        return {"ok": True, "error": None}
    except Exception as error:
        return {"ok": False, "error": type(error).__name__}


if __name__ == "__main__":
    json.dump([run(job) for job in json.load(sys.stdin)], sys.stdout)
