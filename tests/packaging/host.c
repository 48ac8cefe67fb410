/* A program that runs CPython, in the way that its arguments say: one action after the other.
 *
 *   load FILE       loads a libpython that nobody else sees; what follows is about it
 *   memfd FILE      the same from memory: of a file without a name
 *   linked          what follows is about the CPython that is linked to this program
 *   home FOLDER     sets PYTHONHOME
 *   init            begins to use it
 *   run CODE        runs a program
 *   finalize        ends to use it
 *   thread ... end  does what is between them in another thread, and goes on
 *   unlink FILE     deletes a file
 *   rename OLD NEW  puts a file in the place of another
 *   fork            goes on as a child; the parent waits for its end
 *   say WORD        prints a line
 *   wait            waits for the end of standard input
 */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct python {
    void (*init)(int);
    int (*run)(const char *, void *);
    void (*finalize)(void);
};

struct actions {
    int count;
    char **words;
};

#ifdef LINKED
void Py_InitializeEx(int);
int PyRun_SimpleStringFlags(const char *, void *);
void Py_Finalize(void);
#endif

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "host: %s: %s\n", what, why);
    exit(1);
}

static struct python load(const char *path)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
    if (!library)
        fail(path, dlerror());
    struct python python;
    *(void **)&python.init = dlsym(library, "Py_InitializeEx");
    *(void **)&python.run = dlsym(library, "PyRun_SimpleStringFlags");
    *(void **)&python.finalize = dlsym(library, "Py_Finalize");
    if (!python.init || !python.run || !python.finalize)
        fail(path, "it is no libpython");
    return python;
}

static struct python load_from_memory(const char *path)
{
    int from = open(path, O_RDONLY), into = memfd_create("nameless", 0);
    struct stat about;
    if (from < 0 || into < 0 || fstat(from, &about))
        fail(path, "it can not be copied");
    while (lseek(into, 0, SEEK_CUR) < about.st_size)
        if (sendfile(into, from, NULL, about.st_size) <= 0)
            fail(path, "it can not be copied");
    char copy[64];
    snprintf(copy, sizeof copy, "/proc/self/fd/%d", into);
    struct python python = load(copy);
    close(from);
    close(into);
    return python;
}

static void *perform(void *argument)
{
    struct actions *actions = argument;
    struct python python = { 0 };
    char **word = actions->words, **end = word + actions->count;
    while (word < end) {
        const char *action = *word++;
        if (!strcmp(action, "load")) {
            python = load(*word++);
        } else if (!strcmp(action, "memfd")) {
            python = load_from_memory(*word++);
#ifdef LINKED
        } else if (!strcmp(action, "linked")) {
            python = (struct python){ Py_InitializeEx, PyRun_SimpleStringFlags, Py_Finalize };
#endif
        } else if (!strcmp(action, "home")) {
            setenv("PYTHONHOME", *word++, 1);
        } else if (!strcmp(action, "init")) {
            python.init(0);
        } else if (!strcmp(action, "run")) {
            if (python.run(*word++, NULL))
                exit(1);
        } else if (!strcmp(action, "finalize")) {
            python.finalize();
        } else if (!strcmp(action, "thread")) {
            struct actions *inner = malloc(sizeof *inner);
            pthread_t thread;
            inner->words = word;
            while (strcmp(*word, "end"))
                word++;
            inner->count = word++ - inner->words;
            pthread_create(&thread, NULL, perform, inner);
        } else if (!strcmp(action, "unlink")) {
            if (unlink(*word++))
                fail("unlink", word[-1]);
        } else if (!strcmp(action, "rename")) {
            if (rename(word[0], word[1]))
                fail("rename", word[0]);
            word += 2;
        } else if (!strcmp(action, "fork")) {
            int status;
            pid_t child = fork();
            if (child) {
                waitpid(child, &status, 0);
                exit(WEXITSTATUS(status));
            }
        } else if (!strcmp(action, "say")) {
            printf("%s\n", *word++);
            fflush(stdout);
        } else if (!strcmp(action, "wait")) {
            char byte;
            while (read(0, &byte, 1) > 0)
                ;
        } else {
            fail(action, "no such action");
        }
    }
    return NULL;
}

int main(int count, char **words)
{
    struct actions all = { count - 1, words + 1 };
    perform(&all);
    return 0;
}
