"""Two Bluetooth controllers in memory (bluez's btvirt over hci_vhci), and an adapter on one of them:
what connects to its RFCOMM channel speaks to a TCP port, where freshet-sim is."""

import re
import select
import shutil
import socket
import threading

from freshet.process import Program, run, wait_until

READ_MAX = 4096


def addresses():
    """{controller: its address}; an address of zeros is not known yet."""
    return dict(re.findall(r"^(hci\d+):.*\n\s*BD Address: (\S+)", run(["hciconfig"]), re.M))


class Controllers(Program):
    """hci0 and hci1, on and connectable; what one calls, the other answers."""

    def __init__(self, folder):
        super().__init__("btvirt", [shutil.which("btvirt"), "-l2"], folder)
        self.address = {}

    def start(self):
        super().start()
        wait_until(lambda: len(addresses()) == 2, 15, "there are two controllers", [self])
        for name in ("hci0", "hci1"):
            self.on(name)
        self.address = addresses()

    def on(self, name):
        run(["hciconfig", name, "up"])
        # Adapters of that kind have no screen and no buttons: no pairing but the old one.
        run(["hciconfig", name, "sspmode", "0"])
        run(["hciconfig", name, "piscan"])

    def off(self, name):
        run(["hciconfig", name, "down"])

    def leave(self, name):
        """Out of reach: its links break, and nobody finds it. (One that is turned off says nothing,
        and the other side of these controllers waits for it for ever.)"""
        run(["hciconfig", name, "noscan"])
        for address in self.address.values():
            run(["hcitool", "-i", name, "dc", address], check=False)

    def come_back(self, name):
        run(["hciconfig", name, "piscan"])


class Adapter:
    """The serial port of a Bluetooth adapter: one connection at a time, as theirs."""

    def __init__(self, address, channel, port):
        self.port = port
        self.connections = 0
        self._lock = threading.Lock()
        self._pair = ()
        self._listener = socket.socket(socket.AF_BLUETOOTH, socket.SOCK_STREAM,
                                       socket.BTPROTO_RFCOMM)
        self._listener.bind((address, channel))
        self._listener.listen(1)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                client = self._listener.accept()[0]
            except OSError:
                return
            chip = socket.create_connection(("127.0.0.1", self.port))
            with self._lock:
                self._pair = (client, chip)
                self.connections += 1
            self._pump(client, chip)
            self.drop()

    @staticmethod
    def _pump(client, chip):
        other = {client: chip, chip: client}
        try:
            while True:
                for ready in select.select(list(other), [], [])[0]:
                    data = ready.recv(READ_MAX)
                    if not data:
                        return
                    other[ready].sendall(data)
        except (OSError, ValueError):  # either end is gone, or drop() was here
            return

    def drop(self):
        """Ends the connection from this side."""
        with self._lock:
            pair, self._pair = self._pair, ()
        for end in pair:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            end.close()
