"""Where a packet would go, and why: from tables and rules, without sending anything.

What Linux decides by itself is asked of it (routes); what cannot be asked
(rules, ARP and neighbour discovery, switches) is worked out here. What cannot be worked out makes
the answer `unknown`, never a guess.
"""
