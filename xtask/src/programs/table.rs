//! The programs. Their files are in `xtask/programs`, what they need in `requirements.txt` there.

/// A program and how it is run: in a folder with those files, with the environment's commands first in `PATH`. `PORT` and
/// `FOLDER` stand for a free port and an empty folder.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) name: &'static str,
    pub(super) command: &'static str,
    /// What runs beside it, and has it end.
    pub(super) load: Option<&'static str>,
}

const fn program(name: &'static str, command: &'static str) -> Program {
    Program { name, command, load: None }
}

const fn server(name: &'static str, command: &'static str, load: &'static str) -> Program {
    Program { name, command, load: Some(load) }
}

/// All of them.
pub(super) const PROGRAMS: [Program; 36] = [
    server(
        "gunicorn",
        "gunicorn -w 4 -b 127.0.0.1:PORT --max-requests 50 --max-requests-jitter 10 web:wsgi",
        "load.py PORT 800 /quit",
    ),
    server(
        "gunicorn-gthread",
        "gunicorn -w 4 -k gthread --threads 4 -b 127.0.0.1:PORT --max-requests 50 --max-requests-jitter 10 web:wsgi",
        "load.py PORT 800 /quit",
    ),
    server(
        "gunicorn-preload",
        "gunicorn -w 4 --preload -b 127.0.0.1:PORT --max-requests 50 --max-requests-jitter 10 web:wsgi",
        "load.py PORT 800 /quit",
    ),
    server("gunicorn-gevent", "gunicorn -w 2 -k gevent -b 127.0.0.1:PORT web:wsgi", "load.py PORT 800 /quit"),
    server("uvicorn-workers", "uvicorn --workers 3 --port PORT web:asgi", "load.py PORT 800 /quit"),
    server("uvicorn-reload", "python -m uvicorn --reload --port PORT web:asgi", "load.py PORT 800 /quit web.py"),
    server("flask-debug", "flask --app web:flask run --debug --port PORT", "load.py PORT 400 /leave web.py"),
    server("django-runserver", "python web.py PORT", "load.py PORT 400 /leave web.py"),
    server("celery", "celery -q -A jobs worker --pool prefork -c 3 --max-tasks-per-child 5", "jobs.py 100"),
    program("pytest-xdist", "pytest -n 4 -q --no-header -p no:cacheprovider test_many.py"),
    program("pool-fork", "python pools.py fork"),
    program("pool-spawn", "python pools.py spawn"),
    program("pool-forkserver", "python pools.py forkserver"),
    program("pool-executor", "python pools.py executor"),
    program("ipykernel", "python kernel.py"),
    program("uv-run", "uv run --no-project --offline work.py"),
    program("module", "python -m work"),
    program("shell-late", "sh -c work=1;sleep_0.5;python_work.py;exec_python_work.py"),
    program("shim", "./shim"),
    program("nox", "nox -s works"),
    program("daemon", "python alone.py daemon"),
    program("deathsig", "python alone.py deathsig"),
    program("undumpable", "python alone.py undumpable"),
    program("exec", "python alone.py exec 12"),
    program("setproctitle", "python alone.py title"),
    program("greenlet", "python greens.py greenlet"),
    program("gevent", "python greens.py gevent"),
    program("eventlet", "python greens.py eventlet"),
    program("asyncio", "python loops.py asyncio"),
    program("uvloop", "python loops.py uvloop"),
    program("trio", "python loops.py trio"),
    program("numpy", "python numbers_.py numpy"),
    program("numba", "python numbers_.py numba"),
    program("cython", "python numbers_.py cython"),
    program("threads", "python alone.py threads"),
    program("vfork", "python alone.py vfork"),
];
