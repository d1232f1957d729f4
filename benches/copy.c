/*
 * The floor of the ingest bench: reads the same POSTs as brooklet and writes the same bytes to the destination, and
 * does nothing between the two. What it takes of the processor is the kernel's work with the sockets, which nobody who
 * does the same job can do without.
 *
 * $FLOOR_BODIES is a file of recorded request bodies (see load.c), $FLOOR_POSTS how many POSTs will come, and
 * $FLOOR_SINK the destination's address. After each POST the same share of the bodies has been written.
 */
#include "floor.h"
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>

enum { ROOM = 4 << 20, BODIES = 65536 };

/* One recorded body. */
struct body {
    const char *bytes;
    size_t length;
    int packed;
};

static struct body bodies[BODIES];
static int count, written, to_sink = -1;
static char incoming[ROOM + 1];

/* The number that a text begins with, and what is behind it. Nothing here may be a C library's that looks for the
 * text's end first, as zig's do: these texts are long. */
static size_t number(const char *text, const char **after)
{
    size_t value = 0;
    while (*text == ' ')
        text++;
    for (; *text >= '0' && *text <= '9'; text++)
        value = value * 10 + (size_t)(*text - '0');
    if (after != NULL)
        *after = text;
    return value;
}

/* Finds the bodies in the file. All of it is in memory before the clock starts. */
static void load_bodies(void)
{
    struct stat about;
    int file = open(getenv("FLOOR_BODIES"), O_RDONLY);
    if (file < 0 || fstat(file, &about) < 0)
        fail("FLOOR_BODIES");
    const char *at = mmap(NULL, (size_t)about.st_size + 1, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file, 0);
    if (at == MAP_FAILED)
        fail("mmap");
    for (const char *end = at + about.st_size; at < end && count < BODIES; count++) {
        const char *after;
        bodies[count].packed = *at == 'g';
        while (*at != ' ')
            at++;
        bodies[count].length = number(at, &after);
        bodies[count].bytes = after + 1;
        at = after + 1 + bodies[count].length;
    }
}

/* Connects to the destination. */
static void connect_sink(void)
{
    const char *where = getenv("FLOOR_SINK");
    struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(strchr(where, ':') + 1))};
    int one = 1;
    there.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to_sink = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (to_sink < 0 || setsockopt(to_sink, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) < 0 ||
        connect(to_sink, (struct sockaddr *)&there, sizeof there) < 0)
        fail("connect to the sink");
}

/* Writes the next body to the destination and reads the answer. */
static void send_body(void)
{
    const struct body *body = &bodies[written++];
    char head[256], reply[512];
    int length = snprintf(head, sizeof head, "POST / HTTP/1.1\r\nHost: sink\r\n%sContent-Length: %zu\r\n\r\n",
                          body->packed ? "Content-Encoding: gzip\r\n" : "", body->length);
    struct iovec parts[2] = {{head, (size_t)length}, {(char *)body->bytes, body->length}};
    size_t left = (size_t)length + body->length;
    if (to_sink < 0)
        connect_sink();
    while (left > 0) {
        ssize_t put = writev(to_sink, parts, 2);
        if (put <= 0)
            fail("write to the sink");
        left -= (size_t)put;
        for (int i = 0; i < 2; i++) {
            size_t of_it = (size_t)put < parts[i].iov_len ? (size_t)put : parts[i].iov_len;
            parts[i].iov_base = (char *)parts[i].iov_base + of_it;
            parts[i].iov_len -= of_it;
            put -= (ssize_t)of_it;
        }
    }
    if (read(to_sink, reply, sizeof reply) <= 0)
        fail("read from the sink");
}

/* The length of the POST whose first bytes are here; 0 while its head is not whole. */
static size_t post_length(size_t have)
{
    size_t body = 0;
    for (const char *at = incoming; at + 4 <= incoming + have; at++) {
        if (memcmp(at, "\r\n\r\n", 4) == 0)
            return (size_t)(at + 4 - incoming) + body;
        if (*at == '\n' && strncasecmp(at + 1, "content-length:", 15) == 0)
            body = number(at + 16, NULL);
    }
    return 0;
}

/* Reads one POST and answers it; 0 when the connection is over. */
static int take_post(int from)
{
    size_t have = 0, all = 0;
    while (all == 0 || have < all) {
        ssize_t got = read(from, incoming + have, ROOM - have);
        if (got <= 0)
            return 0;
        have += (size_t)got;
        incoming[have] = 0;
        if (all == 0)
            all = post_length(have);
    }
    static const char taken[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    return write(from, taken, sizeof taken - 1) == (ssize_t)sizeof taken - 1;
}

int main(void)
{
    char request[512];
    int posts = atoi(getenv("FLOOR_POSTS")), taken = 0;
    load_bodies();
    stand();
    size_t length = next_request(request, sizeof request);
    call(request, length);
    int from = accept(listener, NULL, NULL);
    while (taken < posts && take_post(from)) {
        taken++;
        while (written < (int)((long long)count * taken / posts))
            send_body();
    }
    /* SHUTDOWN comes. */
    call(request, length);
    return 0;
}
