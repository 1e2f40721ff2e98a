/* The floor: a lab's namespaces, cables, addresses and routes by bare system calls and netlink messages.
 *
 *     floor up N | floor down N
 *
 * The same things as netlab's plan of N static VMs on host-only networks: a namespace a VM with lo up, a
 * veth pair with both ends in place and up, the far one plugged into a bridge (500 ports each), an address
 * and a default route. Neither settings, files, services nor checks: nothing that makes the same network
 * can be much faster.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PORTS = 500 };

struct message {
    struct nlmsghdr header;
    char body[1024];
};

struct space {
    int file, netlink;
};

static int home;

static void fail(const char *what) {
    perror(what);
    exit(3);
}

static void start(struct message *m, int type, int flags, const void *body, size_t size) {
    memset(m, 0, sizeof *m);
    m->header.nlmsg_len = NLMSG_LENGTH(size);
    m->header.nlmsg_type = type;
    m->header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
    memcpy(NLMSG_DATA(&m->header), body, size);
}

static struct rtattr *put(struct message *m, int type, const void *data, size_t size) {
    struct rtattr *attribute = (void *)((char *)m + NLMSG_ALIGN(m->header.nlmsg_len));
    attribute->rta_type = type;
    attribute->rta_len = RTA_LENGTH(size);
    if (size)
        memcpy(RTA_DATA(attribute), data, size);
    m->header.nlmsg_len = NLMSG_ALIGN(m->header.nlmsg_len) + RTA_ALIGN(attribute->rta_len);
    return attribute;
}

static void nested(struct message *m, struct rtattr *outer) {
    outer->rta_len = (char *)m + m->header.nlmsg_len - (char *)outer;
}

static void ask(int netlink, struct message *m, const char *what) {
    char answer[4096];
    if (send(netlink, m, m->header.nlmsg_len, 0) < 0 || recv(netlink, answer, sizeof answer, 0) < 0)
        fail(what);
    struct nlmsgerr *error = NLMSG_DATA((struct nlmsghdr *)answer);
    if (error->error) {
        errno = -error->error;
        fail(what);
    }
}

static int number(int netlink, const char *name) {
    struct ifreq request = {0};
    strcpy(request.ifr_name, name);
    if (ioctl(netlink, SIOCGIFINDEX, &request))
        fail(name);
    return request.ifr_ifindex;
}

static struct space make(const char *name) {
    char path[64];
    snprintf(path, sizeof path, "/run/netns/%s", name);
    close(open(path, O_RDONLY | O_CREAT | O_EXCL, 0));
    if (unshare(CLONE_NEWNET) || mount("/proc/thread-self/ns/net", path, "none", MS_BIND, NULL))
        fail(path);
    struct space made = {open(path, O_RDONLY), socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE)};
    setns(home, CLONE_NEWNET);
    struct message m;
    struct ifinfomsg loopback = {.ifi_index = 1, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
    start(&m, RTM_NEWLINK, 0, &loopback, sizeof loopback);
    ask(made.netlink, &m, "lo up");
    return made;
}

static void bridge(int netlink, const char *name) {
    struct message m;
    struct ifinfomsg up = {.ifi_flags = IFF_UP, .ifi_change = IFF_UP};
    start(&m, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &up, sizeof up);
    put(&m, IFLA_IFNAME, name, strlen(name) + 1);
    struct rtattr *info = put(&m, IFLA_LINKINFO, NULL, 0);
    put(&m, IFLA_INFO_KIND, "bridge", 6);
    nested(&m, info);
    ask(netlink, &m, name);
}

/* As a veth has them in the end; left to itself, it makes more, and waits for the end of the others. */
static void queues(struct message *m) {
    uint32_t one = 1;
    put(m, IFLA_NUM_TX_QUEUES, &one, sizeof one);
    put(m, IFLA_NUM_RX_QUEUES, &one, sizeof one);
}

static void cable(struct space near, const char *port, const char *master, struct space far, int n) {
    struct message m;
    struct ifinfomsg up = {.ifi_flags = IFF_UP, .ifi_change = IFF_UP};
    uint8_t mac[6] = {0, 0x0c, 0x29, n >> 16, n >> 8, n};
    int index = number(near.netlink, master);
    start(&m, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &up, sizeof up);
    put(&m, IFLA_IFNAME, port, strlen(port) + 1);
    put(&m, IFLA_MASTER, &index, sizeof index);
    queues(&m);
    struct rtattr *info = put(&m, IFLA_LINKINFO, NULL, 0);
    put(&m, IFLA_INFO_KIND, "veth", 4);
    struct rtattr *data = put(&m, IFLA_INFO_DATA, NULL, 0);
    struct ifinfomsg none = {0};
    struct rtattr *peer = put(&m, VETH_INFO_PEER, &none, sizeof none);
    put(&m, IFLA_IFNAME, "eth0", 5);
    put(&m, IFLA_ADDRESS, mac, sizeof mac);
    put(&m, IFLA_NET_NS_FD, &far.file, sizeof far.file);
    queues(&m);
    nested(&m, peer);
    nested(&m, data);
    nested(&m, info);
    ask(near.netlink, &m, port);
    up.ifi_index = number(far.netlink, "eth0");
    start(&m, RTM_NEWLINK, 0, &up, sizeof up);
    ask(far.netlink, &m, "eth0 up");
}

static void address(int netlink, const char *name, uint32_t ip) {
    struct message m;
    struct ifaddrmsg on = {.ifa_family = AF_INET, .ifa_prefixlen = 16, .ifa_index = number(netlink, name)};
    uint32_t wire = htonl(ip), broadcast = htonl(ip | 0xffff);
    start(&m, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &on, sizeof on);
    put(&m, IFA_LOCAL, &wire, 4);
    put(&m, IFA_ADDRESS, &wire, 4);
    put(&m, IFA_BROADCAST, &broadcast, 4);
    ask(netlink, &m, "address");
}

static void route(int netlink, uint32_t gateway) {
    struct message m;
    struct rtmsg by = {.rtm_family = AF_INET, .rtm_table = RT_TABLE_MAIN, .rtm_protocol = RTPROT_STATIC,
                       .rtm_type = RTN_UNICAST};
    uint32_t wire = htonl(gateway);
    start(&m, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &by, sizeof by);
    put(&m, RTA_GATEWAY, &wire, 4);
    ask(netlink, &m, "route");
}

static void up(int vms) {
    struct space network = {0};
    uint32_t subnet = 0;
    char name[32];
    for (int n = 0; n < vms; n++) {
        if (n % PORTS == 0) {
            snprintf(name, sizeof name, "floor-net%d", n / PORTS);
            network = make(name);
            bridge(network.netlink, "br0");
            subnet = (10u << 24) + ((n / PORTS + 1) << 16);
            address(network.netlink, "br0", subnet + 1);
        }
        snprintf(name, sizeof name, "floor%d", n);
        struct space vm = make(name);
        snprintf(name, sizeof name, "p%d", n);
        cable(network, name, "br0", vm, n);
        address(vm.netlink, "eth0", subnet + 2 + n % PORTS);
        route(vm.netlink, subnet + 1);
    }
}

static void end(const char *name) {
    char path[64];
    snprintf(path, sizeof path, "/run/netns/%s", name);
    umount2(path, MNT_DETACH);
    if (unlink(path))
        fail(path);
}

static void down(int vms) {
    char name[32];
    for (int n = 0; n < vms; n++) {
        if (n % PORTS == 0) {
            snprintf(name, sizeof name, "floor-net%d", n / PORTS);
            end(name);
        }
        snprintf(name, sizeof name, "floor%d", n);
        end(name);
    }
}

int main(int count, char **words) {
    int vms = count == 3 ? atoi(words[2]) : 0;
    if (vms < 1 || (strcmp(words[1], "up") && strcmp(words[1], "down"))) {
        fprintf(stderr, "usage: floor up|down N\n");
        return 2;
    }
    struct rlimit files = {4096, 4096};
    setrlimit(RLIMIT_NOFILE, &files);
    mkdir("/run/netns", 0755);
    home = open("/proc/self/ns/net", O_RDONLY);
    if (words[1][0] == 'u')
        up(vms);
    else
        down(vms);
    return 0;
}
