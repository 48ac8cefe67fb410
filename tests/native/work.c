/* Functions that call one another and then the program: what is between the Python frames is known. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stddef.h>

typedef void (*callback)(void);

#define NOT_INLINED __attribute__((noinline))

/* Whoever calls has something left to do, so that no call becomes a jump. */
static volatile int done;

NOT_INLINED void gamma_(callback back) {
    back();
    done++;
}

NOT_INLINED void beta_(callback back) {
    /* A frame of a size that is not known before. */
    volatile char room[done % 7 + 64];
    room[0] = 1;
    gamma_(back);
    done += room[0];
}

NOT_INLINED void alpha_(callback back) {
    beta_(back);
    done++;
}

static callback wanted;

static void on_signal(int number) {
    (void)number;
    wanted();
    done++;
}

/* The program is called from a signal's handler. */
NOT_INLINED void interrupted_(callback back) {
    wanted = back;
    signal(SIGUSR2, on_signal);
    raise(SIGUSR2);
    done++;
}

NOT_INLINED void spins_(void) {
    for (;;) done++;
}

static void *on_thread(void *unused) {
    pthread_setname_np(pthread_self(), "busy; worker");
    spins_();
    return unused;
}

/* A thread beside the program, which runs no Python. */
NOT_INLINED void threaded_(callback back) {
    pthread_t thread;
    pthread_create(&thread, NULL, on_thread, NULL);
    back();
    done++;
}

/* A stack that begins at a round address, as code with vector registers has it. */
NOT_INLINED void realigned_(callback back) {
    __attribute__((aligned(64))) volatile char room[64];
    room[0] = 1;
    gamma_(back);
    done += room[0];
}
