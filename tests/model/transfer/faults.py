"""What goes wrong, by scenario: odds a second, and settings."""

NET = dict(loss=0.1, dup=0.1, delay=0.2, linkdown=0.02)
ROUGH = dict(NET, linkdown=0.03)
CORE = dict(corekill=0.01, crash=0.005)

SCENARIOS = {
    "network": dict(NET, **CORE),
    "drops": dict(ROUGH, cap=20),
    "kill9": dict(NET, **CORE, kill9=0.02),
    "reboot": dict(loss=0.05, linkdown=0.02, reboot=0.015),
    "cut": dict(ROUGH, cut=0.015),
    "cut-drops": dict(ROUGH, cut=0.015, cap=20),
    "lying-card": dict(ROUGH, cut=0.015, lie=0.5),
    "restored-card": dict(loss=0.1, delay=0.1, linkdown=0.03, cut=0.015, image=0.02, restore=0.5),
    "cloned-card": dict(loss=0.1, delay=0.1, linkdown=0.03, clone=0.02, cap=30, cut=0.01),
    "restored-vm": dict(ROUGH, vmsave=0.03, vmload=0.02, cut=0.005, cap=30),
    "cloned-vm": dict(ROUGH, vmclone=0.02),
    "clock": dict(NET, cut=0.01, unsync=0.7),
    "clock-never": dict(NET, cut=0.01, unsync=0.7, neversync=1),
    "clock-lies": dict(NET, kill9=0.02, clocklie=0.7),
    "two-cores": dict(NET, **CORE, cores=2, pause=0.02),
    "restored-core": dict(NET, **CORE, dbrestore=0.008, reboot=0.02, cut=0.01),
    "restored-live": dict(NET, cores=2, pause=0.01, dbrestore=0.01, liverestore=1, cap=30,
                          reboot=0.005),
    "everything": dict(ROUGH, **CORE, cut=0.005, reboot=0.005, kill9=0.01, cap=25, unsync=0.5,
                       cores=2, pause=0.01),
}
