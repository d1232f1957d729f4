/*
 * The fleet: many environments, each with a real process of the command, against one destination; what the destination
 * sees of it as one JSON object on stdout. Environments start within a second, are invoked at times by chance and are
 * frozen between invocations, as on Lambda.
 * It must not judge, and must not know what the command's options mean.
 *
 * fleet [-n environments] [-g ms between invocations] [-d ms an invocation] [-l lines] [-w ms to warm up] [-t ms measured]
 *       [-e NAME=value]... command [word]...
 */
#include "platform.h"
#include <math.h>
#include <sys/resource.h>

enum { ENVIRONMENTS = 4000, SPREAD_MS = 1000, TICK_MS = 100, TICKS = 100000, LINES = 1000, END_MS = 2000 };

/* What an environment is about to do. */
enum state { UNBORN, STARTING, IDLE, RUNNING, TELLING, WAITING };

/* One environment: a function, and the extension beside it. */
struct environment {
    struct extension extension;
    enum state state;
    /* When it does the next thing by itself, and when it was to be invoked last. */
    double due, invoked_at;
    /* Its telemetry that the platform has not handed over yet. */
    char *batch;
    int length, frozen;
};

/* What the destination has seen at a moment. */
struct seen {
    int connections, requests;
    size_t bytes;
};

static struct environment *fleet;
static int environments = 100, lines = 10, invocations;
static double gap_ms = 1000, duration_ms = 100;
static struct seen ticks[TICKS];
static int tick_count, most_open;

/* A number from 0 to 1 by chance, the same row of them in every run. */
static double chance(void)
{
    static unsigned long long state = 88172645463325252ULL;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (double)(state >> 11) / 9007199254740992.0;
}

/* What the destination has seen until now. */
static struct seen seen(void)
{
    return (struct seen){sink.connections, sink.requests, sink.bytes};
}

/* Writes the telemetry of an invocation that is over. */
static void write_batch(struct environment *v, const char *request_id)
{
    size_t room = 2048 + (size_t)lines * 256;
    if (v->batch == NULL && (v->batch = malloc(room)) == NULL)
        fail("memory");
    char *at = v->batch, *end = v->batch + room;
    *at++ = '[';
    at += platform_event(at, (size_t)(end - at), request_id, 1);
    for (int i = 0; i < lines; i++)
        at += snprintf(at, (size_t)(end - at),
                       ",{\"time\":\"%s\",\"type\":\"function\",\"record\":\"%s\\t%s\\tINFO\\torder %06d received: %d items, "
                       "%.2f EUR, prepaid\\n\"}",
                       wall_text(), wall_text(), request_id, (int)(chance() * 1e6), (int)(chance() * 30), chance() * 1e3);
    *at++ = ',';
    at += platform_event(at, (size_t)(end - at), request_id, 0);
    *at++ = ']';
    v->length = (int)(at - v->batch);
}

/* Hands over what the platform has gathered. */
static void tell(struct environment *v)
{
    if (v->length > 0)
        post(&v->extension, v->batch, (size_t)v->length);
    v->length = 0;
}

/* Begins an invocation. */
static void begin(struct environment *v)
{
    char request_id[40];
    snprintf(request_id, sizeof request_id, "%08x-17b8-4cdb-a46b-%012d", (unsigned)(chance() * 4e9), invocations++);
    kill(v->extension.pid, SIGCONT);
    v->frozen = 0;
    /* What was left when it was frozen comes with the thaw. */
    tell(v);
    invoke(&v->extension, request_id);
    write_batch(v, request_id);
    v->state = RUNNING;
    v->invoked_at = v->due;
    v->due = now() + duration_ms * (0.5 + chance());
}

/* Freezes an environment until its next invocation. */
static void rest(struct environment *v)
{
    kill(v->extension.pid, SIGSTOP);
    v->frozen = 1;
    v->state = IDLE;
    double due = v->invoked_at - gap_ms * log(1 - chance());
    v->due = due > now() ? due : now();
}

/* Lets an environment do what is due. */
static void advance(struct environment *v, char **command)
{
    struct extension *e = &v->extension;
    double at = now();
    switch (v->state) {
    case UNBORN:
        if (at >= v->due) {
            open_extension(e);
            spawn(e, command, 1);
            v->state = STARTING;
        }
        break;
    case STARTING:
        /* An environment is made because there is an invocation for it. */
        if (e->next != NULL)
            begin(v);
        break;
    case IDLE:
        if (at >= v->due)
            begin(v);
        break;
    case RUNNING:
        /* The runtime is done; without an extension that waits, the environment is frozen at once. */
        if (at >= v->due) {
            v->state = TELLING;
            v->due = at + 25 * chance();
        }
        break;
    case TELLING:
        if (e->next != NULL && !e->posting) {
            rest(v);
        } else if (at >= v->due) {
            tell(v);
            v->state = WAITING;
        }
        break;
    case WAITING:
        if (e->next != NULL && !e->posting)
            rest(v);
        break;
    }
}

/* Plays the platform until a moment. */
static void play(double end, double began, char **command)
{
    while (now() < end) {
        turn(1);
        for (int i = 0; i < environments; i++)
            advance(&fleet[i], command);
        if (sink.open > most_open)
            most_open = sink.open;
        while (tick_count < TICKS && now() >= began + tick_count * TICK_MS)
            ticks[tick_count++] = seen();
    }
}

/* Prints what the destination saw between two moments. */
static void report(const char *name, int from, int to)
{
    int connections = 0, requests = 0, second = 1000 / TICK_MS;
    for (int i = from; i + second <= to; i++) {
        int more = ticks[i + second].connections - ticks[i].connections;
        connections = more > connections ? more : connections;
        more = ticks[i + second].requests - ticks[i].requests;
        requests = more > requests ? more : requests;
    }
    printf("\"%s\":{\"seconds\":%.1f,\"connections\":%d,\"requests\":%d,\"bytes\":%zu,\"most_connections_a_second\":%d,"
           "\"most_requests_a_second\":%d},",
           name, (to - from) * TICK_MS / 1e3, ticks[to].connections - ticks[from].connections,
           ticks[to].requests - ticks[from].requests, ticks[to].bytes - ticks[from].bytes, connections, requests);
}

int main(int count, char **words)
{
    int option, warm_ms = 10000, measured_ms = 20000;
    while ((option = getopt(count, words, "+n:g:d:l:w:t:e:")) != -1) {
        if (option == 'n')
            environments = atoi(optarg);
        else if (option == 'g')
            gap_ms = atof(optarg);
        else if (option == 'd')
            duration_ms = atof(optarg);
        else if (option == 'l')
            lines = atoi(optarg);
        else if (option == 'w')
            warm_ms = atoi(optarg);
        else if (option == 't')
            measured_ms = atoi(optarg);
        else if (option == 'e')
            set_variable(optarg);
        else
            complain("see the top of fleet.c for what it takes");
    }
    if (optind == count || environments < 1 || environments > ENVIRONMENTS || lines < 0 || lines > LINES)
        complain("it takes a command, and not too many environments or lines");
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    if ((fleet = calloc((size_t)environments, sizeof *fleet)) == NULL)
        fail("memory");
    open_platform();
    double began = now();
    for (int i = 0; i < environments; i++)
        fleet[i].due = fleet[i].invoked_at = began + SPREAD_MS * chance();

    play(began + warm_ms, began, words + optind);
    int first = tick_count - 1, before = invocations;
    play(began + warm_ms + measured_ms, began, words + optind);
    int last = tick_count - 1, after = invocations;
    for (int i = 0; i < environments; i++) {
        kill(fleet[i].extension.pid, SIGCONT);
        tell(&fleet[i]);
        shut_down(&fleet[i].extension);
    }
    for (double end = now() + END_MS; now() < end;) {
        turn(10);
        /* Those that ran an invocation ask once more. */
        for (int i = 0; i < environments; i++)
            if (fleet[i].extension.next != NULL)
                shut_down(&fleet[i].extension);
        while (tick_count < TICKS && now() >= began + tick_count * TICK_MS)
            ticks[tick_count++] = seen();
    }
    int failed = 0;
    for (int i = 0; i < environments; i++) {
        struct rusage usage;
        int status = bury(&fleet[i].extension, &usage);
        failed += !WIFEXITED(status) || WEXITSTATUS(status) != 0;
    }
    printf("{\"environments\":%d,\"gap_ms\":%.0f,\"duration_ms\":%.0f,\"lines\":%d,\"invocations\":%d,", environments,
           gap_ms, duration_ms, lines, after - before);
    report("start", 0, first);
    report("steady", first, last);
    report("end", last, tick_count - 1);
    printf("\"most_open\":%d,\"failed\":%d}\n", most_open, failed);
    return 0;
}
