"""What evidence and decisions say, in every language. Pure; technical texts stay Linux's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import reduce

TEXTS: dict[str, dict[str, str]] = {
    # Who decided.
    "is at": {"en": "{address} is at {mac}", "zh": "{address} 的 MAC 是 {mac}"},
    "is at, of": {
        "en": "{address} is at {mac} ({owner})",
        "zh": "{address} 的 MAC 是 {mac}（{owner}）",
    },
    "would ask": {
        "en": "asks who has {address}: {mac} ({owner})",
        "zh": "询问谁拥有 {address}：{mac}（{owner}）",
    },
    "behind port": {
        "en": "{owner} is behind the port {port}",
        "zh": "{owner} 在端口 {port} 后面",
    },
    "flooded": {
        "en": "nobody knows the port of {owner}: to every port",
        "zh": "没有 {owner} 的端口记录：泛洪到所有端口",
    },
    "goes on as": {"en": "{before} goes on as {after}", "zh": "{before} 转换为 {after}"},
    # A machine that sends.
    "no carrier": {
        "en": "no interface of it is up with a cable that is up",
        "zh": "它没有已启用且网线连通的网卡",
    },
    "no address": {
        "en": "no interface of it has an IPv{version} address",
        "zh": "它的网卡都没有 IPv{version} 地址",
    },
    "the kernel": {"en": "the kernel: {error}", "zh": "内核：{error}"},
    "not sent": {"en": "could not be sent: {error}", "zh": "无法发送：{error}"},
    "not seen leaving": {
        "en": "was not seen leaving its source",
        "zh": "没有看到它离开源机器",
    },
    "no source": {
        "en": "its kernel names no source address",
        "zh": "它的内核没有给出源地址",
    },
    "down": {
        "en": "{interface} is down or has no carrier",
        "zh": "{interface} 已停用或没有插网线",
    },
    # Questions for MAC addresses, and frames.
    "unanswered": {
        "en": "it asked who has {address}, and nobody answered",
        "zh": "它询问谁拥有 {address}，无人应答",
    },
    "in vain": {
        "en": "it would ask who has {address}, and nobody would answer",
        "zh": "它会询问谁拥有 {address}，不会有人应答",
    },
    "elsewhere": {
        "en": "{asked}; {owner} has it, on another network",
        "zh": "{asked}；拥有它的是 {owner}，在另一个网络上",
    },
    "overheard": {
        "en": "frames for {mac} reached {count} others",
        "zh": "发往 {mac} 的帧到了另外 {count} 台机器",
    },
    "given to one": {
        "en": "{node} gave it to {peer} alone, and nobody there has {mac}",
        "zh": "{node} 只把它交给了 {peer}，而那里没有机器拥有 {mac}",
    },
    "is there": {
        "en": "{owner} has {mac}, on the same network",
        "zh": "{mac} 属于同一网络上的 {owner}",
    },
    "nobody there": {
        "en": "{switch} gives it to every port, and nobody there has {mac}",
        "zh": "{switch} 把它泛洪到所有端口，但没有机器拥有 {mac}",
    },
    "isolated": {
        "en": "the ports {one} and {other} of {switch} are isolated",
        "zh": "{switch} 的端口 {one} 和 {other} 相互隔离",
    },
    "same mac": {
        "en": "{mac} is the MAC address of {node} and of {others}",
        "zh": "{mac} 同时是 {node} 和 {others} 的 MAC 地址",
    },
    "and": {"en": "{one} and {other}", "zh": "{one} 和 {other}"},
    "same ip": {
        "en": "{twins} both have {address}; {at} got it",
        "zh": "{twins} 都有地址 {address}；收到包的是 {at}",
    },
    "same ip too": {
        "en": "{twins} both have {address}; {at} would get it",
        "zh": "{twins} 都有地址 {address}；包会到 {at}",
    },
    # Routes.
    "route of kind": {
        "en": "the route says {kind}: {route}",
        "zh": "路由的类型是 {kind}：{route}",
    },
    "no route": {
        "en": "the kernel, for {target}: {error}",
        "zh": "内核对 {target} 的回答：{error}",
    },
    "no route to": {"en": "it has no route to {address}", "zh": "它没有到 {address} 的路由"},
    "not its own": {
        "en": "{target} is not its own, and {setting} is 0",
        "zh": "{target} 不是它自己的地址，而 {setting} 为 0",
    },
    "rp_filter": {
        "en": "a reply to {source} would not leave by {interface} (rp_filter)",
        "zh": "发往 {source} 的应答不会从 {interface} 出去（rp_filter）",
    },
    "ttl": {"en": "its time to live runs out here", "zh": "它的生存时间在这里用完"},
    # Rules and counts.
    "of mac": {"en": "{mac}: {rule}", "zh": "{mac}：{rule}"},
    "of ARP": {"en": "ARP: {rule}", "zh": "ARP 查询：{rule}"},
    "of neighbours": {
        "en": "neighbour discovery: {rule}",
        "zh": "邻居发现：{rule}",
    },
    "of protocol": {"en": "IP protocol {protocol}: {rule}", "zh": "IP 协议 {protocol}：{rule}"},
    "grew": {"en": "{count} of {node} grew by {number}", "zh": "{node} 的 {count} 增加了 {number}"},
    "tells of fewer": {
        "en": "{count} tells of fewer packets",
        "zh": "{count} 的增量少于丢失的包数",
    },
    # Errors and replies.
    "resets": {"en": "{who} resets the connection", "zh": "{who} 重置了连接"},
    "reports": {
        "en": "{who} reports {protocol} type {kind}, code {code}",
        "zh": "{who} 报告 {protocol} 类型 {kind}、代码 {code}",
    },
    "and rule": {"en": "{report}; {rule}", "zh": "{report}；{rule}"},
    "answers": {"en": "{server} answers: {word}", "zh": "{server} 的应答：{word}"},
    "would end": {
        "en": "the reply would end on {node}: {why}",
        "zh": "应答会终止于 {node}：{why}",
    },
    "last seen": {
        "en": "the reply was last seen on {node}: {why}",
        "zh": "应答最后出现在 {node}：{why}",
    },
    "turned": {
        "en": "{node} answers by another adapter than it is asked by: its route is {route},"
        " and the question comes in at {interface}",
        "zh": "{node} 应答用的网卡不是收到问题的网卡：它的路由是 {route}，而问题从 {interface} 进来",
    },
    "and so": {"en": "{why}; {what}", "zh": "{why}；{what}"},
    "in short": {"en": "{cause}, {evidence}", "zh": "{cause}，{evidence}"},
    "could not leave": {
        "en": "the reply could not leave {node}: {why}",
        "zh": "应答无法离开 {node}：{why}",
    },
    "translated": {
        "en": "{node} had translated the request, and has no entry for it now",
        "zh": "{node} 转换过这个请求，但现在已没有它的表项",
    },
    "not taken": {
        "en": "a reply came in, and no program got it",
        "zh": "有应答进来，但没有程序收到它",
    },
    "not sighted": {
        "en": "a program got a reply, and no tap saw it arrive",
        "zh": "程序得到了应答，但没有看到它到达",
    },
    "silent": {
        "en": "{node} listens on udp/53, and nothing came back",
        "zh": "{node} 在监听 udp/53，但没有任何应答",
    },
    "sent something": {
        "en": "{node} has sent datagrams meanwhile, and no reply was seen leaving it",
        "zh": "{node} 在此期间发送过数据报，但没有看到应答离开它",
    },
    "no server": {
        "en": "nobody whom it reached listens on udp/67",
        "zh": "它到达的机器都没有监听 udp/67",
    },
    "offered nothing": {
        "en": "{server} got it and offered nothing",
        "zh": "{server} 收到了它，但没有提供地址",
    },
    "waits": {
        "en": "{program} waits on {protocol} {address}",
        "zh": "{program} 在监听 {protocol} {address}",
    },
    "nobody waits": {
        "en": "no program waits on {protocol} {address}",
        "zh": "没有程序在监听 {protocol} {address}",
    },
    "answered as": {
        "en": "{node} asked {address}, and the reply comes from {other}",
        "zh": "{node} 问的是 {address}，应答却来自 {other}",
    },
    "takes for its own": {
        "en": "{node} would take the answer for its own",
        "zh": "{node} 会把应答当作自己的",
    },
    "translated back to": {
        "en": "a reply to {before} is one to {after}",
        "zh": "发往 {before} 的应答转给 {after}",
    },
    "translated back from": {
        "en": "a reply of {before} is one of {after}",
        "zh": "来自 {before} 的应答改为来自 {after}",
    },
    "by another": {"en": "it was answered, but by {who}", "zh": "有应答，但应答来自 {who}"},
    "by another too": {
        "en": "it would be answered, but by {who}",
        "zh": "会有应答，但应答来自 {who}",
    },
    # What is wrong with a packet.
    "header": {"en": "{protocol} header", "zh": "{protocol} 首部"},
    "extension": {"en": "{protocol} extension header", "zh": "{protocol} 扩展首部"},
    "message": {"en": "{protocol} message", "zh": "{protocol} 报文"},
    "packet": {"en": "{protocol} packet", "zh": "{protocol} 包"},
    "datagram": {"en": "{protocol} datagram", "zh": "{protocol} 数据报"},
    "question": {"en": "{protocol} question", "zh": "{protocol} 问题"},
    "response of": {"en": "{protocol} response", "zh": "{protocol} 应答"},
    "cut": {
        "en": "{what} cut after {have} of {size} bytes",
        "zh": "{what}残缺：{size} 字节中只有 {have} 字节",
    },
    "cut off": {"en": "{what} cut off", "zh": "{what}残缺"},
    "too short": {
        "en": "{what} says that it has {size} bytes",
        "zh": "{what}声称自己只有 {size} 字节",
    },
    "version": {
        "en": "IPv{version} header says that it is version {found}",
        "zh": "IPv{version} 首部声称版本为 {found}",
    },
    "strange ARP": {
        "en": "ARP message with addresses of {mac} and {ip} bytes",
        "zh": "ARP 报文的地址长度为 {mac} 和 {ip} 字节",
    },
    "many extensions": {
        "en": "more than {most} IPv6 extension headers",
        "zh": "IPv6 扩展首部超过 {most} 个",
    },
    # What nobody can tell.
    "lost": {
        "en": "{count} frames found no room in a buffer",
        "zh": "有 {count} 个帧因缓冲区已满而没有记录",
    },
    "never quiet": {
        "en": "after {seconds} s, its packets were still seen: somebody sends them again",
        "zh": "{seconds} 秒后仍能看到它的包：有人在重复发送",
    },
    "never read": {
        "en": "after {seconds} s, what others send was not read to its end",
        "zh": "{seconds} 秒后，别人发送的内容仍未读完",
    },
    "nothing tells": {
        "en": "no rule, no error and no count tells why",
        "zh": "没有规则、差错报文或计数器说明原因",
    },
    "not certain": {"en": "not certain: {why}", "zh": "无法确定：{why}"},
    "rules of routing": {
        "en": "its ip rules look at more than addresses",
        "zh": "它的 ip rule 不只看地址",
    },
    "rule": {"en": "rule {rule}", "zh": "规则 {rule}"},
    "chain": {"en": "chain {chain}", "zh": "链 {chain}"},
    "bridges": {"en": "{node} bridges its adapters", "zh": "{node} 桥接了自己的网卡"},
    "kind": {"en": "a route of the kind {kind}", "zh": "类型为 {kind} 的路由"},
    "no address for": {
        "en": "{interface} has no address for {rule}",
        "zh": "{interface} 没有地址可用于 {rule}",
    },
    "all answer": {
        "en": "{who} would all answer for {address}",
        "zh": "{who} 都会为 {address} 应答",
    },
    "ignores echo": {
        "en": "it is told to ignore echo requests ({setting})",
        "zh": "它被设置为忽略回显请求（{setting}）",
    },
}


class Said(str):
    """A text in English, which can also be told in another language."""

    key: str
    facts: Mapping[str, object]


def said(key: str, **facts: object) -> Said:
    """One of TEXTS with its facts; what was said before may be one of them."""
    text = Said(TEXTS[key]["en"].format(**facts))
    text.key, text.facts = key, facts
    return text


def both(names: Iterable[str]) -> str:
    """`vm1 and vm2`, in the order of the alphabet."""
    return reduce(lambda one, other: said("and", one=one, other=other), sorted(names))


def told(text: object, language: str) -> str:
    """In a language; what is none of TEXTS (a rule, a route) stays as it is."""
    if not isinstance(text, Said):
        return str(text)
    facts = {name: told(fact, language) for name, fact in text.facts.items()}
    return TEXTS[text.key][language].format(**facts)
