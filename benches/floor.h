/*
 * What the floors share: the calls of an extension up to its first GET next, over one raw socket.
 * It must stay without threads, allocation, configuration and error recovery: whatever it had, brooklet could hide.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

/* The answer of the last call, head and body. */
static char answer[8192];
/* The API's socket, its address, the socket that telemetry comes in on, and what the API calls us. */
static int api, listener;
static const char *address;
static char id[64];

/* Ends the floor over a call that the system or the API refused. */
static void fail(const char *what)
{
    perror(what);
    exit(1);
}

/* Sends one request and reads its answer to the end, head and body; returns the status. */
static int call(const char *request, size_t length)
{
    size_t have = 0;
    char *body = NULL;
    if (write(api, request, length) != (ssize_t)length)
        fail("write");
    for (;;) {
        ssize_t got = read(api, answer + have, sizeof answer - 1 - have);
        if (got <= 0)
            fail("read");
        have += (size_t)got;
        answer[have] = 0;
        body = strstr(answer, "\r\n\r\n");
        if (body == NULL)
            continue;
        char *size = strcasestr(answer, "\r\ncontent-length:");
        if (size == NULL || size > body)
            fail("an answer without its length");
        if (have >= (size_t)(body + 4 - answer) + strtoul(size + 17, NULL, 10))
            return atoi(answer + 9);
    }
}

/* Copies one header's value out of the answer. */
static void header(const char *name, char *into, size_t room)
{
    char *found = strcasestr(answer, name);
    if (found == NULL)
        fail(name);
    found += strlen(name);
    found += strspn(found, ": ");
    size_t length = strcspn(found, "\r");
    if (length >= room)
        length = room - 1;
    memcpy(into, found, length);
    into[length] = 0;
}

/* Opens a listener, registers and subscribes. */
static void stand(void)
{
    char host[64], request[1024];
    address = getenv("AWS_LAMBDA_RUNTIME_API");
    const char *colon = address ? strchr(address, ':') : NULL;
    if (colon == NULL || (size_t)(colon - address) >= sizeof host)
        fail("AWS_LAMBDA_RUNTIME_API");
    memcpy(host, address, (size_t)(colon - address));
    host[colon - address] = 0;

    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = INADDR_ANY};
    socklen_t size = sizeof own;
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&own, sizeof own) < 0 || listen(listener, 16) < 0 ||
        getsockname(listener, (struct sockaddr *)&own, &size) < 0)
        fail("listen");

    struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(colon + 1))};
    int one = 1;
    api = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (inet_pton(AF_INET, host, &there.sin_addr) != 1 || api < 0 ||
        setsockopt(api, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) < 0 ||
        connect(api, (struct sockaddr *)&there, sizeof there) < 0)
        fail("connect");

    const char *body = "{\"events\":[\"INVOKE\",\"SHUTDOWN\"]}";
    int length = snprintf(request, sizeof request,
                          "POST /2020-01-01/extension/register HTTP/1.1\r\nHost: %s\r\nLambda-Extension-Name: floor\r\n"
                          "Lambda-Extension-Accept-Feature: accountId\r\nContent-Type: application/json\r\n"
                          "Content-Length: %zu\r\n\r\n%s",
                          address, strlen(body), body);
    if (call(request, (size_t)length) != 200)
        fail("register");
    header("Lambda-Extension-Identifier", id, sizeof id);

    char subscription[512];
    int bytes = snprintf(subscription, sizeof subscription,
                         "{\"schemaVersion\":\"2025-01-29\",\"types\":[\"platform\",\"function\"],\"buffering\":"
                         "{\"maxItems\":1000,\"maxBytes\":262144,\"timeoutMs\":25},\"destination\":"
                         "{\"protocol\":\"HTTP\",\"URI\":\"http://sandbox.localdomain:%d\"}}",
                         ntohs(own.sin_port));
    length = snprintf(request, sizeof request,
                      "PUT /2022-07-01/telemetry HTTP/1.1\r\nHost: %s\r\nLambda-Extension-Identifier: %s\r\n"
                      "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
                      address, id, bytes, subscription);
    if (call(request, (size_t)length) != 200)
        fail("subscribe");
}

/* The request for the next event; returns its length. */
static size_t next_request(char *into, size_t room)
{
    return (size_t)snprintf(into, room,
                            "GET /2020-01-01/extension/event/next HTTP/1.1\r\nHost: %s\r\n"
                            "Lambda-Extension-Identifier: %s\r\n\r\n",
                            address, id);
}
