//! A process that the freezer of control groups holds, as `docker pause` does: it is read, and nobody waits for it.

use std::fs;
use std::path::PathBuf;

use crate::common::{Running, good, program, python, run};
use crate::profiler::Profiler;
use crate::subjects;

/// A control group with a freezer. When it is dropped it is thawed and removed.
struct Group {
    folder: PathBuf,
    /// The file to write to, what freezes and what thaws, and where it shows that all are frozen.
    freezer: [&'static str; 5],
}

/// Of version 2, and of version 1 with a freezer.
const KINDS: [(&str, &str, [&str; 5]); 2] = [
    ("cgroup2", "", ["cgroup.freeze", "1", "0", "cgroup.events", "frozen 1"]),
    ("cgroup", "freezer", ["freezer.state", "FROZEN", "THAWED", "freezer.state", "FROZEN"]),
];

impl Group {
    /// One of each kind that can be had here. Says which can not.
    fn of_each_kind(test: &str) -> Vec<Group> {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let mut groups = Vec::new();
        for (kind, option, freezer) in KINDS {
            let fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
            let mount = fields.into_iter().find(|mount| {
                mount.len() > 3 && mount[2] == kind && (option.is_empty() || mount[3].split(',').any(|it| it == option))
            });
            let folder = mount.map(|mount| PathBuf::from(mount[1]).join(format!("{test}-{}", std::process::id())));
            match folder.filter(|folder| fs::create_dir(folder).is_ok()) {
                Some(folder) if folder.join(freezer[0]).exists() => groups.push(Group { folder, freezer }),
                Some(folder) => _ = fs::remove_dir(folder),
                None => eprintln!("no {kind} {option} that can be used here: frozen processes are NOT tested with it"),
            }
        }
        groups
    }

    fn add(&self, pid: u32) {
        fs::write(self.folder.join("cgroup.procs"), pid.to_string()).expect("it may be moved");
    }

    /// Freezes all in it, and returns when they are.
    fn freeze(&self) {
        let [file, freeze, _, shown, frozen] = self.freezer;
        fs::write(self.folder.join(file), freeze).expect("it may be frozen");
        while !fs::read_to_string(self.folder.join(shown)).expect("it is there").contains(frozen) {
            std::thread::yield_now();
        }
    }

    fn thaw(&self) {
        fs::write(self.folder.join(self.freezer[0]), self.freezer[2]).expect("it may be thawed");
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.thaw();
        while fs::read_to_string(self.folder.join("cgroup.procs")).is_ok_and(|pids| !pids.is_empty()) {
            std::thread::yield_now();
        }
        fs::remove_dir(&self.folder).ok();
    }
}

#[test]
fn a_frozen_program_is_read_and_goes_on_when_it_is_thawed() {
    for group in Group::of_each_kind("py-spy-frozen") {
        for interpreter in subjects() {
            let name = format!("{} {interpreter}", group.freezer[0]);
            let mut target = Running::start(&name, python(interpreter).arg(program("counting")));
            assert!(target.line().starts_with("ready "), "{name}");
            group.add(target.id());
            group.freeze();
            let pid = target.id_text();
            for options in [&[][..], &["--nonblocking"]] {
                let output = run(&[&["dump", "--pid", &pid], options].concat());
                assert!(good(&name, &output).contains("<module> (counting.py:"), "{name}");
                let record = ["record", "--idle", "-d", "0.3", "-f", "raw", "-o", "-", "--pid", &pid];
                let output = run(&[&record, options].concat());
                assert!(good(&name, &output).contains("<module> (counting.py:"), "{name}");
            }
            group.thaw();
            target.goes_on();
        }
    }
}

#[test]
fn a_program_may_be_frozen_while_it_is_sampled() {
    for group in Group::of_each_kind("py-spy-freezing") {
        for interpreter in subjects() {
            for options in [&["-r", "100"][..], &["-r", "5000"], &["--nonblocking", "-r", "1000"]] {
                let name = format!("{} {interpreter}", group.freezer[0]);
                let mut target = Running::start(&name, python(interpreter).arg(program("counting")));
                assert!(target.line().starts_with("ready "), "{name}");
                group.add(target.id());
                let mut profiler = Profiler::record(&name, target.id(), options);
                profiler.wait_until_it_samples();
                for _ in 0..5 {
                    group.freeze();
                    profiler.wait_for_looks(20);
                    group.thaw();
                    profiler.wait_for_looks(5);
                }
                group.freeze();
                profiler.wait_for_looks(20);
                // It ends although nobody lets the program go on.
                profiler.finish().went_well();
                group.thaw();
                target.goes_on();
            }
        }
    }
}
