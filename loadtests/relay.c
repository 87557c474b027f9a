// The floor of a proxy's cost: moves bytes between each client and a connection of its own to the origin, and reads none of
// them. Four calls a request beside the waiting. For loadtests/matrix only: it knows no limit and no fault.
//
//   relay PORT ORIGIN_PORT          copies through one buffer
//   relay PORT ORIGIN_PORT splice   lets the kernel move pages through one pipe
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
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

enum { FILES_MAX = 65536, EVENTS = 256, BUFFER_BYTES = 256 * 1024, PIPE_BYTES = 1024 * 1024 };

// The descriptor at the other end of each one's pair; 0 for none.
static int other_end[FILES_MAX];
static char buffer[BUFFER_BYTES];
// Empty between any two moves, so that all connections share it; unused when copying.
static int through[2];
static int splices;

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

// As many bytes as have come, into the buffer or the pipe.
static ssize_t take_bytes(int fd) {
    if (splices) return splice(fd, NULL, through[1], NULL, PIPE_BYTES, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    return recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
}

static ssize_t give_bytes(int to, size_t from, size_t count) {
    if (splices) return splice(through[0], NULL, to, NULL, count, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    return send(to, buffer + from, count, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void relay(int fd) {
    int to = other_end[fd];
    if (to == 0) return; // parted within the same batch of events
    ssize_t count = take_bytes(fd);
    if (count < 0 && errno == EAGAIN) return;
    if (count <= 0) {
        part(fd);
        return;
    }
    for (ssize_t sent = 0; sent < count;) {
        ssize_t now = give_bytes(to, (size_t)sent, (size_t)(count - sent));
        if (now <= 0) {
            struct pollfd writable = {.fd = to, .events = POLLOUT};
            if (poll(&writable, 1, 1000) != 1 || (writable.revents & (POLLERR | POLLHUP))) {
                // What is left in the pipe must reach nobody else.
                if (splices) fail("a peer left in the middle of a move");
                part(fd);
                return;
            }
            continue;
        }
        sent += now;
    }
}

static void prepare_pipe(void) {
    if (pipe2(through, O_NONBLOCK) < 0 || fcntl(through[0], F_SETPIPE_SZ, PIPE_BYTES) < 0) fail("pipe");
}

int main(int count, char **arguments) {
    splices = count == 4 && strcmp(arguments[3], "splice") == 0;
    if (count != 3 + splices) {
        fprintf(stderr, "relay PORT ORIGIN_PORT [splice]\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    if (splices) prepare_pipe();
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
