//! `py-spy top` on a terminal of its own, and what is drawn there.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::pty::{Winsize, openpty};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{Termios, tcgetattr};
use nix::unistd::Pid;

/// For what comes at once on any machine that is not broken.
const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) const ROWS: u16 = 40;
pub(crate) const COLUMNS: u16 = 100;

/// `py-spy top` on a terminal.
pub(crate) struct Top {
    child: Child,
    keyboard: File,
    output: Receiver<Vec<u8>>,
    terminal: vt100::Parser,
    /// Our own hold on the program's side of the terminal.
    line: OwnedFd,
    modes: Termios,
}

impl Top {
    /// Starts it; returns at once.
    pub(crate) fn start(words: &[&str]) -> Top {
        let size = Winsize { ws_row: ROWS, ws_col: COLUMNS, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(Some(&size), None).expect("a terminal");
        let modes = tcgetattr(&pty.slave).expect("a terminal");
        let slave = || Stdio::from(pty.slave.try_clone().expect("a terminal"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_py-spy"));
        command.arg("top").args(words).env("TERM", "xterm-256color");
        for name in ["RUST_LOG", "SUDO_UID", "SUDO_GID"] {
            command.env_remove(name);
        }
        let child = command.stdin(slave()).stdout(slave()).stderr(slave()).spawn().expect("py-spy starts");
        drop(command);
        let mut screen = File::from(pty.master.try_clone().expect("a terminal"));
        let (sender, output) = channel();
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            // The other side is open for as long as this test holds it.
            while let Ok(count) = screen.read(&mut bytes) {
                if sender.send(bytes[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        let terminal = vt100::Parser::new(ROWS, COLUMNS, 0);
        Top { child, keyboard: File::from(pty.master), output, terminal, line: pty.slave, modes }
    }

    pub(crate) fn press(&mut self, key: &str) {
        self.keyboard.write_all(key.as_bytes()).expect("a terminal");
    }

    pub(crate) fn screen(&self) -> &vt100::Screen {
        self.terminal.screen()
    }

    pub(crate) fn shown(&self) -> String {
        self.terminal.screen().contents()
    }

    /// Reads what is drawn until the screen is as wanted.
    pub(crate) fn wait_until(&mut self, wanted: impl Fn(&vt100::Screen) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !wanted(self.terminal.screen()) {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(bytes) = self.output.recv_timeout(left) else {
                panic!("that was not what was to come:\n{}", self.shown());
            };
            self.terminal.process(&bytes);
        }
    }

    pub(crate) fn wait_for(&mut self, text: &str) {
        self.wait_until(|screen| screen.contents().contains(text));
    }

    /// Waits for the table with this in it.
    pub(crate) fn wait_for_table(&mut self, text: &str) {
        self.wait_for(text);
        self.wait_for("Press q");
        assert!(self.terminal.screen().alternate_screen() && self.terminal.screen().hide_cursor());
        assert!(tcgetattr(&self.line).expect("a terminal") != self.modes, "not in raw mode");
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).expect("it is there");
    }

    /// Waits for the end; the exit code, and what the ordinary screen shows.
    pub(crate) fn finish(mut self) -> (i32, String) {
        let code = self.child.wait().expect("it is ours").code().expect("it was killed");
        assert!(tcgetattr(&self.line).expect("a terminal") == self.modes, "the terminal has other modes than before");
        // What is written now comes after all else.
        File::from(self.line.try_clone().expect("a terminal")).write_all(b"<the end>").expect("a terminal");
        self.wait_for("<the end>");
        let screen = self.terminal.screen();
        assert!(!screen.alternate_screen() && !screen.hide_cursor());
        (code, self.shown())
    }
}

impl Drop for Top {
    fn drop(&mut self) {
        // After a failure it is still there.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
