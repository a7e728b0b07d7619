"""A small executable model of the transfer protocol between gateways and the core.

One tick is one second. `world` is the truth and the network, `gateway` the agent with its two
floors, `core` the database and the processes on it, `faults` what goes wrong, `check` the judge.
The protocol's rules have names (`rules`); a run without a rule shows what the rule is for.
"""
