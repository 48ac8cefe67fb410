#![allow(clippy::unwrap_used)]

use std::os::unix::fs::symlink;

use super::*;

fn open(path: impl Into<PathBuf>) -> anyhow::Result<Output> {
    Output::open(&Destination::File(path.into()))
}

fn write(output: Output, text: &str) -> anyhow::Result<()> {
    output.complete(|out| out.write_all(text.as_bytes()))
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_new_file_appears_only_when_it_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.svg");
    let output = open(&path).unwrap();
    assert!(!path.exists());
    write(output, "new").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "new");
    assert_eq!(names(folder.path()), ["x.svg"]);

    let plain = folder.path().join("plain");
    File::create(&plain).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().mode(), fs::metadata(&plain).unwrap().mode());
}

#[test]
fn a_failure_leaves_the_old_file_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.svg");
    fs::write(&path, "old").unwrap();
    let failure = open(&path).unwrap().complete(|out| {
        out.write_all(&vec![b'n'; 200_000])?;
        Err(io::Error::from_raw_os_error(nix::errno::Errno::ENOSPC as i32))
    });
    let error = failure.unwrap_err().to_string();
    assert_eq!(error, format!("cannot write '{}': No space left on device", path.display()));
    assert_eq!(fs::read_to_string(&path).unwrap(), "old");
    drop(open(&path).unwrap());
    assert_eq!(names(folder.path()), ["x.svg"]);
}

#[test]
fn an_old_file_keeps_its_mode() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.svg");
    fs::write(&path, "old").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    write(open(&path).unwrap(), "new").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "new");
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o640);
}

#[test]
fn links_are_followed() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::create_dir(path("sub")).unwrap();
    symlink("sub/target", path("link")).unwrap();
    write(open(path("link")).unwrap(), "first").unwrap();
    write(open(path("link")).unwrap(), "second").unwrap();
    assert!(path("link").is_symlink());
    assert_eq!(fs::read_to_string(path("sub/target")).unwrap(), "second");
    assert_eq!(names(&path("sub")), ["target"]);

    symlink("loop", path("loop")).unwrap();
    assert!(open(path("loop")).is_err());
}

#[test]
fn places_that_can_not_be_written_are_known_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let error = |path: PathBuf| open(path).unwrap_err().to_string();
    assert!(error(folder.path().to_owned()).ends_with("is a directory"), "{}", error(folder.path().to_owned()));
    assert!(error(folder.path().join("no/x.svg")).ends_with("No such file or directory"));
    fs::write(folder.path().join("file"), "").unwrap();
    assert!(error(folder.path().join("file/x.svg")).ends_with("Not a directory"));
}

#[test]
fn pipes_and_devices_are_written_directly() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipe");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let reader = {
        let path = path.clone();
        std::thread::spawn(move || fs::read_to_string(path).unwrap())
    };
    write(open(&path).unwrap(), "through").unwrap();
    assert_eq!(reader.join().unwrap(), "through");
    assert_eq!(names(folder.path()), ["pipe"]);

    let error = write(open("/dev/full").unwrap(), "x").unwrap_err();
    assert_eq!(error.to_string(), "cannot write '/dev/full': No space left on device");
}

#[test]
fn an_open_file_named_by_the_kernel_is_appended_to() {
    use std::os::fd::AsRawFd;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let mut log = File::create(&path).unwrap();
    log.write_all(b"before ").unwrap();
    write(open(format!("/proc/self/fd/{}", log.as_raw_fd())).unwrap(), "after").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "before after");
}

#[test]
fn a_file_that_can_not_be_replaced_is_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.svg");
    fs::write(&path, "a longer old text").unwrap();
    let target = OpenOptions::new().write(true).open(&path).unwrap();
    let to = To::Into { file: tempfile::tempfile().unwrap(), target };
    write(Output { name: Some(path.clone()), to }, "new").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "new");
}
