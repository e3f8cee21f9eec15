#!/usr/bin/python3
"""Tink's AES-GCM-HKDF streaming AEAD, written from its specification and from nothing of ours, as a judge of our files.

  https://developers.google.com/tink/streaming-aead/aes_gcm_hkdf_streaming
  (HKDF-SHA-256, 32-byte derived key, parameter: ciphertext segment size)

Reads a JSON array of jobs from standard input, {op, key, aad, segment, skip, in, out}: key and aad in hex, `skip` bytes of the
input are passed over before the stream. Prints a JSON array of {ok, error}. Needs Debian's python3-cryptography.
"""
import json
import os
import struct
import sys

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

DERIVED_KEY_SIZE = 32
NONCE_PREFIX_SIZE = 7
TAG_SIZE = 16
HEADER_SIZE = 1 + DERIVED_KEY_SIZE + NONCE_PREFIX_SIZE


def derive(key, salt, associated_data):
    return AESGCM(HKDF(algorithm=hashes.SHA256(), length=DERIVED_KEY_SIZE, salt=salt, info=associated_data).derive(key))


def nonce(prefix, number, last):
    return prefix + struct.pack(">I", number) + (b"\x01" if last else b"\x00")


def encrypt(key, associated_data, segment_size, plaintext):
    salt = os.urandom(DERIVED_KEY_SIZE)
    prefix = os.urandom(NONCE_PREFIX_SIZE)
    aead = derive(key, salt, associated_data)
    out = [bytes([HEADER_SIZE]) + salt + prefix]
    first = segment_size - HEADER_SIZE - TAG_SIZE
    parts = [plaintext[:first]]
    rest = plaintext[first:]
    while rest:
        parts.append(rest[: segment_size - TAG_SIZE])
        rest = rest[segment_size - TAG_SIZE :]
    for number, part in enumerate(parts):
        out.append(aead.encrypt(nonce(prefix, number, number == len(parts) - 1), part, None))
    return b"".join(out)


def decrypt(key, associated_data, segment_size, ciphertext):
    if len(ciphertext) < HEADER_SIZE + TAG_SIZE or ciphertext[0] != HEADER_SIZE:
        raise ValueError("no header")
    salt = ciphertext[1 : 1 + DERIVED_KEY_SIZE]
    prefix = ciphertext[1 + DERIVED_KEY_SIZE : HEADER_SIZE]
    aead = derive(key, salt, associated_data)
    segments = [ciphertext[HEADER_SIZE:segment_size]]
    at = segment_size
    while at < len(ciphertext):
        segments.append(ciphertext[at : at + segment_size])
        at += segment_size
    return b"".join(
        aead.decrypt(nonce(prefix, number, number == len(segments) - 1), segment, None)
        for number, segment in enumerate(segments)
    )


def run(job):
    try:
        with open(job["in"], "rb") as file:
            data = file.read()[job.get("skip", 0) :]
        work = {"encrypt": encrypt, "decrypt": decrypt}[job["op"]]
        result = work(bytes.fromhex(job["key"]), bytes.fromhex(job["aad"]), job["segment"], data)
        with open(job["out"], "wb") as file:
            file.write(result)
        return {"ok": True, "error": None}
    except Exception as error:
        return {"ok": False, "error": type(error).__name__}


if __name__ == "__main__":
    json.dump([run(job) for job in json.load(sys.stdin)], sys.stdout)
