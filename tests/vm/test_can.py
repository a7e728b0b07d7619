"""CAN frames, the kernel's ISO-TP and ours, on virtual interfaces and emulated controllers. The cases
are C (suite_can.c). Runs in the guest (run_guest.sh)."""

import os
import subprocess
from pathlib import Path


def test_can_and_both_kinds_of_iso_tp():
    suite = Path(os.environ["FRESHET_BUILD"]) / "suites" / "suite_vm_can"
    done = subprocess.run([suite], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=120, check=False)
    print(done.stdout)
    assert done.returncode == 0, done.stdout
