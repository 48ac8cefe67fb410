"""Never comes out of a garbage collection."""
import gc, sys


def spins(phase, info):
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        pass


gc.callbacks.append(spins)
gc.collect()
