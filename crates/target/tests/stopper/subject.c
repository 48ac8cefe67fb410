// A program that notices what is done to it. Its first argument says which one.
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static char **arguments;

static void say(const char *word, long number) {
    char line[64];
    int length = snprintf(line, sizeof line, "%s %ld\n", word, number);
    if (write(1, line, length) != length) _exit(3);
}

static void hear(void) {
    char byte;
    if (read(0, &byte, 1) != 1) _exit(4);
}

static int epoll, listener, semaphores;
static sigset_t winch;
static const struct timespec millisecond = {0, 1000000};

static void prepare(void) {
    epoll = epoll_create1(0);
    struct sockaddr_un unnamed = {.sun_family = AF_UNIX};
    struct timeval time = {0, 1000};
    listener = socket(AF_UNIX, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&unnamed, sizeof(sa_family_t)) || listen(listener, 1)) _exit(5);
    if (setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time)) _exit(6);
    semaphores = semget(IPC_PRIVATE, 1, 0600);
    sigemptyset(&winch);
    sigaddset(&winch, SIGUSR2);
}

// Calls of a millisecond that end with EINTR when their thread is stopped (signal(7)).
static int call(const char *name) {
    struct epoll_event event;
    if (!strcmp(name, "epoll_wait")) return epoll_wait(epoll, &event, 1, 1);
    if (!strcmp(name, "epoll_pwait2")) return syscall(SYS_epoll_pwait2, epoll, &event, 1, &millisecond, 0, 0);
    if (!strcmp(name, "accept")) return accept(listener, 0, 0);
    if (!strcmp(name, "sigtimedwait")) return sigtimedwait(&winch, 0, &millisecond);
    struct sembuf down = {0, -1, 0};
    if (!strcmp(name, "semtimedop")) return semtimedop(semaphores, &down, 1, &millisecond);
    _exit(7);
}

// calls NAME HOW_MANY WORK: works a little and makes a call, again and again.
static int calls(void) {
    long count = atol(arguments[3]), work = atol(arguments[4]), interrupted = 0;
    prepare();
    say("ready", 0);
    for (long i = 0; i < count; i++) {
        for (volatile long j = 0; j < work; j++) {}
        if (call(arguments[2]) < 0 && errno == EINTR) interrupted++;
    }
    semctl(semaphores, 0, IPC_RMID);
    say("interrupted", interrupted);
    return 0;
}

static volatile sig_atomic_t handled;

static void handle(int signal) {
    (void)signal;
    handled++;
}

// signals: waits long for nothing, and says whether its handler's signal ended the wait: without us it always does.
static int signals(void) {
    struct sigaction action = {.sa_handler = handle};
    sigaction(SIGUSR1, &action, 0);
    prepare();
    say("ready", 0);
    for (;;) {
        struct epoll_event event;
        int before = handled;
        int result = epoll_wait(epoll, &event, 1, 1000);
        int lost = result == 0 && handled != before;
        say(result < 0 && errno == EINTR ? "interrupted" : lost ? "lost" : "nothing", handled);
    }
}

static void *busy(void *unused) {
    (void)unused;
    say("busy", gettid());
    for (;;) {}
}

static void *becomes_another(void *unused) {
    (void)unused;
    say("exec", gettid());
    hear();
    execl(arguments[0], arguments[0], "another", (char *)0);
    _exit(8);
}

// exec leader | exec thread: a busy thread, and one (the first, or another) that runs this program anew when told.
static int execs(void) {
    pthread_t thread;
    pthread_create(&thread, 0, busy, 0);
    if (!strcmp(arguments[2], "leader")) becomes_another(0);
    pthread_create(&thread, 0, becomes_another, 0);
    for (;;) {}
}

static void *brief(void *unused) {
    for (volatile long j = 0; j < 20000; j++) {}
    return unused;
}

// threads HOW_MANY: starts threads that end soon, eight at a time.
static int threads(void) {
    long count = atol(arguments[2]);
    say("ready", 0);
    for (long i = 0; i < count; i += 8) {
        pthread_t eight[8];
        for (int j = 0; j < 8; j++)
            if (pthread_create(&eight[j], 0, brief, 0)) _exit(9);
        for (int j = 0; j < 8; j++) pthread_join(eight[j], 0);
    }
    say("ended", count);
    return 0;
}

int main(int count, char **words) {
    // A test that was killed leaves nothing behind.
    alarm(900);
    arguments = words;
    if (count < 2) return 2;
    if (!strcmp(words[1], "calls")) return calls();
    if (!strcmp(words[1], "signals")) return signals();
    if (!strcmp(words[1], "exec")) return execs();
    if (!strcmp(words[1], "threads")) return threads();
    say("another", getpid());
    hear();
    return 0;
}
