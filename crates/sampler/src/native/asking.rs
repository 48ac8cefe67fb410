//! Who is asked for names.

use std::sync::mpsc::{Receiver, Sender, channel};

use py_spy_address_space::Addr;
use py_spy_target::RootFolder;

use super::known::Answer;
use super::names::{Names, Question};

/// Names are found at once, or on a thread of their own: to read the symbols of a library for the first time takes up to a second,
/// in which no sample could be taken.
#[derive(Debug)]
pub(super) enum Asking {
    Here(Box<Names>, Vec<(Addr, Answer)>),
    /// A thread that begins with the first question.
    Later(Option<RootFolder>),
    There(Sender<(Addr, Question)>, Receiver<(Addr, Answer)>),
}

impl Asking {
    /// Whoever asks waits for the answer.
    pub(super) fn here(root: Option<RootFolder>) -> Asking {
        Asking::Here(Box::new(Names::below(root)), Vec::new())
    }

    /// A thread is asked that begins with the first question, and ends when this is dropped.
    pub(super) fn later(root: Option<RootFolder>) -> Asking {
        Asking::Later(root)
    }

    fn there(root: Option<RootFolder>) -> Asking {
        let (questions, asked) = channel::<(Addr, Question)>();
        let (answered, answers) = channel();
        let work = move || {
            // Whoever stops a thread must not wait for us before it lets it go.
            py_spy_target::step_back();
            let mut names = Names::below(root);
            for (at, question) in asked {
                if answered.send((at, names.answer(&question))).is_err() {
                    break;
                }
            }
        };
        match std::thread::Builder::new().name("names".to_owned()).spawn(work) {
            Ok(_) => Asking::There(questions, answers),
            // The folder is gone with the closure: what is in the files themselves can still be had.
            Err(why) => {
                log::info!("no thread for names: {why}");
                Asking::here(None)
            }
        }
    }

    pub(super) fn ask(&mut self, at: Addr, question: Question) {
        if let Asking::Later(root) = self {
            *self = Asking::there(root.take());
        }
        match self {
            Asking::Later(_) => {}
            Asking::Here(names, answers) => answers.push((at, names.answer(&question))),
            // If it is gone, that shows in the answer that does not come.
            Asking::There(questions, _) => drop(questions.send((at, question))),
        }
    }

    /// An answer, if there is one.
    pub(super) fn answer(&mut self) -> Option<(Addr, Answer)> {
        match self {
            Asking::Later(_) => None,
            Asking::Here(_, answers) => answers.pop(),
            Asking::There(_, answers) => answers.try_recv().ok(),
        }
    }

    /// The same, and waits for it. `None` when none will come.
    pub(super) fn await_answer(&mut self) -> Option<(Addr, Answer)> {
        match self {
            Asking::Later(_) => None,
            Asking::Here(_, answers) => answers.pop(),
            Asking::There(_, answers) => answers.recv().ok(),
        }
    }
}
