"""Servers for recorded cases that no Debian package here has: case-servers.py ADDRESS. On loopback, until its parent stops it.

A WHOIS server on port 43 of ADDRESS that knows sonde.test, and a name server on port 5353 that knows a.example.
"""

import socket
import struct
import sys
import threading

RECORD = b"% Terms of use\r\n\r\nDomain Name: SONDE.TEST\r\nRegistrant: Somebody\r\n>>> Last update <<<\r\n"


def whois(listener):
    while True:
        peer, _ = listener.accept()
        question = peer.makefile("rb").readline(512)
        known = question.strip().lower() == b"sonde.test"
        peer.sendall(RECORD if known else b"No match for that.\r\n")
        peer.close()


def answer(query):
    """RFC 1035: the question again, and an address of 192.0.2.0/24 for a.example; every other name does not exist."""
    end = query.index(b"\0", 12) + 5
    question = query[12:end]
    known = question.lower().startswith(b"\x01a\x07example\0")
    is_address = known and question[-4:] == b"\0\x01\0\x01"
    record = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + bytes([192, 0, 2, 1]) if is_address else b""
    return query[:2] + struct.pack(">HHHHH", 0x8180 if known else 0x8183, 1, 1 if is_address else 0, 0, 0) + question + record


def names(sock):
    while True:
        query, peer = sock.recvfrom(4096)
        sock.sendto(answer(query), peer)


address = sys.argv[1]
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind((address, 5353))
threading.Thread(target=names, args=(sock,), daemon=True).start()
listener = socket.create_server((address, 43))
whois(listener)
