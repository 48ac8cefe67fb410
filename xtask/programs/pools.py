"""Pools of processes under load: `pools.py fork|spawn|forkserver|executor`."""

import concurrent.futures
import multiprocessing
import sys

from work import work

if __name__ == "__main__":
    way = sys.argv[1]
    if way == "executor":
        with concurrent.futures.ProcessPoolExecutor(4) as pool:
            print(sum(pool.map(work, [1000] * 40)))
    else:
        # Every task has a process of its own.
        with multiprocessing.get_context(way).Pool(4, maxtasksperchild=1) as pool:
            print(sum(pool.map(work, [500] * 40, chunksize=1)))
            pool.close()
            pool.join()
