"""The words in which a packet's journey is told, in every language; technical texts stay Linux's."""

from __future__ import annotations

from collections.abc import Mapping

LANGUAGES = ("en", "zh")

Words = Mapping[str, str]

WORDS: dict[str, dict[str, str]] = {
    "en": {
        "icmp": "ICMP echo",
        # What a packet is to the probe.
        "request": "REQUEST",
        "answer": "ANSWER",
        "error": "ERROR",
        "asked": "ARP",
        "then": "then {packet}",
        "same way": "the same way",
        "step": "step {number}",
        "size": "{bytes} bytes",
        # The head and the columns.
        "cold": "ARP caches cold",
        "warm": "ARP caches warm",
        "ttl": "TTL",
        "time": "time",
        "unchanged": "unchanged",
        "arrived": "arrived",
        "ports": "{count} ports",
        # ARP.
        "asks": "{asker} asks who has {address}",
        "nobody": "nobody answers",
        "who has": "who has {address}?",
        "has": "{address} is at {mac}",
        # Who decided.
        "by route": "route",
        "by arp": "arp",
        "by fdb": "fdb",
        "by nat": "nat",
        "by rule": "rule",
        # The end.
        "nothing": "nothing was sent",
        "question": "nothing was sent but the ARP question",
        "answered": "answered",
        "dead": "died at {at}",
        "refused": "refused at {at}",
        "verdict unknown": "not known",
        "translation": "1 translation",
        "translations": "{times} translations",
        "tracing": "{time} under tracing",
        "where": "where",
        "why": "why",
        "evidence": "evidence",
        "look": "look at",
        "audit": "audit",
        "no audit": "the kernel's tracepoints tell of no drop",
        "no interface": "was on no interface; perhaps another's packet",
        "audit incomplete": "the kernel's buffer was overrun: drops may be missing",
        "never": "it never left {node}",
        "inside": "step {number}: it came in at {interface} from {peer} {time} after the start, "
        "and did not leave",
        "left": "step {number}: it left {node} towards {peers} {time} after the start, "
        "and was not taken in",
        "began": "step {number}: it began at {node}, and did not leave",
        "more": "the answer's steps: --reply · every field: --fields · 中文: --lang zh",
        # Fields.
        "in": "in",
        "out": "out",
        "changed by": "who changed it",
        "sent here": "sent here",
        "ends here": "ends here",
        "next hop": "next hop of the route",
        "own card": "the card it leaves by",
        "forwarding": "forwarding",
        "forwarding twice": "forwarding, twice",
        "NAT": "NAT",
        # Comparison.
        "differ": "≠ marks where the journeys differ",
        "same": "the journeys do not differ",
        # Mermaid.
        "died": "died here",
        # Prediction.
        "choose": "Type a number and Enter; q stops asking.",
        "again": "a number from 1 to {most}, please",
        "right": "✔ right",
        "wrong": "✘ right is: {right}",
        "score": "{right} of {asked} right",
        "first hop": "{source} sends to {target}. Which machine does the first frame go to?",
        "then hop": "{node} has the packet now. Which machine gets it next?",
        "outcome": "Does {source} get an answer?",
        "seen": "With which source address does it arrive at {target}?",
        "outcome yes": "yes",
        "outcome no": "no: {node} is the last to have it",
        "outcome refused": "no: {node} refuses it",
        "because source": "nobody on the way rewrote the source",
        "because yes": "seen coming in at {source}",
    },
    "zh": {
        "icmp": "ICMP 回显",
        "request": "请求",
        "answer": "应答",
        "error": "差错报文",
        "asked": "ARP",
        "then": "随后 {packet}",
        "same way": "路径相同",
        "step": "第 {number} 步",
        "size": "{bytes} 字节",
        "cold": "ARP 缓存为空",
        "warm": "ARP 缓存已有条目",
        "ttl": "TTL",
        "time": "时间",
        "unchanged": "未改变",
        "arrived": "已到达",
        "ports": "{count} 个端口",
        "asks": "{asker} 询问谁拥有 {address}",
        "nobody": "无人应答",
        "who has": "谁拥有 {address}？",
        "has": "{address} 的 MAC 是 {mac}",
        "by route": "路由",
        "by arp": "ARP",
        "by fdb": "MAC表",
        "by nat": "NAT",
        "by rule": "规则",
        "nothing": "没有发出任何包",
        "question": "除了 ARP 请求，没有发出任何包",
        "answered": "已应答",
        "dead": "死在 {at}",
        "refused": "被 {at} 拒绝",
        "verdict unknown": "无法判断",
        "translation": "1 次地址转换",
        "translations": "{times} 次地址转换",
        "tracing": "跟踪状态下用时 {time}",
        "where": "位置",
        "why": "原因",
        "evidence": "证据",
        "look": "请看",
        "audit": "审计",
        "no audit": "内核跟踪点没有报告丢包",
        "no interface": "未经过任何接口，可能是别的包",
        "audit incomplete": "内核的缓冲区溢出：可能缺少丢包记录",
        "never": "没有离开 {node}",
        "inside": "第 {number} 步：开始后 {time} 从 {peer} 进入 {interface}，没有再出去",
        "left": "第 {number} 步：开始后 {time} 从 {node} 发往 {peers}，没有被接收",
        "began": "第 {number} 步：在 {node} 产生，没有发出",
        "more": "应答的每一步：--reply · 全部字段：--fields · English: --lang en",
        "in": "进",
        "out": "出",
        "changed by": "由谁改写",
        "sent here": "在此发出",
        "ends here": "到此为止",
        "next hop": "路由的下一跳",
        "own card": "发出它的网卡",
        "forwarding": "转发",
        "forwarding twice": "转发（两次）",
        "NAT": "NAT",
        "differ": "≠ 表示两条路径在此不同",
        "same": "两条路径相同",
        "died": "死在这里",
        "choose": "输入编号并回车；输入 q 结束提问。",
        "again": "请输入 1 到 {most} 的编号",
        "right": "✔ 正确",
        "wrong": "✘ 不对，应为：{right}",
        "score": "{asked} 题答对 {right} 题",
        "first hop": "{source} 要发往 {target}。第一个帧交给哪台机器？",
        "then hop": "包现在在 {node}。下一台收到它的机器是哪一台？",
        "outcome": "{source} 会收到应答吗？",
        "seen": "包到达 {target} 时，源地址是哪个？",
        "outcome yes": "会",
        "outcome no": "不会：最后到达的是 {node}",
        "outcome refused": "不会：被 {node} 拒绝",
        "because source": "途中没有人改写源地址",
        "because yes": "在 {source} 看到应答进入",
    },
}

FIELDS: dict[str, dict[str, str]] = {
    "eth.dst": {"en": "destination MAC", "zh": "目的 MAC"},
    "eth.src": {"en": "source MAC", "zh": "源 MAC"},
    "arp.op": {"en": "operation", "zh": "操作"},
    "arp.sender": {"en": "sender's IP", "zh": "发送方 IP"},
    "arp.sender_mac": {"en": "sender's MAC", "zh": "发送方 MAC"},
    "arp.target": {"en": "target's IP", "zh": "目标 IP"},
    "ip.src": {"en": "source", "zh": "源地址"},
    "ip.dst": {"en": "destination", "zh": "目的地址"},
    "ip.ttl": {"en": "TTL", "zh": "TTL"},
    "ip.id": {"en": "identification", "zh": "标识"},
    "ip.df": {"en": "don't fragment", "zh": "禁止分片"},
    "ip.length": {"en": "length", "zh": "长度"},
    "ip.protocol": {"en": "protocol", "zh": "协议"},
    "icmp.type": {"en": "ICMP type", "zh": "ICMP 类型"},
    "icmp.code": {"en": "ICMP code", "zh": "ICMP 代码"},
    "icmp.id": {"en": "ICMP id", "zh": "ICMP 标识"},
    "icmp.seq": {"en": "ICMP sequence", "zh": "ICMP 序号"},
    "icmp.mtu": {"en": "ICMP MTU", "zh": "ICMP MTU"},
    "tcp.src": {"en": "source port", "zh": "源端口"},
    "tcp.dst": {"en": "destination port", "zh": "目的端口"},
    "tcp.seq": {"en": "sequence number", "zh": "序列号"},
    "tcp.ack": {"en": "acknowledgment", "zh": "确认号"},
    "tcp.flags": {"en": "flags", "zh": "标志"},
    "tcp.length": {"en": "bytes of data", "zh": "数据字节数"},
    "udp.src": {"en": "source port", "zh": "源端口"},
    "udp.dst": {"en": "destination port", "zh": "目的端口"},
    "udp.length": {"en": "bytes of data", "zh": "数据字节数"},
    "dns.id": {"en": "DNS id", "zh": "DNS 标识"},
    "dns.name": {"en": "DNS name", "zh": "DNS 域名"},
    "dns.type": {"en": "DNS record type", "zh": "DNS 记录类型"},
    "dns.code": {"en": "DNS result code", "zh": "DNS 结果码"},
    "dns.answer": {"en": "DNS answer", "zh": "DNS 应答"},
    "dhcp.type": {"en": "DHCP message", "zh": "DHCP 报文"},
    "dhcp.xid": {"en": "DHCP transaction", "zh": "DHCP 事务"},
    "dhcp.client": {"en": "DHCP client's MAC", "zh": "DHCP 客户机 MAC"},
    "dhcp.address": {"en": "DHCP address", "zh": "DHCP 地址"},
}
"""Header fields, in the order in which they stand in a frame."""

_QUOTED = {"en": "quoted {field}", "zh": "被引用包的{field}"}

_PACKETS_IN_CHINESE = {
    "echo request": "回显请求",
    "echo reply": "回显应答",
    "time exceeded": "超时",
    "administratively prohibited": "被管理策略禁止",
    "network unreachable": "网络不可达",
    "host unreachable": "主机不可达",
    "protocol unreachable": "协议不可达",
    "address unreachable": "地址不可达",
    "port unreachable": "端口不可达",
    "no route": "没有路由",
    "too big": "包太大",
    "IP protocol": "IP 协议",
    "datagram": "数据报",
    "data, ": "数据 ",
    "bytes": "字节",
    "request": "请求",
    "answer": "应答",
    "query": "查询",
    "packet": "包",
    "error": "差错",
}
"""Parts of packets' names; a longer one before those that it contains."""


def packet_name(name: str, language: str) -> str:
    """What a packet is: `TCP data, 17 bytes`."""
    if language == "zh":
        for english, chinese in _PACKETS_IN_CHINESE.items():
            name = name.replace(english, chinese)
    return name


def field_name(field: str, language: str) -> str:
    """`source port` for `tcp.src`; a field without words is called as it is."""
    if field.startswith("quoted."):
        inner = field_name(field.removeprefix("quoted."), language)
        return _QUOTED[language].format(field=inner)
    return FIELDS[field][language] if field in FIELDS else field
