/*
 * What the benches share: a mock of the Lambda APIs that answers at once, a destination that takes everything, and the
 * poster of telemetry, all in one process and one thread with the clock, so that nothing but the process under test and
 * the kernel is between two times.
 * It must not judge, and must not wait anywhere but in turn().
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { VARIABLES = 64, READ_ROOM = 1 << 16, EVENTS = 64 };

/* Who is at the other end of a socket. */
enum kind { API_LISTENER, API, SINK_LISTENER, SINK, POSTER };

struct extension;

/* One socket that is waited for: what has come of the message that is being read, and what has still to be written. */
struct connection {
    int socket;
    enum kind kind;
    struct extension *of;
    char *bytes;
    size_t have, room;
    const char *out;
    size_t left;
    struct connection *next_closed;
};

/* One process under test, as the platform sees it. */
struct extension {
    pid_t pid;
    /* The variables it gets; the first one is its mock's address. */
    char *environment[VARIABLES + 2];
    char api[64];
    struct connection *listener;
    /* The connection whose GET next waits for an answer, and when it came. */
    struct connection *next;
    double asked_at;
    int connections, requests;
    /* Where it wants telemetry, once it has subscribed. */
    int port;
    char path[128];
    struct connection *poster;
    /* A POST is not answered yet. */
    int posting;
    double posted_at;
    char message[1024];
    char head[256];
};

/* What has come to the destination. */
static struct {
    int connections, open, requests;
    size_t bytes, lines;
    double last_at;
    FILE *keep;
} sink;

static int poller;
static char *variables[VARIABLES + 1];
static char sink_address[32];
static struct connection *closed;
/* Written by the child, which shares our memory until its exec. */
static volatile double exec_at;

/* Ends the bench over a mistake in how it was called. */
static void complain(const char *what)
{
    fprintf(stderr, "bench: %s\n", what);
    exit(2);
}

/* Ends the bench over a call that the system refused. */
static void fail(const char *what)
{
    fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
    exit(2);
}

/* Milliseconds of a clock that never goes back. */
static double now(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec * 1e3 + (double)at.tv_nsec / 1e6;
}

/* Milliseconds since 1970. */
static long long wall_ms(void)
{
    struct timespec at;
    clock_gettime(CLOCK_REALTIME, &at);
    return (long long)at.tv_sec * 1000 + at.tv_nsec / 1000000;
}

/* That time as the platform writes it. */
static const char *wall_text(void)
{
    static char text[40];
    long long ms = wall_ms();
    time_t seconds = (time_t)(ms / 1000);
    struct tm parts;
    size_t used = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", gmtime_r(&seconds, &parts));
    snprintf(text + used, sizeof text - used, ".%03dZ", (int)(ms % 1000));
    return text;
}

/* Takes one variable; a later one takes the place of an earlier one of that name. */
static inline void set_variable(char *text)
{
    size_t name = strcspn(text, "=") + 1;
    int i = 0;
    while (variables[i] != NULL && strncmp(variables[i], text, name) != 0)
        i++;
    if (i == VARIABLES)
        complain("too many variables");
    variables[i] = text;
}

/* Waits for a socket from now on. */
static struct connection *watch(int socket, enum kind kind, struct extension *of)
{
    struct connection *c = closed;
    if (c != NULL)
        closed = c->next_closed;
    else if ((c = calloc(1, sizeof *c)) == NULL)
        fail("memory");
    char *bytes = c->bytes;
    size_t room = c->room;
    *c = (struct connection){.socket = socket, .kind = kind, .of = of, .bytes = bytes, .room = room};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, socket, &event) < 0)
        fail("epoll");
    return c;
}

/* Waits for room to write too, or not any more. */
static void want_room(struct connection *c, int wanted)
{
    struct epoll_event event = {.events = EPOLLIN | (wanted ? EPOLLOUT : 0u), .data.ptr = c};
    epoll_ctl(poller, EPOLL_CTL_MOD, c->socket, &event);
}

/* Closes a connection and forgets it. */
static void drop(struct connection *c)
{
    if (c->kind == SINK)
        sink.open--;
    if (c->of != NULL && c->of->next == c)
        c->of->next = NULL;
    if (c->of != NULL && c->of->poster == c)
        c->of->poster = NULL;
    close(c->socket);
    c->socket = -1;
    c->next_closed = closed;
    closed = c;
}

/* Opens a listener on loopback and writes its address. */
static struct connection *listen_here(enum kind kind, struct extension *of, char *address, size_t room)
{
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof own;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&own, sizeof own) < 0 || listen(listener, 4096) < 0 ||
        getsockname(listener, (struct sockaddr *)&own, &size) < 0)
        fail("listen");
    snprintf(address, room, "127.0.0.1:%d", ntohs(own.sin_port));
    return watch(listener, kind, of);
}

/* Opens the destination; every {sink} in a variable becomes its address. */
static void open_platform(void)
{
    poller = epoll_create1(EPOLL_CLOEXEC);
    if (poller < 0)
        fail("epoll");
    listen_here(SINK_LISTENER, NULL, sink_address, sizeof sink_address);
}

/* Opens the mock of one extension and makes its environment. */
static void open_extension(struct extension *e)
{
    char address[32], text[1024];
    memset(e, 0, sizeof *e);
    e->listener = listen_here(API_LISTENER, e, address, sizeof address);
    snprintf(e->api, sizeof e->api, "AWS_LAMBDA_RUNTIME_API=%s", address);
    e->environment[0] = e->api;
    for (int i = 0; variables[i] != NULL; i++) {
        char *found = strstr(variables[i], "{sink}");
        if (found != NULL)
            snprintf(text, sizeof text, "%.*s%s%s", (int)(found - variables[i]), variables[i], sink_address, found + 6);
        e->environment[i + 1] = found == NULL ? variables[i] : strdup(text);
    }
}

/* Starts a command in a process group of its own; the child writes the time right before its exec. */
static void spawn(struct extension *e, char **command, int silent)
{
    pid_t pid = vfork();
    if (pid < 0)
        fail("vfork");
    if (pid == 0) {
        setpgid(0, 0);
        if (silent) {
            int null = open("/dev/null", O_RDWR);
            dup2(null, 1);
            dup2(null, 2);
        }
        exec_at = now();
        execvpe(command[0], command, e->environment);
        _exit(127);
    }
    e->pid = pid;
}

/* Writes what is left of a message, as far as there is room. */
static void push(struct connection *c)
{
    while (c->left > 0) {
        ssize_t put = send(c->socket, c->out, c->left, MSG_NOSIGNAL);
        if (put < 0 && errno == EAGAIN) {
            want_room(c, 1);
            return;
        }
        if (put < 0)
            /* What reads finds out. */
            return;
        c->out += put;
        c->left -= (size_t)put;
    }
}

/* Sends a short message that fits any socket's buffer. */
static void reply(struct connection *c, const char *text)
{
    size_t length = strlen(text);
    if (send(c->socket, text, length, MSG_NOSIGNAL) != (ssize_t)length && errno != EPIPE && errno != ECONNRESET)
        fail("write");
}

/* The body of the message whose head ends where `end` points: its length, SIZE_MAX while that is not known. */
static size_t body_length(const struct connection *c, const char *end)
{
    char *size = strcasestr(c->bytes, "\r\ncontent-length:");
    if (size != NULL && size < end)
        return strtoul(size + 17, NULL, 10);
    char *chunked = strcasestr(c->bytes, "\r\ntransfer-encoding:");
    if (chunked == NULL || chunked > end)
        return 0;
    char *last = memmem(end + 2, c->have - (size_t)(end + 2 - c->bytes), "\r\n0\r\n\r\n", 7);
    return last == NULL ? SIZE_MAX : (size_t)(last + 7 - (end + 4));
}

/* Whether the first message in the buffer is whole; then the lengths of its head and of all of it. */
static int whole_message(const struct connection *c, size_t *head, size_t *all)
{
    c->bytes[c->have] = 0;
    char *end = strstr(c->bytes, "\r\n\r\n");
    if (end == NULL)
        return 0;
    size_t body = body_length(c, end);
    *head = (size_t)(end + 4 - c->bytes);
    *all = *head + body;
    return body != SIZE_MAX && c->have >= *all;
}

/* Reads where an extension wants telemetry out of its subscription. */
static void subscribe(struct extension *e, const char *body)
{
    const char *uri = strstr(body, "//sandbox");
    const char *port = uri == NULL ? NULL : strchr(uri, ':');
    if (port == NULL)
        return;
    e->port = atoi(port + 1);
    const char *path = port + 1 + strspn(port + 1, "0123456789");
    snprintf(e->path, sizeof e->path, "%.*s", (int)strcspn(path, "\""), path);
    if (e->path[0] != '/')
        strcpy(e->path, "/");
}

/* Answers one call of the Lambda APIs; GET next stays open. */
static void answer(struct connection *c, const char *body)
{
    static const char info[] = "{\"functionName\":\"bench\",\"functionVersion\":\"$LATEST\",\"handler\":\"index.handler\","
                               "\"accountId\":\"123456789012\"}";
    char text[512];
    struct extension *e = c->of;
    e->requests++;
    if (strncmp(c->bytes, "GET /2020-01-01/extension/event/next ", 37) == 0) {
        e->next = c;
        e->asked_at = now();
    } else if (strncmp(c->bytes, "POST /2020-01-01/extension/register ", 36) == 0) {
        snprintf(text, sizeof text,
                 "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                 "Lambda-Extension-Identifier: 3e3c9bb3-cb6b-4f4a-8f0e-d3a1b6b6f6b1\r\nContent-Length: %zu\r\n\r\n%s",
                 sizeof info - 1, info);
        reply(c, text);
    } else if (strncmp(c->bytes, "PUT /2022-07-01/telemetry ", 26) == 0 ||
               strncmp(c->bytes, "PUT /2020-08-15/logs ", 21) == 0) {
        subscribe(e, body);
        reply(c, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\n\"OK\"");
    } else {
        reply(c, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    }
}

/* Takes one request at the destination. */
static void take(struct connection *c, size_t head, size_t all)
{
    char *encoding = strcasestr(c->bytes, "\r\ncontent-encoding:");
    int packed = encoding != NULL && encoding < c->bytes + head;
    const char *at = c->bytes + head, *end = c->bytes + all;
    sink.requests++;
    sink.bytes += all - head;
    sink.last_at = now();
    reply(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    if (sink.keep != NULL) {
        fprintf(sink.keep, "%s %zu\n", packed ? "gzip" : "identity", all - head);
        fwrite(at, 1, all - head, sink.keep);
    }
    while (!packed && (at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
        sink.lines++;
        at++;
    }
}

/* Deals with the messages that have come whole. */
static void heed(struct connection *c)
{
    for (size_t head, all; c->have > 0 && whole_message(c, &head, &all);) {
        if (c->kind == API)
            answer(c, c->bytes + head);
        else if (c->kind == SINK)
            take(c, head, all);
        else
            c->of->posting = 0;
        c->have -= all;
        memmove(c->bytes, c->bytes + all, c->have);
    }
}

/* Takes new connections. */
static void welcome(struct connection *listener)
{
    int one = 1, socket;
    while ((socket = accept4(listener->socket, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
        setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (listener->kind == SINK_LISTENER) {
            sink.connections++;
            sink.open++;
            watch(socket, SINK, NULL);
        } else {
            listener->of->connections++;
            watch(socket, API, listener->of);
        }
    }
}

/* Reads what has come on a connection. */
static void hear(struct connection *c)
{
    for (;;) {
        if (c->room < c->have + READ_ROOM + 1) {
            c->room = c->have + (c->have > 4 * READ_ROOM ? c->have : 4 * READ_ROOM);
            if (c->kind == API)
                c->room = READ_ROOM + 1 + c->have;
            if ((c->bytes = realloc(c->bytes, c->room)) == NULL)
                fail("memory");
        }
        ssize_t got = recv(c->socket, c->bytes + c->have, READ_ROOM, 0);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (got <= 0) {
            drop(c);
            return;
        }
        c->have += (size_t)got;
        heed(c);
        if (got < READ_ROOM)
            return;
    }
}

/* Waits for at most so many milliseconds, and deals with everything that has come; returns how much that was. */
static int turn(int most_ms)
{
    struct epoll_event events[EVENTS];
    int count = epoll_wait(poller, events, EVENTS, most_ms);
    for (int i = 0; i < count; i++) {
        struct connection *c = events[i].data.ptr;
        if (c->socket < 0)
            continue;
        if (c->kind == API_LISTENER || c->kind == SINK_LISTENER) {
            welcome(c);
            continue;
        }
        if (events[i].events & EPOLLOUT) {
            push(c);
            if (c->left == 0)
                want_room(c, 0);
        }
        if (events[i].events & ~(unsigned)EPOLLOUT)
            hear(c);
    }
    return count;
}

/* Whether the process has ended; it is left to be waited for. */
static int has_ended(const struct extension *e)
{
    siginfo_t ended = {0};
    return waitid(P_PID, (id_t)e->pid, &ended, WEXITED | WNOHANG | WNOWAIT) == 0 && ended.si_pid == e->pid;
}

/* Hands a batch of telemetry over, as the platform does: one at a time on one connection. */
static inline void post(struct extension *e, const char *body, size_t length)
{
    if (e->poster == NULL) {
        struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons((unsigned short)e->port)};
        int one = 1, to = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        there.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (to < 0 || connect(to, (struct sockaddr *)&there, sizeof there) < 0)
            fail("connect to the extension's listener");
        setsockopt(to, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        fcntl(to, F_SETFL, O_NONBLOCK);
        e->poster = watch(to, POSTER, e);
    }
    int head = snprintf(e->head, sizeof e->head,
                        "POST %s HTTP/1.1\r\nHost: sandbox.localdomain:%d\r\nContent-Type: application/json\r\n"
                        "Content-Length: %zu\r\n\r\n",
                        e->path, e->port, length);
    if (send(e->poster->socket, e->head, (size_t)head, MSG_NOSIGNAL | MSG_MORE) != head)
        fail("post");
    e->posting = 1;
    e->poster->out = body;
    e->poster->left = length;
    /* Before it is written: what reads it may get the processor at once. */
    e->posted_at = now();
    push(e->poster);
}

/* Answers the open GET next. */
static void send_event(struct extension *e, const char *format, ...)
{
    char body[768];
    va_list words;
    va_start(words, format);
    int length = vsnprintf(body, sizeof body, format, words);
    va_end(words);
    snprintf(e->message, sizeof e->message,
             "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
             "Lambda-Extension-Event-Identifier: 7f2a7c1e-0000-4000-8000-000000000001\r\nContent-Length: %d\r\n\r\n%s",
             length, body);
    struct connection *c = e->next;
    e->next = NULL;
    if (c != NULL)
        reply(c, e->message);
}

/* Begins an invocation. */
static inline void invoke(struct extension *e, const char *request_id)
{
    send_event(e,
               "{\"eventType\":\"INVOKE\",\"deadlineMs\":%lld,\"requestId\":\"%s\",\"invokedFunctionArn\":"
               "\"arn:aws:lambda:eu-central-1:123456789012:function:bench\",\"tracing\":{\"type\":\"X-Amzn-Trace-Id\","
               "\"value\":\"Root=1-5f35ae12-0c0fec141ab77a00bc047aa2;Parent=2be948a625588e32;Sampled=1\"}}",
               wall_ms() + 60000, request_id);
}

/* The platform's event that begins or ends an invocation; returns its length. */
static inline int platform_event(char *into, size_t room, const char *request_id, int begins)
{
    return snprintf(into, room,
                    begins ? "{\"time\":\"%s\",\"type\":\"platform.start\",\"record\":{\"requestId\":\"%s\",\"version\":"
                             "\"$LATEST\",\"tracing\":{\"spanId\":\"4a2d3f7e1c9b8a65\",\"type\":\"X-Amzn-Trace-Id\","
                             "\"value\":\"Root=1-5f35ae12-0c0fec141ab77a00bc047aa2;Parent=2be948a625588e32;Sampled=1\"}}}"
                           : "{\"time\":\"%s\",\"type\":\"platform.runtimeDone\",\"record\":{\"requestId\":\"%s\","
                             "\"status\":\"success\",\"metrics\":{\"durationMs\":41.2,\"producedBytes\":12}}}",
                    wall_text(), request_id);
}

/* Ends the environment. */
static inline void shut_down(struct extension *e)
{
    send_event(e, "{\"eventType\":\"SHUTDOWN\",\"shutdownReason\":\"spindown\",\"deadlineMs\":%lld}", wall_ms() + 2000);
}

/* Kills what is left of a process and closes all that belongs to it; returns how it had ended and what it took. */
static int bury(struct extension *e, struct rusage *usage)
{
    int status;
    kill(-e->pid, SIGKILL);
    if (wait4(e->pid, &status, 0, usage) < 0)
        fail("wait");
    if (e->poster != NULL)
        drop(e->poster);
    drop(e->listener);
    /* Its other connections, which nobody must meet in the next run. */
    while (turn(0) > 0) {
    }
    return status;
}

/* The order of doubles for qsort. */
static inline int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The value below which the given share of the sorted ones lies. */
static inline double quantile(const double *sorted, int count, double share)
{
    return sorted[(int)(share * (count - 1) + 0.5)];
}

/* User and system time in milliseconds. */
static inline double spent(const struct rusage *usage)
{
    return (double)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * 1e3 +
           (double)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) / 1e3;
}
