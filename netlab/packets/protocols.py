"""Numbers of protocols that several rooms need, as IANA assigns them.

https://www.iana.org/assignments/protocol-numbers, …/icmp-parameters, …/icmpv6-parameters; the names of
neighbour discovery (RFC 4861) are those of <netinet/icmp6.h>.
"""

ICMP = 1
TCP = 6
UDP = 17
ICMPV6 = 58

ICMP_ECHO_REPLY = 0
ICMP_ECHO_REQUEST = 8

ICMPV6_ECHO_REQUEST = 128
ICMPV6_ECHO_REPLY = 129
ND_NEIGHBOR_SOLICIT = 135
ND_NEIGHBOR_ADVERT = 136
