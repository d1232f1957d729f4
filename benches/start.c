/*
 * The start bench: how long from exec to an extension's first GET next, for several commands, against one local mock
 * of the Lambda APIs that answers at once.
 * Mock, starter and clock are this one process, so that nothing but the command under test and the kernel is between
 * the two times. The rounds are interleaved: a machine that gets busy gets busy for all commands alike.
 * It must not wait anywhere but for the command, and must not judge: limits are given on the command line.
 *
 * start [-n rounds] [-l limit] [-e NAME=value]... [-c program]... [-- command [word]...]...
 * The first command is the floor that the others are compared with. With -l, a ratio of medians above the limit makes
 * the exit code 1. The commands get the variables of -e and the mock's address, and no others.
 */
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
#include <strings.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { COMMANDS = 8, CONNECTIONS = 16, ROOM = 16384, VARIABLES = 64, WARM_UPS = 5 };
enum { PATIENCE_MS = 5000, MAX_ROUNDS = 100000 };

/* One connection of the mock: what has come of the request that is being read. */
struct connection {
    int socket;
    size_t have;
    char bytes[ROOM];
};

/* What one run of a command showed. */
struct run {
    double wall, cpu;
    int connections, requests;
};

static struct connection connections[CONNECTIONS];
static int listener;
static char api_variable[64];
/* The answer to a registration, made once. */
static char registered[512];
static char *environment[VARIABLES + 1];
/* Written by the child, which shares our memory until its exec. */
static volatile double exec_at;

/* Ends the bench over a mistake in how it was called. */
static void complain(const char *what)
{
    fprintf(stderr, "start: %s\n", what);
    exit(2);
}

/* Ends the bench over a call that the system refused. */
static void fail(const char *what)
{
    fprintf(stderr, "start: %s: %s\n", what, strerror(errno));
    exit(2);
}

/* Milliseconds of a clock that never goes back. */
static double now(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec * 1e3 + (double)at.tv_nsec / 1e6;
}

/* Opens the mock and writes what it will say. */
static void listen_here(void)
{
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof own;
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&own, sizeof own) < 0 || listen(listener, 64) < 0 ||
        getsockname(listener, (struct sockaddr *)&own, &size) < 0)
        fail("listen");
    const char *body = "{\"functionName\":\"bench\",\"functionVersion\":\"$LATEST\",\"handler\":\"index.handler\","
                       "\"accountId\":\"123456789012\"}";
    snprintf(registered, sizeof registered,
             "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
             "Lambda-Extension-Identifier: 3e3c9bb3-cb6b-4f4a-8f0e-d3a1b6b6f6b1\r\nContent-Length: %zu\r\n\r\n%s",
             strlen(body), body);
    snprintf(api_variable, sizeof api_variable, "AWS_LAMBDA_RUNTIME_API=127.0.0.1:%d", ntohs(own.sin_port));
}

/* The length of the first whole request in the buffer; 0 if it is not all there. */
static size_t whole_request(struct connection *c)
{
    c->bytes[c->have] = 0;
    char *end = strstr(c->bytes, "\r\n\r\n");
    if (end == NULL)
        return 0;
    size_t head = (size_t)(end + 4 - c->bytes), body = 0;
    char *size = strcasestr(c->bytes, "\r\ncontent-length:");
    char *chunked = strcasestr(c->bytes, "\r\ntransfer-encoding:");
    if (size != NULL && size < end) {
        body = strtoul(size + 17, NULL, 10);
    } else if (chunked != NULL && chunked < end) {
        char *last = strstr(end + 2, "\r\n0\r\n\r\n");
        if (last == NULL)
            return 0;
        body = (size_t)(last + 7 - c->bytes) - head;
    }
    return c->have >= head + body ? head + body : 0;
}

/* Answers one request; returns 1 if it was the one that the clock waits for, which is left unanswered. */
static int answer(struct connection *c)
{
    static const char subscribed[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\n\"OK\"";
    static const char unknown[] = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
    const char *text = unknown;
    size_t length = sizeof unknown - 1;
    if (strncmp(c->bytes, "GET /2020-01-01/extension/event/next ", 37) == 0)
        return 1;
    if (strncmp(c->bytes, "POST /2020-01-01/extension/register ", 36) == 0) {
        text = registered;
        length = strlen(registered);
    } else if (strncmp(c->bytes, "PUT /2022-07-01/telemetry ", 26) == 0 ||
               strncmp(c->bytes, "PUT /2020-08-15/logs ", 21) == 0) {
        text = subscribed;
        length = sizeof subscribed - 1;
    }
    if (write(c->socket, text, length) != (ssize_t)length)
        fail("write");
    return 0;
}

/* Starts a command in a process group of its own; the child writes the time right before its exec. */
static pid_t spawn(char **command, int silent)
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
        execvpe(command[0], command, environment);
        _exit(127);
    }
    return pid;
}

/* Plays the platform until the command asks for its first event; returns 0 if it never does. */
static int serve(pid_t pid, struct run *run)
{
    double end = now() + PATIENCE_MS;
    while (now() < end) {
        struct pollfd polled[CONNECTIONS + 1] = {{.fd = listener, .events = POLLIN}};
        for (int i = 0; i < CONNECTIONS; i++)
            polled[i + 1] = (struct pollfd){.fd = connections[i].socket, .events = POLLIN};
        int ready = poll(polled, CONNECTIONS + 1, 100);
        siginfo_t ended = {0};
        if (ready == 0 && waitid(P_PID, (id_t)pid, &ended, WEXITED | WNOHANG | WNOWAIT) == 0 && ended.si_pid == pid)
            return 0;
        if (polled[0].revents & POLLIN) {
            int one = 1, socket = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
            for (int i = 0; socket >= 0 && i < CONNECTIONS; i++) {
                if (connections[i].socket < 0) {
                    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                    connections[i].socket = socket;
                    connections[i].have = 0;
                    run->connections++;
                    break;
                }
            }
        }
        for (int i = 0; i < CONNECTIONS; i++) {
            struct connection *c = &connections[i];
            if (c->socket < 0 || polled[i + 1].fd != c->socket || !polled[i + 1].revents)
                continue;
            ssize_t got = read(c->socket, c->bytes + c->have, ROOM - 1 - c->have);
            if (got <= 0) {
                close(c->socket);
                c->socket = -1;
                continue;
            }
            c->have += (size_t)got;
            for (size_t length; (length = whole_request(c)) > 0;) {
                run->requests++;
                if (answer(c)) {
                    run->wall = now() - exec_at;
                    return 1;
                }
                memmove(c->bytes, c->bytes + length, c->have - length);
                c->have -= length;
            }
        }
    }
    return 0;
}

/* One run from start to kill; everything of it is gone when this returns. */
static int measure(char **command, int silent, struct run *run)
{
    memset(run, 0, sizeof *run);
    pid_t pid = spawn(command, silent);
    int asked = serve(pid, run);
    struct rusage usage;
    int status, leftover;
    kill(-pid, SIGKILL);
    if (wait4(pid, &status, 0, &usage) < 0)
        fail("wait");
    run->cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e3 +
               (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e3;
    for (int i = 0; i < CONNECTIONS; i++) {
        if (connections[i].socket >= 0)
            close(connections[i].socket);
        connections[i].socket = -1;
    }
    while ((leftover = accept(listener, NULL, NULL)) >= 0)
        close(leftover);
    if (!asked && WIFEXITED(status))
        fprintf(stderr, "start: %s ended with %d before it asked for an event\n", command[0], WEXITSTATUS(status));
    else if (!asked)
        fprintf(stderr, "start: %s did not ask for an event within %d ms\n", command[0], PATIENCE_MS);
    return asked;
}

/* The order of doubles for qsort. */
static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The value below which the given share of the sorted ones lies. */
static double quantile(const double *sorted, int count, double share)
{
    return sorted[(int)(share * (count - 1) + 0.5)];
}

/* The words of a command as one label, of a width that fits the table. */
static void label(char **command, char *into, size_t room)
{
    const char *base = command[0] + strlen(command[0]);
    /* A layer's two ways in differ in their folders. */
    for (int slashes = 0; base > command[0] && (slashes += base[-1] == '/') < 2;)
        base--;
    size_t used = (size_t)snprintf(into, room, "%s", base);
    for (int i = 1; command[i] != NULL && used < room; i++)
        used += (size_t)snprintf(into + used, room - used, " %s", command[i]);
}

/* Takes one variable; a later one takes the place of an earlier one of that name. */
static void set_variable(char *text)
{
    size_t name = strcspn(text, "=") + 1;
    int i = 0;
    while (environment[i] != NULL && strncmp(environment[i], text, name) != 0)
        i++;
    if (i == VARIABLES)
        complain("too many variables");
    environment[i] = text;
}

int main(int count, char **words)
{
    static char *single[COMMANDS][2];
    char **commands[COMMANDS + 1];
    int rounds = 200, number = 0, option;
    double limit = 0;

    listen_here();
    set_variable(api_variable);
    while ((option = getopt(count, words, "+n:l:e:c:")) != -1) {
        if (option == 'n') {
            rounds = atoi(optarg);
        } else if (option == 'l') {
            limit = atof(optarg);
        } else if (option == 'e') {
            set_variable(optarg);
        } else if (option == 'c' && number < COMMANDS) {
            single[number][0] = optarg;
            commands[number] = single[number];
            number++;
        } else {
            complain("see the top of start.c for what it takes");
        }
    }
    /* The first pair of dashes is the end of the options, every other one the end of a command. */
    for (int i = optind; i < count; i++) {
        if (i > optind && strcmp(words[i], "--") != 0)
            continue;
        if (i > optind)
            words[i++] = NULL;
        if (number == COMMANDS || i == count)
            complain("too many commands, or one without words");
        commands[number++] = words + i;
    }
    if (number == 0 || rounds < 1 || rounds > MAX_ROUNDS)
        complain("it takes at least one command and one round");
    for (int i = 0; i < CONNECTIONS; i++)
        connections[i].socket = -1;

    size_t runs = (size_t)rounds * (size_t)number;
    double *wall = calloc(runs, sizeof *wall), *cpu = calloc(runs, sizeof *cpu), floor = 0;
    double *ratio = calloc((size_t)rounds, sizeof *ratio), *sorted = calloc((size_t)rounds, sizeof *sorted);
    struct run last[COMMANDS];
    if (wall == NULL || cpu == NULL || ratio == NULL || sorted == NULL)
        fail("memory");
    for (int round = -WARM_UPS; round < rounds; round++) {
        for (int turn = 0; turn < number; turn++) {
            /* Each round begins with another command, so that none always comes after the same one. */
            int which = (turn + round + WARM_UPS) % number;
            /* The first run of each shows what the command writes; the others must not pay for a terminal. */
            if (!measure(commands[which], round > -WARM_UPS, &last[which]))
                return 2;
            if (round >= 0) {
                wall[which * rounds + round] = last[which].wall;
                cpu[which * rounds + round] = last[which].cpu;
            }
        }
    }

    int above = 0;
    printf("exec to the first GET next, %d rounds, interleaved; times in ms\n\n", rounds);
    printf("%-34s %7s %7s %7s %7s %7s %8s %15s %6s %6s\n", "", "min", "median", "p90", "cpu", "+ floor", "x floor",
           "quartiles of it", "conns", "calls");
    for (int which = 0; which < number; which++) {
        char name[35];
        for (int round = 0; round < rounds; round++) {
            /* Round by round, as neighbours in time met the same machine. */
            ratio[round] = wall[which * rounds + round] / wall[round];
            sorted[round] = wall[which * rounds + round];
        }
        qsort(ratio, (size_t)rounds, sizeof *ratio, ascending);
        qsort(sorted, (size_t)rounds, sizeof *sorted, ascending);
        qsort(cpu + which * rounds, (size_t)rounds, sizeof *cpu, ascending);
        double median = quantile(sorted, rounds, 0.5);
        if (which == 0)
            floor = median;
        label(commands[which], name, sizeof name);
        printf("%-34s %7.3f %7.3f %7.3f %7.3f %7.3f %8.2f %7.2f-%-7.2f %6d %6d\n", name, sorted[0], median,
               quantile(sorted, rounds, 0.9), quantile(cpu + which * rounds, rounds, 0.5), median - floor,
               median / floor, quantile(ratio, rounds, 0.25), quantile(ratio, rounds, 0.75),
               last[which].connections, last[which].requests);
        above |= limit > 0 && median / floor > limit;
    }
    if (above)
        printf("\nabove the limit of %.2f times the floor\n", limit);
    return above;
}
