#![allow(clippy::unwrap_used)]

use clap::Parser;

use super::*;

fn record(words: &[&str]) -> anyhow::Result<RecordPlan> {
    let words: Vec<OsString> = ["py-spy", "record"].iter().chain(words).map(OsString::from).collect();
    match Args::try_parse_from(&words)?.verb {
        Verb::Record(args) => RecordPlan::new(args, &words),
        verb => panic!("{verb:?}"),
    }
}

fn at(offset: i8) -> Zoned {
    let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(offset));
    jiff::civil::date(2026, 11, 21).at(19, 30, 5, 0).to_zoned(zone).unwrap()
}

#[test]
fn default_names_have_the_base_name_the_time_and_the_extension() {
    let command = |word: &str| Target::Command(vec![word.into(), "x.py".into()]);
    for (target, format, expected) in [
        (Target::Processes(vec![28911]), Format::Raw, "28911-2026-11-21T19-30-05+0000.txt"),
        (command("python"), Format::Flamegraph, "python-2026-11-21T19-30-05+0000.svg"),
        (command("/opt/venv/bin/python3.12"), Format::Speedscope, "python3.12-2026-11-21T19-30-05+0000.json"),
        (command("./app"), Format::Chrometrace, "app-2026-11-21T19-30-05+0000.json"),
        (command(".."), Format::Flamegraph, "profile-2026-11-21T19-30-05+0000.svg"),
    ] {
        assert_eq!(default_name(&target, &at(0), format), Path::new(expected));
    }
    let away = default_name(&Target::Processes(vec![1]), &at(-5), Format::Raw);
    assert_eq!(away, Path::new("1-2026-11-21T19-30-05-0500.txt"));
}

#[test]
fn defaults_are_those_of_py_spy() {
    let plan = record(&["--pid", "0x10"]).unwrap();
    assert_eq!(plan.target, Target::Processes(vec![16]));
    assert_eq!(plan.format, Format::Flamegraph);
    assert_eq!(plan.title, "py-spy record --pid 0x10");
    assert_eq!(plan.at_once, AtOnce::One);
    assert!(plan.progress && !plan.capture && !plan.keep_running);
    let options = plan.options;
    assert_eq!(options.interval, Duration::from_millis(10));
    assert_eq!((options.duration, options.mode, options.lines), (None, Mode::Stop, LineMode::Current));
    assert!(!options.gil_only && !options.include_idle && !options.thread_frames);
    assert!(!options.full_filenames && !options.full_stack);
}

#[test]
fn every_option_arrives() {
    let words = ["-o", "x", "-f", "RAW", "-d", "2m", "-r", "50", "-F", "-t", "-g", "-i", "--nonblocking"];
    let more = ["--full-filenames", "--full-stack", "--keep-running", "--capture", "--hideprogress", "--", "a", "-x"];
    let plan = record(&[&words[..], &more[..]].concat()).unwrap();
    assert_eq!(plan.target, Target::Command(vec!["a".into(), "-x".into()]));
    assert_eq!(plan.destination, Destination::File("x".into()));
    assert_eq!(plan.format, Format::Raw);
    assert!(plan.keep_running && plan.capture && !plan.progress);
    let options = plan.options;
    assert_eq!((options.interval, options.duration), (Duration::from_millis(20), Some(Duration::from_mins(2))));
    assert_eq!((options.mode, options.lines), (Mode::Nonblocking, LineMode::First));
    assert!(options.gil_only && options.include_idle && options.thread_frames);
    assert!(options.full_filenames && options.full_stack);
}

#[test]
fn what_is_looked_at_at_one_time() {
    for (words, at_once, pids) in [
        (&["-p1", "-p", "0x2"][..], AtOnce::Founders, [1, 2].as_slice()),
        (&["-p1,2,1"], AtOnce::Founders, &[1, 2]),
        (&["-p7,7"], AtOnce::One, &[7]),
        (&["-s", "-p1"], AtOnce::Family, &[1]),
        (&["--subprocesses", "-p1", "-p2"], AtOnce::Family, &[1, 2]),
    ] {
        let plan = record(words).unwrap();
        assert_eq!((plan.at_once, plan.target), (at_once, Target::Processes(pids.to_vec())), "{words:?}");
    }
    assert_eq!(record(&["--", "a"]).unwrap().at_once, AtOnce::One);
    assert_eq!(record(&["-s", "--", "a"]).unwrap().at_once, AtOnce::Family);
}

#[test]
fn line_modes_exclude_each_other() {
    assert_eq!(record(&["-p1", "--nolineno"]).unwrap().options.lines, LineMode::None);
    let error = record(&["-p1", "--nolineno", "-F"]).unwrap_err();
    assert_eq!(error.to_string(), "--function & --nolinenos can't be used together");
}

#[test]
fn standard_output_has_several_names() {
    for name in ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"] {
        assert_eq!(record(&["-p1", "-o", name]).unwrap().destination, Destination::Stdout);
    }
    assert_eq!(record(&["-p1", "-o", "./-"]).unwrap().destination, Destination::File("./-".into()));
}

#[test]
fn format_names_have_aliases_in_any_case() {
    for (name, format) in [("svg", Format::Flamegraph), ("Collapsed", Format::Raw), ("SPEEDSCOPE", Format::Speedscope)]
    {
        assert_eq!(record(&["-p1", "-f", name]).unwrap().format, format);
    }
}
