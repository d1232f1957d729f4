/*
 * The ingest bench: one run of one command, from exec to its end, with everything it took as one JSON object on stdout.
 * It must not compare, repeat or judge: benches/run does.
 *
 * load [-i invocations] [-t times] [-b file] [-o file] [-s] [-e NAME=value]... command [word]...
 *   -b  batches of telemetry: for each the length, a line end and that many bytes of JSON array
 *   -t  how often all of them are posted, 1 by default
 *   -i  instead of one invocation that all batches belong to, so many with the first batch each; the hold of each is
 *       measured, from the moment that the batch with runtimeDone is written to the next GET next
 *   -o  a file that gets every request body at the destination, as the words `gzip` or `identity` and a length in a
 *       line, and then the bytes
 *   -s  what the command prints is not shown
 * {sink} in a variable is the destination's address. The commands get the variables of -e and the mock's address, and
 * no others.
 */
#include "platform.h"
#include <dirent.h>

enum { BATCHES = 4096, PATIENCE_MS = 60000, IDLE_MS = 300, QUIET_MS = 250, SHUTDOWN_MS = 2000, PAUSE_MS = 4 };

/* One prepared batch. */
struct batch {
    char *bytes;
    size_t length;
};

static struct batch batches[BATCHES];
static int batch_count;
static struct extension e;

/* Ends the bench over what the command did or left undone. */
static void give_up(const char *what)
{
    kill(-e.pid, SIGKILL);
    fprintf(stderr, "load: %s\n", what);
    exit(1);
}

/* Reads the batches of a file. */
static void read_batches(const char *path)
{
    FILE *file = fopen(path, "r");
    size_t length;
    if (file == NULL)
        fail(path);
    while (batch_count < BATCHES && fscanf(file, "%zu", &length) == 1 && fgetc(file) == '\n') {
        char *bytes = malloc(length + 1);
        if (bytes == NULL || fread(bytes, 1, length, file) != length)
            fail(path);
        batches[batch_count++] = (struct batch){bytes, length};
    }
    fclose(file);
}

/* Serves until the condition holds; the bench ends if it never does. */
#define AWAIT(condition, what)                                                                                         \
    do {                                                                                                               \
        double until_ = now() + PATIENCE_MS;                                                                           \
        while (!(condition)) {                                                                                         \
            if (turn(100) == 0 && has_ended(&e))                                                                       \
                give_up("it ended before " what);                                                                      \
            if (now() > until_)                                                                                        \
                give_up("waited too long until " what);                                                                \
        }                                                                                                              \
    } while (0)

/* Serves for so long. */
static void serve_ms(double ms)
{
    for (double end = now() + ms, left; (left = end - now()) > 0;)
        turn((int)left + 1);
}

/* Posts a batch and waits until it is taken. */
static void hand_over(const char *bytes, size_t length)
{
    post(&e, bytes, length);
    AWAIT(!e.posting || (e.poster == NULL), "a batch was taken");
}

/* A batch of one platform event. */
static void hand_over_event(const char *request_id, int begins)
{
    char text[768];
    int length = 1 + platform_event(text + 1, sizeof text - 2, request_id, begins);
    text[0] = '[';
    text[length++] = ']';
    hand_over(text, (size_t)length);
}

/* The user and system time that the process took so far, of all its threads, in milliseconds. */
static double process_ms(void)
{
    clockid_t clock;
    struct timespec at = {0};
    if (clock_getcpuclockid(e.pid, &clock) != 0 || clock_gettime(clock, &at) < 0)
        fail("the processor clock of the command");
    return (double)at.tv_sec * 1e3 + (double)at.tv_nsec / 1e6;
}

/* A number of kB in a file of /proc about the process; -1 if the kernel does not tell. */
static long proc_kb(const char *file, const char *name)
{
    char path[64], line[256];
    long found = -1;
    snprintf(path, sizeof path, "/proc/%d/%s", e.pid, file);
    FILE *text = fopen(path, "r");
    while (text != NULL && fgets(line, sizeof line, text) != NULL)
        if (strncmp(line, name, strlen(name)) == 0)
            found = atol(line + strlen(name));
    if (text != NULL)
        fclose(text);
    return found;
}

/* Prints the names of the process's threads as a JSON array. */
static void print_threads(void)
{
    char path[96], name[64];
    struct dirent *entry;
    int first = 1;
    snprintf(path, sizeof path, "/proc/%d/task", e.pid);
    DIR *tasks = opendir(path);
    printf("\"threads\":[");
    while (tasks != NULL && (entry = readdir(tasks)) != NULL) {
        snprintf(path, sizeof path, "/proc/%d/task/%.16s/comm", e.pid, entry->d_name);
        FILE *comm = entry->d_name[0] == '.' ? NULL : fopen(path, "r");
        if (comm == NULL)
            continue;
        if (fgets(name, sizeof name, comm) != NULL)
            printf("%s\"%.*s\"", first ? "" : ",", (int)strcspn(name, "\n\"\\"), name);
        first = 0;
        fclose(comm);
    }
    printf("],");
    if (tasks != NULL)
        closedir(tasks);
}

/* One invocation that all batches belong to. */
static void load(int times)
{
    static const char request_id[] = "4b142fc3-17b8-4cdb-a46b-a8dbe7918715";
    double began = now();
    invoke(&e, request_id);
    hand_over_event(request_id, 1);
    for (int time = 0; time < times; time++)
        for (int i = 0; i < batch_count; i++)
            hand_over(batches[i].bytes, batches[i].length);
    double taken = now();
    hand_over_event(request_id, 0);
    AWAIT(e.next != NULL, "it asked for the next event");
    do
        serve_ms(QUIET_MS);
    while (now() - sink.last_at < QUIET_MS);
    printf("\"taken_ms\":%.3f,\"sent_ms\":%.3f,", taken - began, sink.last_at - began);
}

/* Prints a list of times. */
static void print_times(const char *name, const double *times, int count)
{
    printf("\"%s\":[", name);
    for (int i = 0; i < count; i++)
        printf("%s%.4f", i == 0 ? "" : ",", times[i]);
    printf("],");
}

/* Many invocations, one after the other. */
static void hold(int invocations)
{
    double *held = calloc((size_t)invocations, sizeof *held), *sent = calloc((size_t)invocations, sizeof *sent);
    if (held == NULL || sent == NULL || batch_count == 0)
        fail("memory, or no batch");
    for (int i = 0; i < invocations; i++) {
        char request_id[40], text[768];
        snprintf(request_id, sizeof request_id, "4b142fc3-17b8-4cdb-a46b-%012d", i);
        invoke(&e, request_id);
        hand_over_event(request_id, 1);
        hand_over(batches[0].bytes, batches[0].length);
        /* What a function does meanwhile. */
        serve_ms(PAUSE_MS);
        int length = 1 + platform_event(text + 1, sizeof text - 2, request_id, 0);
        text[0] = '[';
        text[length++] = ']';
        post(&e, text, (size_t)length);
        double from = e.posted_at;
        AWAIT(e.next != NULL && !e.posting, "it asked for the next event");
        held[i] = e.asked_at - from;
        serve_ms(PAUSE_MS);
        sent[i] = sink.last_at - from;
    }
    print_times("held_ms", held, invocations);
    print_times("sent_ms", sent, invocations);
    free(held);
    free(sent);
}

int main(int count, char **words)
{
    int times = 1, invocations = 0, silent = 0, option;
    while ((option = getopt(count, words, "+i:t:b:o:se:")) != -1) {
        if (option == 'i')
            invocations = atoi(optarg);
        else if (option == 't')
            times = atoi(optarg);
        else if (option == 'b')
            read_batches(optarg);
        else if (option == 'o' && (sink.keep = fopen(optarg, "w")) == NULL)
            fail(optarg);
        else if (option == 's')
            silent = 1;
        else if (option == 'e')
            set_variable(optarg);
        else if (option == '?')
            complain("see the top of load.c for what it takes");
    }
    if (optind == count)
        complain("it takes a command");
    open_platform();
    open_extension(&e);
    spawn(&e, words + optind, silent);
    AWAIT(e.next != NULL, "it asked for its first event");
    printf("{\"start_ms\":%.4f,", e.asked_at - exec_at);
    serve_ms(IDLE_MS);
    double idle = process_ms();
    printf("\"idle_rss_kb\":%ld,\"idle_pss_kb\":%ld,\"start_cpu_ms\":%.4f,", proc_kb("status", "VmRSS:"),
           proc_kb("smaps_rollup", "Pss:"), idle);
    if (invocations > 0)
        hold(invocations);
    else if (batch_count > 0)
        load(times);
    printf("\"peak_rss_kb\":%ld,\"end_pss_kb\":%ld,", proc_kb("status", "VmHWM:"), proc_kb("smaps_rollup", "Pss:"));
    print_threads();
    shut_down(&e);
    for (double end = now() + SHUTDOWN_MS; now() < end && !has_ended(&e);)
        turn(10);
    struct rusage usage;
    int ended = has_ended(&e);
    bury(&e, &usage);
    if (sink.keep != NULL && fclose(sink.keep) != 0)
        fail("the file of -o");
    printf("\"ended\":%d,\"cpu_ms\":%.3f,\"user_ms\":%.3f,\"system_ms\":%.3f,", ended, spent(&usage) - idle,
           (double)usage.ru_utime.tv_sec * 1e3 + (double)usage.ru_utime.tv_usec / 1e3,
           (double)usage.ru_stime.tv_sec * 1e3 + (double)usage.ru_stime.tv_usec / 1e3);
    printf("\"requests\":%d,\"connections\":%d,\"bytes\":%zu,\"lines\":%zu}\n", sink.requests, sink.connections,
           sink.bytes, sink.lines);
    return 0;
}
