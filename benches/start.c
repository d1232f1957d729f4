/*
 * The start bench: how long from exec to an extension's first GET next, for several commands, against one local mock
 * of the Lambda APIs that answers at once.
 * The rounds are interleaved: a machine that gets busy gets busy for all commands alike.
 * It must not wait anywhere but for the command, and must not judge: limits are given on the command line.
 *
 * start [-n rounds] [-l limit] [-r file] [-e NAME=value]... [-c program]... [-- command [word]...]...
 * The first command is the floor that the others are compared with. With -l, a ratio of medians above the limit makes
 * the exit code 1. With -r, every single time is written to a file too, a line of round, command, wall and processor
 * milliseconds. The commands get the variables of -e and the mock's address, and no others.
 */
#include "platform.h"

enum { COMMANDS = 8, WARM_UPS = 5, PATIENCE_MS = 5000, MAX_ROUNDS = 100000 };

/* What one run of a command showed. */
struct run {
    double wall, cpu;
    int connections, requests;
};

/* One run from start to kill; everything of it is gone when this returns. */
static int measure(char **command, int silent, struct run *run)
{
    static struct extension e;
    struct rusage usage;
    open_extension(&e);
    spawn(&e, command, silent);
    double end = now() + PATIENCE_MS;
    while (e.next == NULL && now() < end)
        if (turn(100) == 0 && has_ended(&e))
            break;
    int asked = e.next != NULL;
    *run = (struct run){.wall = e.asked_at - exec_at, .connections = e.connections, .requests = e.requests};
    int status = bury(&e, &usage);
    run->cpu = spent(&usage);
    if (!asked && WIFEXITED(status))
        fprintf(stderr, "start: %s ended with %d before it asked for an event\n", command[0], WEXITSTATUS(status));
    else if (!asked)
        fprintf(stderr, "start: %s did not ask for an event within %d ms\n", command[0], PATIENCE_MS);
    return asked;
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

int main(int count, char **words)
{
    static char *single[COMMANDS][2];
    char **commands[COMMANDS + 1];
    int rounds = 200, number = 0, option;
    double limit = 0;
    FILE *raw = NULL;

    open_platform();
    while ((option = getopt(count, words, "+n:l:r:e:c:")) != -1) {
        if (option == 'n') {
            rounds = atoi(optarg);
        } else if (option == 'l') {
            limit = atof(optarg);
        } else if (option == 'r') {
            if ((raw = fopen(optarg, "w")) == NULL)
                fail(optarg);
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
                if (raw != NULL)
                    fprintf(raw, "%d %d %.4f %.4f\n", round, which, last[which].wall, last[which].cpu);
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
    if (raw != NULL && fclose(raw) != 0)
        fail("the file of -r");
    if (above)
        printf("\nabove the limit of %.2f times the floor\n", limit);
    return above;
}
