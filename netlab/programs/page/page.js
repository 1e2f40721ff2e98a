"use strict";
// One script, in this order: words · facts of a journey (pure) · the picture · the regions of the page ·
// what can be done · live traffic. Text from data gets into the page as text only, never as HTML.

// ── words ───────────────────────────────────────────────────────────────────────────────────────────

/** Marks a text in English: `page.py` looks for these, and the page has them in every language. */
const _ = (text) => text;

const WORDS = {
  skip: _("To the step"), theme: _("Light or dark"), help: _("Keys"),
  journey: _("Journey"), compare: _("Compare with"), nothing: "–", predict: _("Predict first"), hideArp: _("Hide ARP"), actualSize: _("Actual size"),
  export: _("Export"), exportSvg: _("SVG of this step"), from: _("From"), to: _("To"), by: _("By"), send: _("Send"),
  transport: _("Steps"), first: _("First step (Home)"), previous: _("Previous step (←)"), next: _("Next step (→)"),
  last: _("Last step (End)"), play: _("Play, one second a step (space)"), pause: _("Pause (space)"), steps: _("All steps"),
  tables: _("Tables as they were at this step"), keys: _("Keys"), close: _("Close"),
  live: _("Live traffic"), liveHint: _("A click on a dot or a line freezes that packet's journey."),
  connected: _("live ●"), lost: _("no connection ○"), ended: _("ended ○"), sending: _("sending …"),
  forgotten: _("This journey is not kept any more."), unseen: _("{n} frames came too fast and were not seen."),
  noJourney: _("No journey yet: click a packet of the live traffic."), nothingSent: _("Nothing was sent."),
  stepOf: _("Step {n} of {all}"), inside: _("coming in"), outside: _("going out"), field: _("Field"), who: _("Changed by"),
  decided: _("Decided by"), unchanged: "=", clock: _("{us} µs"), total: _("at {us} µs"),
  starts: _("sent from here"), arrives: _("arrived"), hears: _("hears it, as everybody does"), flooded: _("flooded to {to}"), ports: _("{n} ports"),
  passes: _("passed on to {to}"), becomes: _("{what} {a} → {b}"),
  answered: _("answered"), heard: _("heard, and not answered"), dropped: _("dropped at {at}"), refused: _("refused at {at}"), unknown: _("not known"),
  entering: _("entering {name}"), evidence: _("Evidence"), lookAt: _("Look at"), found: _("Found"),
  request: _("request"), reply: _("reply"), error: _("error"), arp: _("ARP"), ndp: _("neighbour discovery"),
  route: _("route"), fdb: _("FDB"), nat: _("NAT entry"), rule: _("rule"), forwarding: _("forwarding"), nextHop: _("next hop"),
  translation: _("NAT"), added: _("added at this step"), changed: _("changed at this step"), removed: _("removed at this step"),
  tableArp: _("ARP caches"), tableFdb: _("FDB of the switches"), tableNat: _("NAT tables"), tableLeases: _("DHCP leases"),
  empty: _("empty"), node: _("Node"), address: _("Address"), mac: _("MAC"), interface: _("Interface"), state: _("State"), port: _("Port"),
  protocol: _("Protocol"), source: _("Source"), destination: _("Destination"), seen_as: _("Seen outside as"), name: _("Name"),
  expires: _("Expires"), id: _("Id"), "answers as": _("Answers as"),
  askNextHop: _("Whose MAC address does {node} put into the frame as its destination?"),
  askNext: _("Where does the packet go from {node}?"),
  askSource: _("Which source address does the packet have when it leaves {node}?"),
  askDestination: _("Which destination address does it have when it leaves {node}?"),
  askFate: _("What happens to the packet at {node}?"),
  delivered: _("it has arrived"), passedOn: _("it is passed on"), stopped: _("it is dropped or refused"), allPorts: _("to several ports"), everybody: _("everybody's (broadcast)"),
  skipQuestion: _("Show me"), right: _("Right"), wrong: _("Not so: {answer}"), score: _("{n} of {all} right"),
  differs: _("differs"), same: _("same"), missing: _("no such step"), both: _("Two journeys, side by side"),
};

const FIELDS = {
  "eth.src": _("source MAC"), "eth.dst": _("destination MAC"), "arp.op": _("operation"), "arp.sender": _("sender IP"),
  "arp.sender_mac": _("sender MAC"), "arp.target": _("target IP"), "ip.src": _("source IP"), "ip.dst": _("destination IP"),
  "ip.ttl": _("TTL"), "ip.id": _("id"), "ip.length": _("length"), "ip.protocol": _("protocol"), "ip.df": _("don't fragment"), "icmp.type": _("type"),
  "icmp.code": _("code"), "icmp.id": _("id"), "icmp.seq": _("sequence"), "icmp.mtu": _("MTU"), "tcp.src": _("source port"), "tcp.dst": _("destination port"),
  "tcp.seq": _("sequence"), "tcp.ack": _("acknowledged"), "tcp.flags": _("flags"), "tcp.length": _("length"),
  "udp.src": _("source port"), "udp.dst": _("destination port"), "udp.length": _("length"), "dns.id": _("id"),
  "dns.name": _("name"), "dns.type": _("kind"), "dns.code": _("result"), "dns.answer": _("answer"), "dhcp.type": _("message"), "dhcp.xid": _("transaction"),
  "dhcp.client": _("client MAC"), "dhcp.address": _("offered address"),
};

const KEY_LIST = {
  "← →": _("previous, next step"),
  [_("space")]: _("play, pause"),
  "Home End": _("first, last step"),
  "1 – 9": _("that step"),
  "p": _("predict first"),
  "l": _("language"),
  "?": _("this list"),
};

const LAYERS = {eth: "Ethernet", arp: "ARP", ip: "IP", icmp: "ICMP", tcp: "TCP", udp: "UDP", dns: "DNS", dhcp: "DHCP"};

const COLUMNS = {
  arp: ["address", "mac", "interface", "state"],
  fdb: ["mac", "port"],
  nat: ["protocol", "source", "destination", "seen_as", "state"],
  leases: ["address", "mac", "name", "expires"],
};
const KEYS = {arp: ["interface", "address"], fdb: ["mac"], nat: ["id"], leases: ["address"]};
const CHANGE_SIGNS = {added: "+", changed: "~", removed: "−"};
const BROADCAST = "ff:ff:ff:ff:ff:ff";
const END_SIGNS = {dropped: "✘", refused: "⊘", unknown: "?", answered: "✔", heard: "✔"};

// ── facts of a journey: pure ────────────────────────────────────────────────────────────────────────

const stepsOf = (journey, hideArp) => (journey?.steps ?? []).filter((step) => !(hideArp && step.part === "arp"));

/** Names of the fields that a node has changed, in the order of the packet. */
function changedFields(step) {
  const names = [...new Set([...Object.keys(step.before), ...Object.keys(step.after)])];
  return names.filter((name) => step.before[name] !== step.after[name]);
}

/** Of the changes, those that are no mere hop: addresses, ports, identifiers. */
const rewrites = (step) => changedFields(step).filter((name) => !["eth", "ip.ttl"].some((word) => name.startsWith(word)));

/** One letter for each kind of change: MAC, IP address, TTL, # for ports and identifiers. */
function changeLetters(step) {
  const letter = (name) => name.startsWith("eth.") ? "M" : name === "ip.ttl" ? "T" : /^ip\.(src|dst)$/.test(name) ? "I" : "#";
  return [...new Set(changedFields(step).map(letter))].join("");
}

/** Which of the step's deciders has changed a field: `nextHop`, `nat`, … as words. */
function changedBy(step, field) {
  const usual = field.startsWith("eth.") ? ["route", "arp", "ndp"] : field === "ip.ttl" ? [] : ["nat", "rule"];
  const named = usual.filter((kind) => (step.decided_by ?? []).some((one) => one.by === kind));
  if (named.length) return named;
  return [field.startsWith("eth.") ? "nextHop" : field === "ip.ttl" ? "forwarding" : "translation"];
}

/** Where a journey ended badly: the step, and from which step on that is known. −1: nowhere.
 *
 * A machine that waits in vain, for a reply to ARP, has sent something: that is known at the end only. */
function death(journey, steps) {
  const verdict = journey?.verdict;
  if (!verdict?.at || ["answered", "heard"].includes(verdict.verdict)) return {step: -1, known: -1};
  const ended = steps.findLastIndex((step) => step.node === verdict.at && !step.out.length);
  if (ended >= 0) return {step: ended, known: ended};
  const waited = steps.findLastIndex((step) => step.node === verdict.at);
  return {step: waited, known: waited < 0 ? -1 : steps.length - 1};
}

/** Tables as they were when the packet left step `index` (or, if not `departed`, when it came in). */
function tablesAt(journey, steps, index, departed) {
  const {start = {}, changes = []} = journey.tables ?? {};
  const begun = index > 0 ? steps[index].microseconds : -Infinity;
  const ended = !departed ? begun : index + 1 < steps.length ? steps[index + 1].microseconds : Infinity;
  const tables = {};
  for (const kind of Object.keys(COLUMNS)) {
    if (!start[kind] && !changes.some((one) => one.table === kind)) continue;
    tables[kind] = {};
    for (const [node, rows] of Object.entries(start[kind] ?? {})) tables[kind][node] = rows.map((row) => ({row, change: ""}));
  }
  for (const one of changes) {
    if (one.microseconds >= ended) continue;
    const rows = (tables[one.table][one.node] ??= []);
    const key = (row) => KEYS[one.table].map((name) => row[name]).join(" ");
    const old = rows.findIndex((entry) => key(entry.row) === key(one.row));
    const fresh = {row: one.row, change: one.microseconds >= begun ? one.change : ""};
    if (old >= 0 && rows[old].change === "added" && fresh.change === "changed") fresh.change = "added";
    if (one.change === "removed" && !fresh.change) rows.splice(old, old >= 0 ? 1 : 0);
    else if (old >= 0) rows[old] = fresh;
    else rows.push(fresh);
  }
  return tables;
}

/** Nodes that have to do with a journey: on its way, behind a NAT device, or with a table that it has changed. */
function involved({steps, tables}, picture) {
  const between = steps.flatMap((_, n) => picture.entry(steps, n)).flatMap((end) => [end.from, end.to]);
  return new Set([...steps.map((step) => step.node), ...between, ...(tables.changes ?? []).map((change) => change.node)]);
}

/** Pairs of steps of two journeys that play the same role; null where one has none. */
function align(one, other) {
  const a = roles(one), b = roles(other);
  const alike = (x, y) => x.part !== y.part ? -9 : x.role === y.role ? 3 : x.shape === y.shape ? 1 : -9;
  const best = Array.from({length: a.length + 1}, () => new Array(b.length + 1).fill(0));
  for (let n = a.length - 1; n >= 0; n--)
    for (let m = b.length - 1; m >= 0; m--)
      best[n][m] = Math.max(best[n + 1][m], best[n][m + 1], best[n + 1][m + 1] + alike(a[n], b[m]));
  const pairs = [];
  for (let n = 0, m = 0; n < a.length || m < b.length;) {
    if (n < a.length && m < b.length && alike(a[n], b[m]) > 0 && best[n][m] === best[n + 1][m + 1] + alike(a[n], b[m])) pairs.push([n++, m++]);
    else if (n < a.length && (m === b.length || best[n][m] === best[n + 1][m])) pairs.push([n++, null]);
    else pairs.push([null, m++]);
  }
  return pairs;
}

function roles({journey, steps, picture}) {
  const {from, to} = journey.probe;
  return steps.map((step) => ({
    part: step.part,
    role: step.node === from ? "source" : step.node === to ? "target" : step.node,
    shape: picture.switches.has(step.node) ? "switch" : step.in && step.out.length ? "middle" : "end",
  }));
}

/** Whether two aligned steps do something different. */
function differs(a, b) {
  const facts = (step) => JSON.stringify([step.node, step.packet, step.out.length > 0, changedFields(step), step.out.map((out) => out.peer)]);
  return !a || !b || facts(a) !== facts(b);
}

/** What could be asked about step `index` before its outcome is shown: the answer comes from the data. */
function question({journey, steps, picture, macs}, index) {
  const step = steps[index], after = step.after;
  const ask = (kind, answer, choices) => ({kind, answer, choices: [...new Set([...choices, answer])].sort()});
  if (!step.out.length)
    return ask("Fate", index === death(journey, steps).step ? "stopped" : "delivered", ["delivered", "passedOn", "stopped"]);
  const addresses = steps.flatMap((one) => [one.before["ip.src"], one.before["ip.dst"]]).filter(Boolean);
  for (const [field, kind] of [["ip.src", "Source"], ["ip.dst", "Destination"]])
    if (step.before[field] !== after[field]) return ask(kind, after[field], addresses);
  if (step.out.length > 1) return ask("Next", "allPorts", picture.neighbours(step.node));
  const taker = after["eth.dst"] === BROADCAST ? "everybody" : macs.get(after["eth.dst"]);
  if (!step.in && taker) return ask("NextHop", taker, [...macs.values(), "everybody"].filter((name) => name !== step.node));
  const asked = ask("Next", step.out[0].peer, [...picture.neighbours(step.node), ...(picture.switches.has(step.node) ? ["allPorts"] : [])]);
  return asked.choices.length > 1 ? asked : null;
}

/** MAC address to the node that has it, as far as steps show it: machines send with their own. */
function macOwners(journeys, picture) {
  const owners = new Map();
  for (const step of journeys.flatMap((journey) => journey.steps ?? [])) {
    if (picture.switches.has(step.node)) continue;
    if (step.out.length) owners.set(step.after["eth.src"], picture.owner(step.node, step.out[0]));
    if (step.in && (step.out.length || step.part !== "arp")) owners.set(step.before["eth.dst"], picture.owner(step.node, step.in));
  }
  for (const {tables} of journeys)
    for (const [node, rows] of Object.entries(tables?.start?.fdb ?? {}))
      for (const {mac, port} of rows) if (!owners.has(mac) && picture.behind(node, port)) owners.set(mac, picture.behind(node, port));
  for (const mac of [BROADCAST, undefined]) owners.delete(mac);
  return owners;
}

// ── the picture ─────────────────────────────────────────────────────────────────────────────────────

const SVG = "http://www.w3.org/2000/svg";
const calm = matchMedia("(prefers-reduced-motion: reduce)");

function draw(tag, attributes = {}, text = "") {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text) element.textContent = text;
  return element;
}

/** A lab's drawn topology: where nodes and wires are, and what lies over them. */
class Picture {
  constructor(figure) {
    const root = figure.querySelector("svg");
    Object.assign(this, {figure, root, lab: figure.dataset.lab, caption: figure.appendChild(make("figcaption"))});
    this.nodes = new Map([...root.querySelectorAll("[data-node]")].map((element) => [element.dataset.node, element]));
    this.switches = new Set([...root.querySelectorAll(".switch[data-node]")].map((element) => element.dataset.node));
    this.ends = [...root.querySelectorAll(".wire[data-a]")].flatMap((element) => {
      const {a, aInterface, b, bInterface} = element.dataset;
      const path = element.querySelector("path, line, polyline");
      return [{from: a, port: aInterface, to: b, path, forward: true}, {from: b, port: bInterface, to: a, path, forward: false}];
    });
    this.over = root.appendChild(draw("g", {"aria-hidden": "true"}));
    this.traffic = root.appendChild(draw("g", {"aria-hidden": "true"}));
    this.counts = new Map();
    this.frame = 0;
  }

  neighbours(node) {
    return [...new Set(this.ends.filter((end) => end.from === node).map((end) => end.to))];
  }

  /** Wires from a node to the other end of one of its outlets. A NAT device's outlet may be its host's. */
  route(node, outlet) {
    const last = this.ends.filter((end) => end.port === outlet.interface && end.to === outlet.peer);
    const ways = last.map((end) => [...(this.between(node, end.from) ?? [null]), end]).filter((way) => way[0]);
    return ways.sort((a, b) => a.length - b.length)[0] ?? this.between(node, outlet.peer) ?? [];
  }

  /** Fewest wires between two nodes. */
  between(from, to) {
    const ways = new Map([[from, []]]);
    for (const [node, way] of ways) {
      if (node === to) return way;
      for (const end of this.ends) if (end.from === node && !ways.has(end.to)) ways.set(end.to, [...way, end]);
    }
    return null;
  }

  /** The wires by which a packet came to a step, from the node whose step was before. */
  entry(steps, index) {
    const step = steps[index];
    if (!step.in) return [];
    const way = this.route(step.node, step.in).map((end) => this.reversed(end)).reverse();
    const sent = (one) => one.part === step.part && one.out.some((out) => out.peer === step.node);
    const sender = steps.slice(0, index).findLast(sent)?.node ?? step.in.peer;
    return [...(this.between(sender, step.in.peer) ?? []), ...way];
  }

  reversed(end) {
    return this.ends.find((other) => other.path === end.path && other.forward !== end.forward);
  }

  /** The node that has an outlet: for a NAT device it can be the host. */
  owner(node, outlet) {
    return this.route(node, outlet).at(-1)?.from ?? node;
  }

  /** The machine whose cable is in a switch's port, if it is one and not another switch. */
  behind(node, port) {
    const to = this.ends.find((end) => end.from === node && end.port === port)?.to;
    return this.switches.has(to) ? undefined : to;
  }

  matrix(element) {
    return this.root.getCTM().inverse().multiply(element.getCTM());
  }

  /** A point `share` (0 … 1) of the way along wires. */
  along(way, share) {
    const lengths = way.map((end) => end.path.getTotalLength());
    let left = share * lengths.reduce((sum, one) => sum + one, 0);
    let n = 0;
    while (n < way.length - 1 && left > lengths[n]) left -= lengths[n++];
    const {path, forward} = way[n];
    return path.getPointAtLength(forward ? left : lengths[n] - left).matrixTransform(this.matrix(path));
  }

  box(name) {
    const element = this.nodes.get(name);
    if (!element) return null;
    const {x, y, width, height} = element.getBBox();
    const matrix = this.matrix(element);
    const from = new DOMPoint(x, y).matrixTransform(matrix), to = new DOMPoint(x + width, y + height).matrixTransform(matrix);
    return {x: from.x, y: from.y, width: to.x - from.x, height: to.y - from.y};
  }

  add(element) {
    return this.over.appendChild(element);
  }

  clear() {
    cancelAnimationFrame(this.frame);
    this.over.replaceChildren();
  }

  wires(way, classes) {
    for (const {path} of way) {
      const {a, b, c, d, e, f} = this.matrix(path);
      const copy = path.cloneNode();
      for (const name of ["id", "class", "style", "marker-start", "marker-end"]) copy.removeAttribute(name);
      copy.setAttribute("class", `way ${classes}`);
      copy.setAttribute("transform", `matrix(${a} ${b} ${c} ${d} ${e} ${f})`);
      this.add(copy);
    }
  }

  /** One journey up to a step. `side` is "" or "b", the second of two. */
  show(steps, index, {side, moving, hidden, end, verdict}) {
    const ways = steps.map((_, n) => this.entry(steps, n));
    const kind = (n) => `${side} ${steps[n].part === "arp" ? "asking" : ""}`;
    if (!hidden) ways.forEach((way, n) => n > index && this.wires(way, `undone ${kind(n)}`));
    ways.forEach((way, n) => n <= index && this.wires(way, kind(n)));
    const step = steps[index], box = this.box(step.node);
    if (!box) return;
    this.add(draw("rect", {class: `here ${side}`, x: box.x - 4, y: box.y - 4, width: box.width + 8, height: box.height + 8, rx: 9}));
    if (!hidden && step.out.length > 1) for (const out of step.out) this.copy(this.route(step.node, out));
    if (step.part === "arp" && step.after["arp.op"] === "request" && !step.in) this.ring(box);
    if (end.step >= 0 && index >= end.known && !hidden) this.death(steps[end.step], ways[end.step], verdict);
    this.packet(step, box, ways[index], side, moving && !calm.matches, hidden);
  }

  copy(way) {
    if (!way.length) return;
    const {x, y} = this.along(way, 0.8);
    this.add(draw("circle", {class: "copy", cx: x, cy: y, r: 5}));
  }

  ring(box) {
    const x = box.x + box.width / 2, y = box.y - 22;
    this.add(draw("circle", {class: "ring", cx: x, cy: y, r: 13}));
    this.add(draw("text", {class: "ring-sign", x, y: y + 5}, "?"));
  }

  /** The sign of the end, before the interface where it came, and why, where it covers no machine and no switch. */
  death(step, way, verdict) {
    const box = this.box(step.node), length = way.reduce((sum, {path}) => sum + path.getTotalLength(), 0);
    const {x, y} = length ? this.along(way, Math.max(0.5, 1 - 13 / length)) : {x: box.x + box.width / 2, y: box.y - 13};
    const group = this.add(draw("g", {class: "death"}));
    const sentence = verdict.sentence?.[page.language] ?? "";
    // As large on the screen in a picture of forty machines as in one of four.
    const size = Math.min(40, 13 / Math.min(1, this.root.getScreenCTM()?.a || 1));
    const ground = group.appendChild(draw("rect", {class: "ground", rx: 5}));
    const text = group.appendChild(draw("text", {class: "sentence"}, sentence));
    text.style.fontSize = `${size}px`;
    group.append(draw("circle", {cx: x, cy: y, r: 11}), draw("text", {x, y: y + 5.5}, END_SIGNS[verdict.verdict]));
    const width = text.getBBox().width + size, height = size * 1.7;
    const envelope = {x: box.x - 8, y: box.y - 28, width: box.width + 16, height: 36};
    const free = this.free(box, width, height, [{x: x - 13, y: y - 13, width: 26, height: 26}, envelope]);
    for (const [name, value] of Object.entries({...free, width, height})) ground.setAttribute(name, value);
    text.setAttribute("x", free.x + width / 2);
    text.setAttribute("y", free.y + size * 1.2);
  }

  /** Where in the picture a label of this size covers nothing, as near to a box as can be; upon it, if there is no such place. */
  free(box, width, height, others) {
    const view = this.root.viewBox.baseVal, taken = [...[...this.nodes.keys()].map((name) => this.box(name)), ...others];
    const covers = (x, y) => taken.some((one) => x - 4 < one.x + one.width && one.x < x + width + 4 && y - 4 < one.y + one.height && one.y < y + height + 4);
    const middle = {x: box.x + (box.width - width) / 2, y: box.y + (box.height - height) / 2};
    let best = middle, nearest = Infinity;
    for (let y = view.y + 4; y < view.y + view.height - height; y += 6)
      for (let x = view.x + 4; x < view.x + view.width - width; x += 12) {
        const far = Math.hypot(x - middle.x, y - middle.y);
        if (far < nearest && !covers(x, y)) [best, nearest] = [{x, y}, far];
      }
    return best;
  }

  packet(step, box, way, side, moving, hidden) {
    const group = this.add(draw("g", {class: `packet ${side}`}));
    group.append(draw("rect", {x: -15, y: -10, width: 30, height: 20, rx: 3}), draw("path", {d: "M-15 -9 L0 3 L15 -9"}));
    const letters = hidden ? "" : changeLetters(step);
    if (letters) group.append(draw("text", {x: 0, y: -15}, `* ${letters}`));
    const rest = {x: box.x + (side ? 16 : box.width - 16), y: box.y - 2};
    const move = ({x, y}) => group.setAttribute("transform", `translate(${x} ${y})`);
    if (!moving || !way.length) return move(rest);
    const begun = performance.now(), lasts = 250 + 250 * way.length;
    const tick = (now) => {
      if (!group.isConnected) return;
      const share = Math.min(1, Math.max(0, (now - begun) / lasts));
      move(share < 1 ? this.along(way, share) : rest);
      if (share < 1) this.frame = requestAnimationFrame(tick);
    };
    return tick(begun);
  }

  /** How many packets in all were not drawn one by one on a wire. */
  count(from, to, all) {
    const [end] = this.between(from, to) ?? [];
    if (!end) return;
    if (!this.counts.has(end.path)) {
      const {x, y} = this.along([end], 0.5);
      this.counts.set(end.path, this.traffic.appendChild(draw("text", {class: "count", x: x + 7, y: y + 4})));
    }
    this.counts.get(end.path).textContent = `+${all}`;
  }

  /** A file of its own: what the page's style does is written into every element. */
  file(title) {
    const names = ["fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-linecap", "opacity", "font-family", "font-size",
      "font-weight", "text-anchor", "dominant-baseline", "paint-order", "display", "visibility"];
    const copy = this.root.cloneNode(true);
    const originals = [this.root, ...this.root.querySelectorAll("*")];
    [copy, ...copy.querySelectorAll("*")].forEach((element, n) => {
      const style = getComputedStyle(originals[n]);
      for (const name of names) element.setAttribute(name, style.getPropertyValue(name));
    });
    for (const sheet of copy.querySelectorAll("style")) sheet.remove();
    const {x, y, width, height} = this.root.viewBox.baseVal;
    copy.setAttribute("xmlns", SVG);
    copy.prepend(draw("rect", {x, y, width, height, fill: getComputedStyle(document.body).backgroundColor}));
    copy.prepend(draw("title", {}, title));
    return new XMLSerializer().serializeToString(copy);
  }
}

// ── the regions of the page ─────────────────────────────────────────────────────────────────────────

const $ = (id) => document.getElementById(id);
const data = JSON.parse($("data").textContent);
const pictures = [...document.querySelectorAll("#picture figure")].map((figure) => new Picture(figure));
const labs = [...new Set(pictures.map((one) => one.lab))];
// Two journeys are written to be compared.
const page = {
  language: data.language, journeys: data.journeys, chosen: 0, other: data.journeys.length === 2 ? 1 : null, index: 0,
  predict: false, hideArp: false, playing: 0, answers: new Map(),
};
let owners = learnt();
let live = null;

/** Who has which MAC address, in each lab for itself. */
function learnt() {
  const inside = (lab) => page.journeys.filter((journey) => journey.lab === lab);
  return new Map(labs.map((lab) => [lab, macOwners(inside(lab), pictures.find((one) => one.lab === lab))]));
}

/** The picture of a journey's lab; of the lab, where there is no journey. */
function pictureOf(journey) {
  return pictures.find((one) => one.lab === (journey?.lab ?? labs[0]) && one.figure.dataset.language === page.language);
}

/** A text in the page's language. */
const translated = (text) => data.texts[page.language]?.[text] ?? text;

/** A word's text with its values, in the order of their places in English. */
function say(word, ...values) {
  if (!Object.hasOwn(WORDS, word)) return word;
  const text = WORDS[word], places = text.match(/{\w+}/g) ?? [];
  return translated(text).replace(/{\w+}/g, (place) => values[places.indexOf(place)]);
}
const packetWord = (step) => step.packet_texts[page.language];
const fieldWord = (name) => name in FIELDS ? translated(FIELDS[name]) : name.split(".")[1];
const round = (microseconds) => Math.round(microseconds * 10) / 10;

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== ""));
  return element;
}

/** A journey as it is looked at: its steps, its lab's picture, and whose MAC addresses are whose there. */
function sideOf(n) {
  const journey = page.journeys[n];
  return {journey, steps: stepsOf(journey, page.hideArp), picture: pictureOf(journey), macs: owners.get(journey?.lab)};
}

const shownNow = () => [page.chosen, page.other].filter((n) => n !== null && page.journeys[n]);
const title = (journey) => `${journey.probe.from} → ${journey.probe.to} · ${journey.probe.by}`;
const titleInLab = (journey) => `${labs.length > 1 ? `${journey.lab} · ` : ""}${title(journey)}`;
const named = (journey, n) => `${n + 1}. ${titleInLab(journey)} ${END_SIGNS[journey.verdict?.verdict] ?? ""}`;

/** What stands at each place of the time line: indices of steps of both journeys. */
function places() {
  const a = sideOf(page.chosen);
  if (!a.journey) return [];
  return page.other === null ? a.steps.map((_, n) => [n, null]) : align(a, sideOf(page.other));
}

/** The question that has to be answered before this step's outcome is shown. */
function pending() {
  if (!page.predict || page.other !== null) return null;
  const side = sideOf(page.chosen);
  return side.steps.length && !page.answers.has(answerKey()) ? question(side, page.index) : null;
}

const answerKey = () => `${page.chosen} ${page.hideArp} ${page.index}`;

function render(moving = false) {
  const all = places();
  page.index = Math.max(0, Math.min(page.index, all.length - 1));
  const asked = pending();
  renderWords();
  renderChoices();
  renderPicture(all, moving, asked !== null);
  renderStep(all, asked);
  renderTransport(all, asked !== null);
  renderTables(all, asked === null);
}

function renderWords() {
  document.documentElement.lang = data.languages[page.language].tag;
  for (const element of document.querySelectorAll("[data-word]")) element.textContent = say(element.dataset.word);
  for (const element of document.querySelectorAll("[data-label]")) {
    element.setAttribute("aria-label", say(element.dataset.label));
    element.title = say(element.dataset.label);
  }
  const next = data.languages[nextLanguage()];
  $("language").textContent = next.name;
  $("language").setAttribute("aria-label", next.name);
  $("language").lang = next.tag;
  const [first, second] = shownNow().map((n) => page.journeys[n]);
  const drawn = pictureOf().root.querySelector("title").textContent;
  const told = first ? `${first.lab} · ${title(first)}` : drawn;
  $("title").textContent = ["netlab", second ? `${told} | ${titleInLab(second)}` : told].join(" · ");
  document.title = $("title").textContent;
  $("keys-list").replaceChildren(...Object.entries(KEY_LIST).flatMap(([key, does]) => [make("dt", {}, translated(key)), make("dd", {}, translated(does))]));
}

function renderChoices() {
  const several = page.journeys.length > 1;
  $("journey-box").hidden = $("compare-box").hidden = !several;
  const option = (journey, n, chosen) => make("option", {value: n, selected: n === chosen}, named(journey, n));
  $("journey").replaceChildren(...page.journeys.map((journey, n) => option(journey, n, page.chosen)));
  $("compare").replaceChildren(make("option", {value: ""}, say("nothing")),
    ...page.journeys.map((journey, n) => option(journey, n, page.other)).filter((_, n) => n !== page.chosen));
  $("predict").checked = page.predict;
  $("hide-arp").checked = page.hideArp;
  $("arp-box").hidden = !page.journeys.some((journey) => journey.steps.some((step) => step.part === "arp"));
  $("export-json").disabled = !page.journeys.length;
}

function renderPicture(all, moving, hidden) {
  const a = sideOf(page.chosen), [n, m] = all[page.index] ?? [null, null];
  renderPictures(page.other === null ? [a.picture] : [a.picture, sideOf(page.other).picture]);
  const look = ({journey, steps}, side, isMoving) => ({side, moving: isMoving, hidden, end: death(journey, steps), verdict: journey.verdict});
  if (page.other !== null) {
    const b = sideOf(page.other), at = all.slice(0, page.index + 1);
    const latest = (side) => at.map((pair) => pair[side]).filter((step) => step !== null).pop();
    if (latest(1) !== undefined) b.picture.show(b.steps, latest(1), look(b, "b", moving && m !== null));
    if (latest(0) !== undefined) a.picture.show(a.steps, latest(0), look(a, "", moving && n !== null));
  } else if (a.steps.length) {
    a.picture.show(a.steps, page.index, look(a, "", moving));
  } else if (a.journey?.verdict?.at && a.picture.nodes.has(a.journey.verdict.at)) {
    a.picture.death({node: a.journey.verdict.at}, [], a.journey.verdict);
  }
}

/** Show these pictures, of one lab or of two, with nothing over them yet. */
function renderPictures(wanted) {
  const several = new Set(wanted).size > 1;
  const {classList} = document.querySelector("main");
  classList.toggle("several", several);
  classList.toggle("wide", !several && wanted.some((one) => one.root.viewBox.baseVal.width > WIDE));
  for (const one of pictures) {
    const place = wanted.indexOf(one);
    one.clear();
    one.figure.hidden = place < 0;
    one.figure.style.order = place;
    one.caption.replaceChildren(...(several && place >= 0 ? [letterSign("AB"[place]), one.lab] : []));
  }
}

/** Pixels: a wider picture takes the whole width, and the step is below it. */
const WIDE = 1100;

const letterSign = (letter) => make("span", {class: letter === "A" ? "a-sign" : "b-sign"}, `${letter} `);

function renderStep(all, asked) {
  const side = sideOf(page.chosen), {journey, steps} = side;
  $("question").replaceChildren();
  $("fields").replaceChildren();
  document.querySelector("main").classList.toggle("compared", page.other !== null);
  const over = !page.predict || page.index === all.length - 1 && !asked;
  const ends = shownNow();
  $("verdict").replaceChildren(...(over ? ends.map((n, place) => verdictBox(sideOf(n), ends.length > 1 ? "AB"[place] : "")) : []));
  if (!all.length) {
    $("step-title").textContent = journey ? say("nothingSent") : say("noJourney");
    announce($("step-title").textContent);
    return;
  }
  const position = say("stepOf", page.index + 1, all.length);
  if (page.other !== null) {
    $("step-title").textContent = `${position} · ${say("both")}`;
    $("fields").append(pairTable(all), pairFields(all[page.index]));
    announce(`${position}: ${pairSentence(all[page.index])}`);
    return;
  }
  const step = steps[page.index];
  $("step-title").textContent = `${position} · ${step.node} · ${packetWord(step)}`;
  if (asked) $("question").append(questionBox(step, asked));
  else $("fields").append(make("p", {class: "summary"}, summary(side, page.index)));
  if (!asked && page.answers.has(answerKey())) $("question").append(answerLine());
  $("fields").append(fieldTable(step, asked === null, side.macs), ...(asked ? [] : [decidedList(step)]));
  announce(asked ? say(`ask${asked.kind}`, step.node) : `${position}, ${say(step.part)}, ${step.node}: ${summary(side, page.index)}`);
}

const announce = (text) => { $("said").textContent = text; };

/** One line: what this node did, and the end, where that is known from now on. */
function summary({journey, steps}, index) {
  const {step, known} = death(journey, steps), end = journey.verdict;
  if (index !== known) return deed(steps[index]);
  const told = `${END_SIGNS[end.verdict]} ${say(end.verdict, end.at)}: ${end.sentence?.[page.language] ?? end.cause ?? ""}`;
  return index === step ? told : `${deed(steps[index])} · ${told}`;
}

function deed(step) {
  const changed = rewrites(step);
  if (changed.length)
    return "* " + changed.map((name) => say("becomes", fieldWord(name), step.before[name] ?? "–", step.after[name] ?? "–")).join(" · ");
  const peers = step.out.map((out) => out.peer).join(", ");
  if (!step.out.length) return say(step.before["eth.dst"] === BROADCAST ? "hears" : "arrives");
  if (step.out.length > 1) return say("flooded", peers);
  return step.in ? say("passes", peers) : `${say("starts")}: ${step.after["ip.src"] ?? step.after["arp.sender"] ?? ""} → ${step.after["ip.dst"] ?? step.after["arp.target"] ?? ""}`;
}

function verdictBox({journey, steps}, letter) {
  const end = journey.verdict;
  if (!end) return "";
  const last = steps.at(-1), at = death(journey, steps).step;
  const entered = at >= 0 && steps[at].in ? ` · ${say("entering", steps[at].in.interface)}` : "";
  const word = `${END_SIGNS[end.verdict]} ${say(end.verdict, end.at)}`;
  const time = last ? ` · ${say("clock", round(last.microseconds))}` : "";
  const line = (label, text) => make("p", {}, make("span", {class: "quiet"}, `${say(label)}: `), ...text);
  return make("div", {class: `verdict ${end.verdict}`},
    make("p", {}, letter ? letterSign(letter) : "", make("span", {class: "word"}, word), entered, time),
    end.verdict === "answered" ? "" : make("p", {}, end.sentence?.[page.language] ?? end.cause ?? ""),
    end.verdict !== "answered" && end.evidence ? line("evidence", [end.evidence_texts?.[page.language] ?? end.evidence]) : "",
    end.look_at ? line("lookAt", [make("code", {}, `sudo netlab exec ${end.look_on ?? end.at} -- ${end.look_at}`)]) : "",
    journey.found?.length ? line("found", [journey.found.join(" · ")]) : "");
}

const withOwner = (value, macs) => (macs.has(value) ? `${value} ${macs.get(value)}` : value);

function fieldTable(step, shown, macs) {
  const names = [...new Set([...Object.keys(step.before), ...Object.keys(step.after)])];
  const [first, ...others] = step.out.map((out) => `${out.interface} → ${out.peer}`);
  const outlet = others.length ? say("ports", step.out.length) : first;
  const head = make("tr", {}, make("th", {scope: "col"}, say("field")),
    make("th", {scope: "col"}, `${say("inside")}${step.in ? ` (${step.in.interface} ← ${step.in.peer})` : ""}`),
    make("th", {scope: "col"}, `${say("outside")}${shown && outlet ? ` (${outlet})` : ""}`),
    make("th", {scope: "col"}, say("who")));
  return make("table", {}, make("thead", {}, head), ...layersOf(names).map(([layer, fields]) =>
    make("tbody", {}, make("tr", {}, make("th", {scope: "rowgroup", colspan: 4}, layer)),
      ...fields.map((name) => fieldRow(step, name, shown, macs)))));
}

function layersOf(names) {
  return Object.entries(LAYERS)
    .map(([key, layer]) => [layer, names.filter((name) => name.startsWith(`${key}.`))])
    .filter(([, fields]) => fields.length);
}

function fieldRow(step, name, shown, macs) {
  const before = step.before[name], after = step.after[name], changed = shown && before !== after;
  const left = !shown ? "?" : !step.out.length && !changed ? "" : changed ? `*\u00a0${withOwner(after, macs) ?? "–"}` : say("unchanged");
  const came = step.in || changed ? withOwner(before, macs) ?? "–" : "";
  return make("tr", {class: changed ? "changed" : ""},
    make("th", {scope: "row"}, fieldWord(name)), make("td", {}, came),
    make("td", {class: "new"}, step.in || !shown ? left : `${changed ? "*\u00a0" : ""}${withOwner(after, macs)}`),
    make("td", {class: "who"}, changed ? changedBy(step, name).map((word) => say(word)).join(", ") : ""));
}

function decidedList(step) {
  if (!step.decided_by?.length) return "";
  return make("div", {}, make("h3", {}, say("decided")),
    make("ul", {class: "decided"}, ...step.decided_by.map((one) => make("li", {}, make("strong", {}, say(one.by)), " ", make("code", {}, one.texts?.[page.language] ?? one.text)))));
}

// Predict

const choiceWord = (choice) => say(choice);

function questionBox(step, asked) {
  return make("fieldset", {}, make("legend", {}, say(`ask${asked.kind}`, step.node)),
    make("div", {class: "row"},
      ...asked.choices.map((choice) => make("button", {type: "button", class: "choice", onclick: () => reveal(choice)}, choiceWord(choice))),
      make("button", {type: "button", id: "show-me", onclick: () => reveal(null)}, say("skipQuestion"))));
}

function reveal(choice) {
  const asked = pending();
  page.answers.set(answerKey(), {choice, answer: asked.answer});
  render();
  $("next").focus();
}

function answerLine() {
  const {choice, answer} = page.answers.get(answerKey());
  const tried = [...page.answers.values()].filter((one) => one.choice !== null);
  const score = tried.length ? ` (${say("score", tried.filter((one) => one.choice === one.answer).length, tried.length)})` : "";
  if (choice === null) return "";
  const right = choice === answer;
  return make("p", {class: right ? "right" : "wrong"}, `${right ? "✔" : "✘"} ${right ? say("right") : say("wrong", choiceWord(answer))}${score}`);
}

// Compare

function pairTable(all) {
  const a = sideOf(page.chosen), b = sideOf(page.other);
  const cell = (side, n) => make("td", {}, n === null ? make("span", {class: "quiet"}, `– ${say("missing")}`) : `${side.steps[n].node}: ${summary(side, n)}`);
  return make("table", {class: "pairs"},
    make("thead", {}, make("tr", {}, make("th", {scope: "col"}, "#"),
      make("th", {scope: "col"}, letterSign("A"), titleInLab(a.journey)), make("th", {}, make("span", {class: "unseen"}, say("differs"))),
      make("th", {scope: "col"}, letterSign("B"), titleInLab(b.journey)))),
    make("tbody", {}, ...all.map(([n, m], place) => {
      const different = differs(a.steps[n], b.steps[m]);
      return make("tr", {class: different ? "differs" : "", "aria-current": place === page.index ? "step" : null},
        make("td", {}, make("button", {type: "button", onclick: () => go(place)}, String(place + 1))), cell(a, n),
        make("td", {class: "sign", "aria-label": say(different ? "differs" : "same")}, different ? "≠" : "="), cell(b, m));
    })));
}

function pairFields([n, m]) {
  const sides = [page.chosen, page.other].map(sideOf), a = sides[0].steps[n], b = sides[1].steps[m];
  const text = (step, name, macs) => {
    const [before, after] = [step?.before[name], step?.after[name]].map((value) => withOwner(value, macs) ?? "–");
    return before === after ? after : `${before} → * ${after}`;
  };
  const names = [...new Set([a, b].flatMap((step) => (step ? [...Object.keys(step.before), ...Object.keys(step.after)] : [])))];
  return make("table", {id: "pair-fields"}, make("thead", {}, make("tr", {}, make("th", {scope: "col"}, say("field")),
    make("th", {scope: "col", class: "a-sign"}, `A ${a?.node ?? ""}`), make("th", {}), make("th", {scope: "col", class: "b-sign"}, `B ${b?.node ?? ""}`))),
    make("tbody", {}, ...layersOf(names).flatMap(([layer, fields]) => fields.map((name) => {
      const [left, right] = [text(a, name, sides[0].macs), text(b, name, sides[1].macs)];
      return make("tr", {class: left === right ? "" : "changed"}, make("th", {scope: "row"}, `${layer} ${fieldWord(name)}`),
        make("td", {}, left), make("td", {class: "new"}, left === right ? "=" : "≠"), make("td", {}, right));
    }))));
}

function pairSentence([n, m]) {
  const part = (side, index) => (index === null ? say("missing") : `${side.steps[index].node}, ${summary(side, index)}`);
  return `A: ${part(sideOf(page.chosen), n)}. B: ${part(sideOf(page.other), m)}.`;
}

// Time line and tables

function renderTransport(all, asked) {
  const sides = [page.chosen, page.other].filter((n) => n !== null).map(sideOf);
  const ends = sides.map(({journey, steps}) => death(journey, steps));
  const over = !page.predict || page.index >= ends[0].known && !asked;
  const items = [];
  let packet = "";
  all.forEach((pair, place) => {
    const step = pair.map((n, side) => (n === null ? null : sides[side].steps[n])).find(Boolean);
    if (packetWord(step) !== packet) items.push(make("li", {class: "part", "aria-hidden": "true"}, packet = packetWord(step)));
    const secret = page.predict && place > page.index, open = !secret && !(asked && place === page.index);
    const star = open && pair.some((n, side) => n !== null && rewrites(sides[side].steps[n]).length) ? " *" : "";
    const dropped = over && pair.some((n, side) => n !== null && n === ends[side].step) ? " ✘" : "";
    items.push(make("li", {}, make("button", {
      type: "button", class: place <= page.index ? "done" : "", onclick: () => go(place),
      "aria-current": place === page.index ? "step" : null, "aria-label": `${say("stepOf", place + 1, all.length)}, ${say(step.part)}${secret ? "" : `, ${step.node}`}${star}${dropped}`,
    }, `${place + 1}${secret ? "" : ` ${step.node}`}${star}${dropped}`)));
  });
  $("steps").replaceChildren(...items);
  const current = $("steps").querySelector("[aria-current]");
  if (current) $("steps").scrollTop = current.offsetTop - $("steps").offsetTop - $("steps").clientHeight / 2;
  const end = all.length - 1;
  $("first").disabled = $("previous").disabled = page.index <= 0;
  $("last").disabled = $("next").disabled = page.index >= end && !asked;
  $("play").disabled = end < 1;
  $("play").textContent = page.playing ? "❚❚" : "▷";
  $("play").setAttribute("aria-label", say(page.playing ? "pause" : "play"));
  const [n, m] = all[page.index] ?? [null, null];
  const times = [[sides[0], n], [sides[1], m]].filter(([, index]) => index !== null).map(([{steps}, index]) => {
    const now = steps[index].microseconds;
    const since = index ? `+${say("clock", round(now - steps[index - 1].microseconds))} · ` : "";
    return `${since}${say("total", round(now))}`;
  });
  $("clock").textContent = times.length ? times.join(" | ") : "";
}

function renderTables(all, departed) {
  const pair = all[page.index] ?? [];
  const cards = [page.chosen, page.other].flatMap((chosen, side) => {
    const {journey, steps, picture, macs} = chosen === null ? {} : sideOf(chosen);
    if (!journey?.tables || pair[side] === null || pair[side] === undefined) return [];
    const tables = tablesAt(journey, steps, pair[side], departed);
    const way = involved(journey, picture);
    return Object.entries(tables).map(([kind, nodes]) => tableCard(kind, nodes, way, macs, steps[pair[side]].node, page.other === null ? "" : "AB"[side]));
  });
  $("tables").replaceChildren(...cards);
}

function tableCard(kind, nodes, way, macs, current, letter) {
  const heading = `table${kind[0].toUpperCase()}${kind.slice(1)}`;
  const columns = COLUMNS[kind];
  const rows = Object.entries(nodes)
    .filter(([node]) => kind === "leases" || way.has(node))
    .flatMap(([node, entries]) => entries.map((entry) => ({node, ...entry})))
    .sort((one, other) => (other.node === current) - (one.node === current));
  const line = ({node, row, change}) => make("tr", {class: `${change} ${node === current ? "own" : ""}`},
    make("td", {class: "sign", title: change ? say(change) : null}, CHANGE_SIGNS[change] ?? "", change ? make("span", {class: "unseen"}, say(change)) : ""),
    make("td", {}, node), ...columns.map((name) => make("td", {}, name === "mac" ? withOwner(row.mac, macs) : String(row[name] ?? ""))));
  return make("div", {class: `table-${kind}`, "data-table": kind, tabindex: 0, role: "region", "aria-label": say(heading)},
    make("h2", {}, letter ? letterSign(letter) : "", say(heading)),
    rows.length
      ? make("table", {}, make("thead", {}, make("tr", {}, make("th", {class: "sign"}), make("th", {scope: "col"}, say("node")), ...columns.map((name) => make("th", {scope: "col"}, say(name))))),
        make("tbody", {}, ...rows.map(line)))
      : make("p", {class: "quiet"}, say("empty")));
}

// ── what can be done ────────────────────────────────────────────────────────────────────────────────

function go(place) {
  const forward = place === page.index + 1;
  page.index = place;
  render(forward);
}

function next() {
  if (pending()) reveal(null);
  else if (page.index < places().length - 1) go(page.index + 1);
}

function play() {
  if (page.playing) return stop();
  if (page.index >= places().length - 1) page.index = -1;
  page.playing = setInterval(() => {
    if (pending() || page.index >= places().length - 1) stop();
    else next();
  }, 1000);
  if (page.index < 0) go(0);
  return render();
}

function stop() {
  clearInterval(page.playing);
  page.playing = 0;
  render();
}

function choose(journey, other = null) {
  clearInterval(page.playing);
  Object.assign(page, {chosen: journey, other: other === journey ? null : other, index: 0, playing: 0});
  render();
}

function save(name, type, text) {
  const link = make("a", {href: URL.createObjectURL(new Blob([text], {type})), download: name});
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

/** Of the first journey; of the lab too, where there are several. */
const fileName = (end, lab = "") => {
  const probe = page.journeys[page.chosen]?.probe;
  return ["netlab", probe?.from, probe?.to, lab].filter(Boolean).join("-").replace(/[^\w.-]+/g, "_") + end;
};

function exportJson() {
  const shown = shownNow().map((n) => page.journeys[n]);
  save(fileName(".json"), "application/json", JSON.stringify(shown.length > 1 ? shown : shown[0], null, 1));
}

function exportSvg() {
  const shown = pictures.filter((one) => !one.figure.hidden);
  for (const one of shown)
    save(fileName(`-${page.index + 1}.svg`, shown.length > 1 ? one.lab : ""), "image/svg+xml", one.file($("said").textContent));
}

function nextLanguage() {
  const codes = Object.keys(data.languages);
  return codes[(codes.indexOf(page.language) + 1) % codes.length];
}

function setLanguage() {
  page.language = nextLanguage();
  render();
  live?.translate();
}

/** The questions are about the packet: what was asked beforehand by ARP would tell the answers. */
function setPredict(on) {
  const {journey, steps} = sideOf(page.chosen), step = steps[page.index];
  const others = stepsOf(journey, true);
  Object.assign(page, {predict: on, other: null, hideArp: on ? others.length > 0 : page.hideArp});
  const then = sideOf(page.chosen).steps;
  page.index = Math.max(0, then.findIndex((one) => one === step || step && one.microseconds >= step.microseconds));
  stop();
}

/** The picture as large as it was drawn, to be scrolled; or as it fits. */
function setActualSize(on) {
  document.querySelector("main").classList.toggle("actual", on);
  render();
}

/** On paper: light, and every step of what is shown. */
function toPaper() {
  toPaper.theme = document.documentElement.dataset.theme;
  document.documentElement.dataset.theme = "light";
  render();
  $("printed").replaceChildren(...shownNow().flatMap((n, place) => printedSteps(sideOf(n), page.other === null ? "" : "AB"[place])));
}

function fromPaper() {
  if (toPaper.theme) document.documentElement.dataset.theme = toPaper.theme;
  else delete document.documentElement.dataset.theme;
  $("printed").replaceChildren();
  render();
}

function printedSteps(side, letter) {
  const told = page.predict ? side.steps.slice(0, page.index + 1) : side.steps;
  const head = ["", say("node"), say("journey"), ""].map((word) => make("th", {scope: "col"}, word));
  return [make("h2", {}, letter ? letterSign(letter) : "", say("steps")), make("table", {}, make("thead", {}, make("tr", {}, ...head)),
    make("tbody", {}, ...told.map((step, n) => make("tr", {}, make("td", {}, String(n + 1)), make("td", {}, step.node),
      make("td", {}, packetWord(step)), make("td", {}, summary(side, n))))))];
}

function setTheme() {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const now = document.documentElement.dataset.theme ?? (dark ? "dark" : "light");
  document.documentElement.dataset.theme = now === "dark" ? "light" : "dark";
}

const KEY_ACTIONS = {
  ArrowLeft: () => page.index > 0 && go(page.index - 1), ArrowRight: next,
  Home: () => go(0), End: () => go(Math.max(0, places().length - 1)), " ": play,
  l: setLanguage, p: () => setPredict(!page.predict), "?": () => $("keys").showModal(),
};

function key(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || $("keys").open) return;
  const target = event.target.closest("input:not([type=checkbox]), select, textarea");
  if (target || (event.key === " " && event.target.closest("button, input"))) return;
  const number = /^[1-9]$/.test(event.key) && Number(event.key) <= places().length;
  const action = number ? () => go(Number(event.key) - 1) : KEY_ACTIONS[event.key];
  if (!action) return;
  event.preventDefault();
  action();
}

function listen() {
  const on = (id, event, action) => $(id).addEventListener(event, action);
  on("language", "click", setLanguage);
  on("theme", "click", setTheme);
  on("help", "click", () => $("keys").showModal());
  on("first", "click", KEY_ACTIONS.Home);
  on("previous", "click", KEY_ACTIONS.ArrowLeft);
  on("next", "click", next);
  on("last", "click", KEY_ACTIONS.End);
  on("play", "click", play);
  on("choices", "submit", (event) => event.preventDefault());
  on("journey", "change", () => choose(Number($("journey").value), page.other));
  on("compare", "change", () => { page.predict = false; choose(page.chosen, $("compare").value === "" ? null : Number($("compare").value)); });
  on("predict", "change", () => setPredict($("predict").checked));
  on("actual-size", "change", () => setActualSize($("actual-size").checked));
  addEventListener("beforeprint", toPaper);
  addEventListener("afterprint", fromPaper);
  on("hide-arp", "change", () => { page.hideArp = $("hide-arp").checked; choose(page.chosen, page.other); });
  on("export-json", "click", exportJson);
  on("export-svg", "click", exportSvg);
  document.addEventListener("keydown", key);
}

// ── live traffic ────────────────────────────────────────────────────────────────────────────────────

const LINES = 100;
const HOP_MILLISECONDS = 180;

class Live {
  constructor() {
    $("live").hidden = $("link").hidden = false;
    this.lines = [];
    this.counts = new Map();
    this.dots = 0;
    this.source = new EventSource("events");
    this.source.addEventListener("open", () => this.state("connected"));
    this.source.addEventListener("error", () => this.state("lost"));
    this.source.addEventListener("packet", (event) => this.packet(JSON.parse(event.data)));
    this.source.addEventListener("lost", (event) => this.tell("unseen", JSON.parse(event.data)));
    this.source.addEventListener("more", (event) => this.more(JSON.parse(event.data)));
    this.source.addEventListener("end", () => { this.source.close(); this.state("ended"); });
    if (data.send.length) this.form();
  }

  state(word) {
    $("link").dataset.word = word;
    $("link").textContent = say(word);
  }

  tell(...words) {
    this.told = words;
    $("lost").textContent = say(...words);
  }

  /** What was written in the other language. */
  translate() {
    for (const line of this.lines) line.write();
    for (const count of this.counts.values()) pictureOf().count(...count);
    if (this.told) this.tell(...this.told);
  }

  /** A packet and its way: a dot, and a line in the list. */
  packet({id, texts, way, part}) {
    const button = make("button", {type: "button", class: "mono", "data-packet": id, onclick: () => this.freeze(id)});
    const line = {item: make("li", {}, button), write: () => { button.textContent = `${texts[page.language]} · ${way.join(" · ")}`; }};
    line.write();
    $("packets").prepend(line.item);
    this.lines.unshift(line);
    for (const old of this.lines.splice(LINES)) old.item.remove();
    const picture = pictureOf();
    const wires = way.slice(1).flatMap((node, n) => picture.between(way[n], node) ?? []);
    // A page that nobody sees draws no frames: its dots would never arrive.
    if (wires.length && !calm.matches && !document.hidden) this.dot(id, picture, wires, part);
  }

  dot(id, picture, wires, part) {
    const dot = picture.traffic.appendChild(draw("circle", {class: `dot ${part === "arp" ? "arp" : ""}`, r: 6, "data-packet": id}));
    dot.addEventListener("click", () => this.freeze(id));
    const begun = performance.now(), lasts = HOP_MILLISECONDS * wires.length;
    // Those that are under way at once lie beside each other, on whatever wire.
    const aside = (this.dots++ % 5 - 2) * 4;
    const tick = (now) => {
      const share = Math.max(0, (now - begun) / lasts);
      if (share >= 1 || picture.figure.hidden) return dot.remove();
      const {x, y} = picture.along(wires, share);
      dot.setAttribute("cx", x + aside);
      dot.setAttribute("cy", y + aside);
      return requestAnimationFrame(tick);
    };
    tick(begun);
  }

  /** Packets that are not drawn one by one are counted on their wires. */
  more(wires) {
    for (const [from, to, more] of wires) {
      const [,, before] = this.counts.get(`${from} ${to}`) ?? [from, to, 0];
      const count = [from, to, before + more];
      this.counts.set(`${from} ${to}`, count);
      pictureOf().count(...count);
    }
  }

  async freeze(id) {
    const answer = await fetch(`journeys/${id}`).catch(() => ({}));
    if (answer.ok) this.show(await answer.json());
    else this.tell("forgotten");
  }

  show(journey) {
    page.journeys = [...page.journeys, journey];
    owners = learnt();
    choose(page.journeys.length - 1);
    $("step").focus();
  }

  form() {
    const {nodes, switches} = pictureOf();
    const machines = [...nodes.keys()].filter((name) => !switches.has(name));
    const options = (names) => names.map((name) => make("option", {value: name}, name));
    $("send").hidden = false;
    $("send-from").replaceChildren(...options(machines));
    $("send-targets").replaceChildren(...options(machines));
    $("send-kinds").replaceChildren(...options(data.send));
    $("send-by").value = data.send[0];
    $("send").addEventListener("submit", (event) => {
      event.preventDefault();
      this.send({from: $("send-from").value, to: $("send-to").value.trim(), by: $("send-by").value.trim()});
    });
  }

  async send(wish) {
    $("send-said").textContent = say("sending");
    const request = {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(wish)};
    const answer = await fetch("trace", request).catch(() => ({}));
    const said = answer.headers?.get("Content-Type") === "application/json" ? await answer.json() : {error: say("lost")};
    $("send-said").textContent = answer.ok ? "" : [said.error, said.fix].filter(Boolean).join("; ");
    if (answer.ok) this.show(said);
  }
}

listen();
render();
if (data.live) live = new Live();
