/*
 * The floor of the start bench: the least that a program can do to stand where brooklet stands when it asks for its
 * first event.
 */
#include "floor.h"

int main(void)
{
    char request[512];
    stand();
    return call(request, next_request(request, sizeof request)) == 200 ? 0 : 1;
}
