use std::sync::Arc;

use super::*;

/// Keeps what it gets, as text.
#[derive(Clone, Default)]
struct Texts(Arc<Mutex<Vec<String>>>);

impl Sink for Texts {
    fn sample(&mut self, sample: &Sample, tables: &Tables) -> io::Result<()> {
        let mut frames = Vec::new();
        tables.unfold(sample.stack, &mut frames);
        let labels: Vec<_> =
            frames.into_iter().map(|frame| py_spy_profile::frame_label(tables, frame).into_owned()).collect();
        let thread = tables.thread_of(sample.thread);
        self.0.lock().expect("alone").push(format!("{}/{} {}", thread.pid, thread.tid, labels.join(";")));
        Ok(())
    }

    fn finish(self: Box<Self>, _: &Tables, _: &About, _: &mut dyn io::Write) -> io::Result<()> {
        Ok(())
    }
}

/// Tables with a thread, and a stack of two frames under its label.
fn made(pid: u32, inner: &str) -> (Tables, Sample) {
    let mut tables = Tables::new();
    // So that ids differ from those in the book.
    tables.string(&format!("of {pid}"));
    let thread = tables.thread(Thread { pid, tid: 7, name: None });
    let label = tables.frame(Frame::Thread(thread));
    let mut stack = tables.stack(None, label);
    for name in ["main", inner] {
        let (name, file) = (tables.string(name), tables.string("a.py"));
        let frame = tables.frame(Frame::Python { name, file, short_file: file, line: 1 });
        stack = tables.stack(Some(stack), frame);
    }
    (tables, Sample { at: 1, weight: 2, thread, stack })
}

#[test]
fn processes_keep_their_threads_and_share_their_words() {
    let texts = Texts::default();
    let book = Book::new(Box::new(texts.clone()));
    let first = lock(&book).root(&[], 1, "python a.py");
    let second = lock(&book).root(&[1], 2, "python a.py --child");
    let (mut of_first, sample) = made(1, "f");
    let (of_second, other) = made(2, "g");
    let (mut one, mut two) = (Page::new(&book, first), Page::new(&book, second));
    one.sample(&sample, &of_first).expect("kept");
    two.sample(&other, &of_second).expect("kept");
    // A name that is learned late is the name of all its stacks.
    of_first.name_thread(sample.thread, "late");
    one.sample(&sample, &of_first).expect("kept");
    let root = "process 1:\"python a.py\"";
    assert_eq!(
        *texts.0.lock().expect("alone"),
        [
            format!("1/7 {root};thread (7);main (a.py:1);f (a.py:1)"),
            format!("2/7 {root};process 2:\"python a.py --child\";thread (7);main (a.py:1);g (a.py:1)"),
            format!("1/7 {root};thread (7): late;main (a.py:1);f (a.py:1)"),
        ]
    );
    let book = lock(&book);
    assert_eq!(book.tables.threads().count(), 2);
    // `main` is one frame, under two processes.
    let mains = book.tables.frames().iter().filter(|frame| match frame {
        Frame::Python { name, .. } => book.tables.str(*name) == "main",
        _ => false,
    });
    assert_eq!(mains.count(), 1);
}

#[test]
fn labels_are_cut() {
    let book = Book::new(Box::new(Texts::default()));
    let mut book = lock(&book);
    book.root(&[], 1, &"ä".repeat(MAX_COMMAND));
    assert_eq!(book.processes[0].1.len(), MAX_COMMAND);
}
