// A store for loadtests/matrix that costs next to nothing: it answers any GET whose path ends in -BYTES with so many bytes, takes the
// body of any PUT and throws it away inside the kernel, and asks nobody who he is. Requests must have a Content-Length if they have a
// body, and heads of at most HEAD_BYTES; what is otherwise gets a 4xx and the connection is closed.
//
//   origin PORT
//
// GET /counts answers "REQUESTS CONNECTIONS BYTES_TAKEN", as seen so far, the asking one left out.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FILES_MAX = 65536, EVENTS = 256, HEAD_BYTES = 16 * 1024, SENT_AT_ONCE = 1024 * 1024, JOINED_BYTES_MAX = 64 * 1024 };
static const long OBJECT_BYTES_MAX = 100L * 1024 * 1024;

struct connection {
    char head[HEAD_BYTES];
    size_t head_bytes;
    long body_left;     // of the request, to be thrown away
    int answers_put;    // once its body is taken
    char answer[1024 + JOINED_BYTES_MAX];
    size_t answer_bytes, answer_sent;
    off_t object_at;    // of the object that follows the answer's head
    long object_left;
    int closes;
};

static struct connection *connections[FILES_MAX];
static int epoll, objects;
static char *object_bytes;
static long requests_seen, connections_seen, bytes_taken;

// The fields that S3 sends: a proxy reads them all.
#define ALWAYS                                                          \
    "x-amz-id-2: 6f9tV7gq0dUo5bWm2kHf7xYc9sRzAeJgLiOuPyTrEwQ0XcVbNm4=\r\n" \
    "x-amz-request-id: 3B3C7C725673C630\r\n"                             \
    "Date: Thu, 01 Jan 2026 00:00:00 GMT\r\n"                            \
    "ETag: \"0123456789abcdef0123456789abcdef\"\r\n"                     \
    "Server: AmazonS3\r\n"

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void drop(int fd) {
    free(connections[fd]);
    connections[fd] = NULL;
    close(fd);
}

static void say(struct connection *c, const char *status, const char *fields, const char *body) {
    c->answer_bytes = (size_t)snprintf(c->answer, 1024, "HTTP/1.1 %s\r\n" ALWAYS "%sContent-Length: %zu\r\n\r\n%s", status, fields, strlen(body), body);
}

static void refuse(struct connection *c, const char *status) {
    say(c, status, "Connection: close\r\n", "");
    c->closes = 1;
}

// The number behind the last '-' of a path; -1 without one.
static long bytes_of(const char *path) {
    const char *dash = strrchr(path, '-');
    char *end = NULL;
    long bytes = dash && dash[1] >= '0' && dash[1] <= '9' ? strtol(dash + 1, &end, 10) : -1;
    return end && *end == '\0' && bytes <= OBJECT_BYTES_MAX ? bytes : -1;
}

static void answer_get(struct connection *c, char *path) {
    path[strcspn(path, "?")] = '\0';
    if (strcmp(path, "/counts") == 0) {
        char told[80];
        snprintf(told, sizeof told, "%ld %ld %ld", requests_seen - 1, connections_seen - 1, bytes_taken);
        requests_seen--, connections_seen--;
        say(c, "200 OK", "Connection: close\r\n", told);
        c->closes = 1;
        return;
    }
    long bytes = bytes_of(path);
    if (bytes < 0) {
        say(c, "404 Not Found", "", "");
        return;
    }
    int head = snprintf(c->answer, 1024,
                        "HTTP/1.1 200 OK\r\n" ALWAYS "Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\nAccept-Ranges: bytes\r\n"
                        "Content-Type: application/octet-stream\r\nContent-Length: %ld\r\n\r\n", bytes);
    c->answer_bytes = (size_t)head;
    if (bytes <= JOINED_BYTES_MAX) {
        memcpy(c->answer + head, object_bytes, (size_t)bytes);
        c->answer_bytes += (size_t)bytes;
    } else {
        c->object_at = 0;
        c->object_left = bytes;
    }
}

static long content_length(const char *head) {
    const char *field = strcasestr(head, "\r\ncontent-length:");
    if (strcasestr(head, "\r\ntransfer-encoding:")) return -1;
    return field ? strtol(field + 17, NULL, 10) : 0;
}

// Takes a whole head, which ends at `end`, and plans its answer.
static void take_head(struct connection *c, char *end) {
    *end = '\0';
    requests_seen++;
    long length = content_length(c->head);
    char *path = strchr(c->head, ' '), *rest = path ? strchr(path + 1, ' ') : NULL;
    if (length < 0) {
        refuse(c, "411 Length Required");
    } else if (!rest) {
        refuse(c, "400 Bad Request");
    } else if (strncmp(c->head, "GET ", 4) == 0) {
        *rest = '\0';
        answer_get(c, path + 1);
    } else if (strncmp(c->head, "PUT ", 4) == 0) {
        c->body_left = length;
        c->answers_put = 1;
    } else {
        refuse(c, "405 Method Not Allowed");
    }
}

// Sends what is planned: 1 if all of it is away, 0 if the socket takes no more, -1 if the peer is gone.
static int send_planned(int fd, struct connection *c) {
    while (c->answer_sent < c->answer_bytes) {
        int more = c->object_left > 0 ? MSG_MORE : 0;
        ssize_t now = send(fd, c->answer + c->answer_sent, c->answer_bytes - c->answer_sent, MSG_NOSIGNAL | MSG_DONTWAIT | more);
        if (now < 0) return 0;
        c->answer_sent += (size_t)now;
    }
    while (c->object_left > 0) {
        ssize_t now = sendfile(fd, objects, &c->object_at, (size_t)(c->object_left < SENT_AT_ONCE ? c->object_left : SENT_AT_ONCE));
        if (now == 0) return -1;
        if (now < 0) return 0;
        c->object_left -= now;
    }
    c->answer_bytes = c->answer_sent = 0;
    return c->closes ? -1 : 1;
}

// Throws away what has come of a body: 1 if it is whole, 0 if more must come, -1 if none will.
static int take_body(int fd, struct connection *c) {
    while (c->body_left > 0) {
        // With MSG_TRUNC a TCP socket copies nothing.
        ssize_t now = recv(fd, NULL, (size_t)(c->body_left < SENT_AT_ONCE ? c->body_left : SENT_AT_ONCE), MSG_DONTWAIT | MSG_TRUNC);
        if (now == 0) return -1;
        if (now < 0) return 0;
        c->body_left -= now;
        bytes_taken += now;
    }
    say(c, "200 OK", "", "");
    c->answers_put = 0;
    return 1;
}

// Reads a head, and of what follows it only what belongs to its body: 1 if it is whole, 0 if more must come, -1 if none will.
static int read_head(int fd, struct connection *c) {
    ssize_t now = recv(fd, c->head + c->head_bytes, HEAD_BYTES - 1 - c->head_bytes, MSG_DONTWAIT);
    if (now == 0) return -1;
    if (now < 0) return 0;
    c->head_bytes += (size_t)now;
    c->head[c->head_bytes] = '\0';
    char *end = strstr(c->head, "\r\n\r\n");
    if (!end && c->head_bytes < HEAD_BYTES - 1) return 0;
    size_t body = end ? c->head_bytes - (size_t)(end + 4 - c->head) : 0;
    c->head_bytes = 0;
    if (end)
        take_head(c, end);
    else
        refuse(c, "431 Request Header Fields Too Large");
    if ((long)body > c->body_left && !c->closes) refuse(c, "400 Bad Request"); // nobody here sends a request before the last is answered
    long taken = (long)body < c->body_left ? (long)body : c->body_left;
    c->body_left -= taken;
    bytes_taken += taken;
    return 1;
}

static void go_on(int fd) {
    struct connection *c = connections[fd];
    for (;;) {
        int state = c->answer_bytes > 0 ? send_planned(fd, c) : c->answers_put ? take_body(fd, c) : read_head(fd, c);
        if (state < 0) {
            drop(fd);
            return;
        }
        if (state == 0 || (c->answer_bytes == 0 && !c->answers_put)) return;
    }
}

static void take(int listener) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK), yes = 1;
    if (fd < 0) return;
    if (fd >= FILES_MAX || !(connections[fd] = calloc(1, sizeof(struct connection)))) fail("connection");
    connections_seen++;
    // Edge-triggered both ways: nothing is to be asked of epoll again.
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.fd = fd};
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0) fail("epoll_ctl");
}

static void prepare_objects(void) {
    objects = memfd_create("objects", 0);
    if (objects < 0 || ftruncate(objects, OBJECT_BYTES_MAX) < 0) fail("memfd");
    object_bytes = mmap(NULL, (size_t)OBJECT_BYTES_MAX, PROT_READ | PROT_WRITE, MAP_SHARED, objects, 0);
    if (object_bytes == MAP_FAILED) fail("mmap");
    for (long at = 0; at < OBJECT_BYTES_MAX; at++) object_bytes[at] = (char)(at * 131 + (at >> 10));
}

int main(int count, char **arguments) {
    if (count != 2) {
        fprintf(stderr, "origin PORT\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    prepare_objects();
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(arguments[1]))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int yes = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    epoll = epoll_create1(0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 4096) < 0) fail("listen");
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) < 0) fail("epoll_ctl");
    for (;;) {
        struct epoll_event events[EVENTS];
        int ready = epoll_wait(epoll, events, EVENTS, -1);
        for (int at = 0; at < ready; at++) {
            int fd = events[at].data.fd;
            if (fd == listener)
                take(listener);
            else if (connections[fd] && events[at].events & (EPOLLERR | EPOLLHUP))
                drop(fd);
            else if (connections[fd])
                go_on(fd);
        }
    }
}
