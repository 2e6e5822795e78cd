"""FarmHash's Fingerprint64, by which TensorFlow puts texts into bins.

Source of the formulas: github.com/google/farmhash, ``farmhashna::Hash64``. Everything is modulo 2^64, and parts of the
text are read as little-endian numbers.
"""

from __future__ import annotations

_ALL = 2**64 - 1
_K0, _K1, _K2 = 0xC3A5C85C97CB3127, 0xB492B66FBE98F273, 0x9AE16A3B2F90404F
"""The constants of its formulas."""
_BLOCK = 64
_SEED = 81


def fingerprint(text: bytes) -> int:
    """The fingerprint, a number of 64 bits.

    >>> fingerprint(b"7") % 10, fingerprint(b"a text of more than sixteen bytes") % 1000
    (8, 0)
    """
    count = len(text)
    if count <= 16:
        return _up_to_16(text)
    if count <= 32:
        return _up_to_32(text)
    return _up_to_64(text) if count <= _BLOCK else _longer(text)


def _number(text: bytes, at: int, size: int = 8) -> int:
    return int.from_bytes(text[at : at + size], "little")


def _turned(x: int, count: int) -> int:
    x &= _ALL
    return x >> count | x << 64 - count & _ALL


def _shifted(x: int) -> int:
    x &= _ALL
    return x ^ x >> 47


def _mixed(u: int, v: int, by: int) -> int:
    a = _shifted((u ^ v) * by)
    return _shifted((v ^ a) * by) * by & _ALL


def _up_to_16(text: bytes) -> int:
    count = len(text)
    if count == 0:
        return _K2
    if count < 4:
        y = text[0] + (text[count // 2] << 8)
        z = count + (text[-1] << 2)
        return _shifted(y * _K2 ^ z * _K0) * _K2 & _ALL
    by = _K2 + 2 * count
    if count < 8:
        return _mixed(count + (_number(text, 0, 4) << 3), _number(text, count - 4, 4), by)
    first, last = _number(text, 0) + _K2 & _ALL, _number(text, count - 8)
    c = _turned(last, 37) * by + first & _ALL
    d = (_turned(first, 25) + last) * by & _ALL
    return _mixed(c, d, by)


def _ends(text: bytes, first: int) -> tuple[int, int]:
    """What the first and the last 16 bytes give."""
    count = len(text)
    by = _K2 + 2 * count
    a, b = _number(text, 0) * first, _number(text, 8)
    c, d = _number(text, count - 8) * by, _number(text, count - 16) * _K2
    return (_turned(a + b, 43) + _turned(c, 30) + d & _ALL, a + _turned(b + _K2, 18) + c & _ALL)


def _up_to_32(text: bytes) -> int:
    return _mixed(*_ends(text, _K1), _K2 + 2 * len(text))


def _up_to_64(text: bytes) -> int:
    count = len(text)
    by = _K2 + 2 * count
    y, end = _ends(text, _K2)
    z = _mixed(y, end, by)
    a = _number(text, 0) * _K2
    e, f = _number(text, 16) * by, _number(text, 24)
    g, h = (y + _number(text, count - 32)) * by, (z + _number(text, count - 24)) * by
    return _mixed(_turned(e + f, 43) + _turned(g, 30) + h & _ALL, e + _turned(f + a, 18) + g & _ALL, by)


def _weak(text: bytes, at: int, a: int, b: int) -> tuple[int, int]:
    """Two numbers of 32 bytes and two numbers."""
    w, x, y, z = (_number(text, at + 8 * k) for k in range(4))
    a += w
    b = _turned(b + a + z, 21)
    c = a
    a += x + y
    return a + z & _ALL, b + _turned(a, 44) + c & _ALL


def _longer(text: bytes) -> int:
    count = len(text)
    y = _SEED * _K1 + 113 & _ALL
    z = _shifted(y * _K2 + 113) * _K2 & _ALL
    v, w = (0, 0), (0, 0)
    x = _SEED * _K2 + _number(text, 0) & _ALL
    for at in range(0, (count - 1) // _BLOCK * _BLOCK, _BLOCK):
        x, y, z, v, w = _step(text, at, (x, y, z, v, w), _K1, 1)
    by = _K1 + ((z & 0xFF) << 1)
    w = (w[0] + (count - 1) % _BLOCK, w[1])
    v = (v[0] + w[0] & _ALL, v[1])
    w = (w[0] + v[0] & _ALL, w[1])
    x, y, z, v, w = _step(text, count - _BLOCK, (x, y, z, v, w), by, 9)
    return _mixed(
        _mixed(v[0], w[0], by) + _shifted(y) * _K0 + z & _ALL, _mixed(v[1], w[1], by) + x & _ALL, by
    )


_State = tuple[int, int, int, tuple[int, int], tuple[int, int]]


def _step(text: bytes, at: int, state: _State, by: int, times: int) -> _State:
    """Take in 64 bytes."""
    x, y, z, v, w = state
    x = _turned(x + y + v[0] + _number(text, at + 8), 37) * by & _ALL
    y = _turned(y + v[1] + _number(text, at + 48), 42) * by & _ALL
    x ^= w[1] * times & _ALL
    y = y + v[0] * times + _number(text, at + 40) & _ALL
    z = _turned(z + w[0], 33) * by & _ALL
    v = _weak(text, at, v[1] * by, x + w[0])
    w = _weak(text, at + 32, z + w[1], y + _number(text, at + 16))
    return z, y, x, v, w
