// The same in C++: names that were mangled.
namespace space {
static volatile int done;

template <typename T>
struct Worker {
    __attribute__((noinline)) void work(T back) {
        back();
        done = done + 1;
    }
};
}

extern "C" void alpha_(void (*back)()) {
    space::Worker<void (*)()>().work(back);
    space::done = space::done + 1;
}
