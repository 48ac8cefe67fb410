/* Compiled without unwind tables, but with debugging information: the way out of alpha_ depends on what its callee returns, so
   that it can not be told from its instructions. */
typedef long (*callback)(void);

static volatile long done;

__attribute__((noinline)) long alpha_(callback back) {
    volatile char room[100];
    static const void *const ways[] = {&&first, &&second};
    room[0] = 1;
    goto *ways[back() & 1];
first:
    done += room[0];
    return 1;
second:
    done -= room[0];
    return 2;
}
