// The floor of a proxy's cost: copies bytes between each client and a connection of its own to the origin, and reads none of
// them. Four calls a request beside the waiting. For loadtests/peers only: it knows no limit and no fault.
//
//   relay PORT ORIGIN_PORT
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FILES_MAX = 65536, EVENTS = 256, BUFFER_BYTES = 64 * 1024 };

// The descriptor at the other end of each one's pair; 0 for none.
static int other_end[FILES_MAX];
static char buffer[BUFFER_BYTES];

static struct sockaddr_in local(int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void watch(int epoll, int fd) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    int yes = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0) fail("epoll_ctl");
}

static void take(int epoll, int listener, int origin_port) {
    int client = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    if (client < 0) return;
    struct sockaddr_in address = local(origin_port);
    int origin = socket(AF_INET, SOCK_STREAM, 0);
    if (client >= FILES_MAX || origin < 0 || origin >= FILES_MAX ||
        connect(origin, (struct sockaddr *)&address, sizeof address) < 0)
        fail("origin");
    other_end[client] = origin;
    other_end[origin] = client;
    watch(epoll, client);
    watch(epoll, origin);
}

static void part(int fd) {
    int other = other_end[fd];
    other_end[fd] = other_end[other] = 0;
    close(fd);
    close(other);
}

static void relay(int fd) {
    int to = other_end[fd];
    if (to == 0) return; // parted within the same batch of events
    ssize_t count = recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
    if (count <= 0) {
        part(fd);
        return;
    }
    for (ssize_t sent = 0; sent < count;) {
        ssize_t now = send(to, buffer + sent, (size_t)(count - sent), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (now < 0) {
            struct pollfd writable = {.fd = to, .events = POLLOUT};
            if (poll(&writable, 1, 1000) != 1 || (writable.revents & (POLLERR | POLLHUP))) {
                part(fd);
                return;
            }
            continue;
        }
        sent += now;
    }
}

int main(int count, char **arguments) {
    if (count != 3) {
        fprintf(stderr, "relay PORT ORIGIN_PORT\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    struct sockaddr_in address = local(atoi(arguments[1]));
    int yes = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), epoll = epoll_create1(0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 1024) < 0) fail("listen");
    watch(epoll, listener);
    for (;;) {
        struct epoll_event events[EVENTS];
        int ready = epoll_wait(epoll, events, EVENTS, -1);
        for (int at = 0; at < ready; at++) {
            int fd = events[at].data.fd;
            if (fd == listener)
                take(epoll, listener, atoi(arguments[2]));
            else
                relay(fd);
        }
    }
}
