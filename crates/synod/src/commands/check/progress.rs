//! How far a check is, on standard error: a line that is drawn anew on a terminal, elsewhere now and then a new one.

use std::cell::Cell;
use std::io::{IsTerminal as _, Write as _};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::note;

/// Nothing is shown before: what is done at once needs no progress.
const QUIET: Duration = Duration::from_millis(700);
/// How often the line is drawn anew.
const REDRAW: Duration = Duration::from_millis(200);
/// How often there is a new line where none can be drawn anew.
const ANOTHER: Duration = Duration::from_secs(10);

/// Progress of one check.
pub struct Progress {
    began: Instant,
    is_terminal: bool,
    drawn: Cell<Option<Instant>>,
}

impl Progress {
    /// Begins now.
    pub fn new() -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        Self { began: Instant::now(), is_terminal, drawn: Cell::new(None) }
    }

    /// So many operations have been read.
    pub fn reading(&self, operations: usize) {
        let last = self.drawn.get().unwrap_or(self.began);
        let pause = if self.drawn.get().is_some() { REDRAW } else { QUIET };
        if self.is_terminal && last.elapsed() >= pause {
            self.drawn.set(Some(Instant::now()));
            draw(&format!("Reading: {operations} operations"));
        }
    }

    /// Takes the line away.
    pub fn done(&self) {
        if self.drawn.take().is_some() {
            draw("");
        }
    }

    /// Does something that may take long, and shows how long it has taken.
    pub fn during<T>(&self, what: &str, work: impl FnOnce() -> T) -> T {
        let is_terminal = self.is_terminal;
        let began = Instant::now();
        let (finished, waiting) = mpsc::channel::<()>();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let (mut pause, again) = if is_terminal { (QUIET, REDRAW) } else { (ANOTHER, ANOTHER) };
                let mut is_drawn = false;
                while waiting.recv_timeout(pause) == Err(mpsc::RecvTimeoutError::Timeout) {
                    pause = again;
                    let line = format!("{what}: {:.0?}", began.elapsed());
                    if is_terminal {
                        is_drawn = true;
                        draw(&line);
                    } else {
                        note(format_args!("{line}"));
                    }
                }
                if is_drawn {
                    draw("");
                }
            });
            let result = work();
            drop(finished);
            result
        })
    }
}

/// That nobody looks is no reason to stop.
fn draw(line: &str) {
    let mut out = std::io::stderr().lock();
    let _ = write!(out, "\r\x1b[K{line}");
    let _ = out.flush();
}
