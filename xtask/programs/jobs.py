"""A celery application on a broker of files; `jobs.py JOBS` gives it work and has it end."""

import os
import signal
import sys

import celery

from work import work

folder = os.environ["PROGRAM_FOLDER"]
app = celery.Celery("jobs", broker="filesystem://", backend=f"file://{folder}")
app.conf.broker_transport_options = {"data_folder_in": f"{folder}/", "data_folder_out": f"{folder}/", "control_folder": f"{folder}/control"}
app.conf.worker_prefetch_multiplier = 1


@app.task
def job(rounds):
    return work(rounds)


@app.task
def parent():
    return os.getppid()


if __name__ == "__main__":
    jobs = [job.delay(300) for _ in range(int(sys.argv[1]))]
    [each.get(timeout=90) for each in jobs]
    os.kill(parent.delay().get(timeout=90), signal.SIGTERM)
