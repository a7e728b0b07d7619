"""The guest is what the tests take it for: CAN, ISO-TP and J1939 by a kernel of its own. Runs in the
guest (run_guest.sh)."""

import socket
import struct

VIN = bytes.fromhex("490201") + b"1D4GP00R55B123456"


def can_socket(link):
    can = socket.socket(socket.AF_CAN, socket.SOCK_RAW, socket.CAN_RAW)
    can.bind((link,))
    can.settimeout(5)
    return can


def frame(ident, data):
    return struct.pack("=IB3x8s", ident, len(data), data)


def test_frames_pass_on_a_virtual_bus():
    with can_socket("vcan0") as here, can_socket("vcan0") as there:
        here.send(frame(0x7DF, b"\x02\x01\x05"))
        assert there.recv(16) == frame(0x7DF, b"\x02\x01\x05")


def test_frames_pass_between_two_controllers():
    with can_socket("can0") as here, can_socket("can1") as there:
        here.send(frame(0x18DB33F1 | socket.CAN_EFF_FLAG, b"\x02\x01\x0c"))
        assert there.recv(16) == frame(0x18DB33F1 | socket.CAN_EFF_FLAG, b"\x02\x01\x0c")


def test_the_kernel_speaks_iso_tp():
    def isotp(rx, tx):
        channel = socket.socket(socket.AF_CAN, socket.SOCK_DGRAM, socket.CAN_ISOTP)
        channel.bind(("vcan0", rx, tx))
        channel.settimeout(5)
        return channel
    with can_socket("vcan0") as wire, isotp(0x7E8, 0x7E0) as tester, isotp(0x7E0, 0x7E8) as unit:
        unit.send(VIN)
        assert tester.recv(100) == VIN
        first, control = wire.recv(16), wire.recv(16)
        assert first[:10] == frame(0x7E8, bytes([0x10, len(VIN)]) + bytes(6))[:10]
        assert struct.unpack("=I", control[:4])[0] == 0x7E0 and control[8] == 0x30


def test_the_kernel_speaks_j1939():
    def j1939(source):
        channel = socket.socket(socket.AF_CAN, socket.SOCK_DGRAM, socket.CAN_J1939)
        channel.bind(("vcan0", socket.J1939_NO_NAME, socket.J1939_NO_PGN, source))
        channel.settimeout(5)
        return channel
    text = bytes(range(20))
    with can_socket("vcan0") as wire, j1939(0x80) as sender, j1939(0x90) as taker:
        sender.sendto(text, ("vcan0", socket.J1939_NO_NAME, 0x12300, 0x90))
        assert taker.recv(100) == text
        request = struct.unpack("=IB3x8s", wire.recv(16))
        assert request[0] & 0x00FFFFFF == 0xEC9080 and request[2][0] == 16  # TP.CM, RTS
