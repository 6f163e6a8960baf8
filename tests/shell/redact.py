"""Takes what a recording holds of the machine it was made on out of its header: redact.py FILE. Says what it took.

The header is one JSON document in the comments of the section header (docs/RECORDING.md); all other blocks stay as they are.
"""

import json
import struct
import sys

# Files of the machine, and options that say where the recorded run wrote to.
MACHINE = ("/etc/hosts", "/etc/resolv.conf")
COMMENT, END = 1, 0


def padded(data):
    return data + b"\0" * (-len(data) % 4)


def main(path):
    data = open(path, "rb").read()
    order = "<" if data[8:12] == b"\x4d\x3c\x2b\x1a" else ">"
    (length,) = struct.unpack(order + "I", data[4:8])
    body, rest, at = data[8:24], data[length:], 24
    kept, document = b"", b""
    while at + 4 <= length - 4:
        code, size = struct.unpack(order + "HH", data[at : at + 4])
        value = data[at + 4 : at + 4 + size]
        at += 4 + size + -size % 4
        if code == COMMENT:
            document += value
        elif code == END:
            break
        else:
            kept += struct.pack(order + "HH", code, size) + padded(value)
    header = json.loads(document)
    taken = [name for name in MACHINE if header["files"].pop(name, None) is not None]
    words = header["arguments"]
    if "--record" in words:
        place = words.index("--record")
        del words[place : place + 2]
    text = json.dumps(header, separators=(",", ":")).encode()
    for start in range(0, len(text), 60000):
        piece = text[start : start + 60000]
        kept += struct.pack(order + "HH", COMMENT, len(piece)) + padded(piece)
    body += kept + struct.pack(order + "HH", END, 0)
    total = struct.pack(order + "I", len(body) + 12)
    with open(path, "wb") as out:
        out.write(data[:4] + total + body + total + rest)
    print(", ".join(taken) + " of the recording machine" if taken else "nothing")


main(sys.argv[1])
