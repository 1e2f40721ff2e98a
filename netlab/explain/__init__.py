"""The way that a packet would go, and why: from tables and rules, without sending anything.

Linux is asked for the decisions that it tells (routes); the others (rules, ARP and neighbour discovery,
switches) are worked out here. One that cannot be worked out makes the answer `unknown`, never a guess.
"""
