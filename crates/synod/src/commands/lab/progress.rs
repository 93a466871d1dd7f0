//! How far a hunt or an exploration is: a bar on a terminal, a line now and then elsewhere.

use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use synod_lab::report::{number, rate};
use synod_sim::explore::Counts;

/// Nothing is shown before: what is done at once needs no bar.
const QUIET: Duration = Duration::from_millis(500);
/// How often a bar is drawn anew.
const REDRAW: Duration = Duration::from_millis(100);
/// How often there is a line where there is no terminal.
const LINE: Duration = Duration::from_secs(10);
const BAR_CHARS: usize = 12;

/// Progress of one hunt or exploration, on standard error.
pub struct Progress {
    title: String,
    runs: u64,
    deadline: Option<Duration>,
    began: Instant,
    shown: Option<Instant>,
    is_terminal: bool,
    drawn: bool,
}

impl Progress {
    /// Of a hunt of that many runs, or of that long, whatever comes first.
    pub fn new(title: &str, runs: u64, deadline: Option<Duration>) -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        Progress {
            title: title.to_owned(),
            runs,
            deadline,
            began: Instant::now(),
            shown: None,
            is_terminal,
            drawn: false,
        }
    }

    /// Since it began.
    pub fn took(&self) -> Duration {
        self.began.elapsed()
    }

    /// There are so many in all, as it turns out.
    pub fn set_total(&mut self, runs: u64) {
        self.runs = runs;
    }

    /// So many runs are done; `what` goes to the end of the line.
    pub fn show(&mut self, done: u64, what: &str) {
        if self.due() {
            let line = self.line(done, what, self.took());
            self.draw(&line);
        }
    }

    /// So much of a small world was seen.
    pub fn show_counts(&mut self, counts: &Counts) {
        if self.due() {
            let line = self.line_of_counts(counts, self.took());
            self.draw(&line);
        }
    }

    fn due(&self) -> bool {
        let pause = if self.is_terminal { REDRAW } else { LINE };
        let first = if self.is_terminal { QUIET } else { LINE };
        self.shown.map_or(self.took() >= first, |at| at.elapsed() >= pause)
    }

    fn draw(&mut self, line: &str) {
        self.shown = Some(Instant::now());
        let mut out = std::io::stderr().lock();
        // That nobody looks is no reason to stop.
        let _ = match self.is_terminal {
            true => write!(out, "\r\x1b[2K{line}").and_then(|()| out.flush()),
            false => writeln!(out, "{line}"),
        };
        self.drawn = self.is_terminal;
    }

    /// Takes the bar away.
    pub fn clear(&mut self) {
        if std::mem::take(&mut self.drawn) {
            let mut out = std::io::stderr().lock();
            let _ = write!(out, "\r\x1b[2K").and_then(|()| out.flush());
        }
    }

    fn line_of_counts(&self, counts: &Counts, took: Duration) -> String {
        let speed = rate(counts.states as f64 / took.as_secs_f64().max(1e-9));
        let (states, waiting) = (number(counts.states), number(counts.waiting));
        format!(
            "{}  {states} states  {speed}/s  depth {}  {waiting} to look beyond",
            self.title, counts.depth
        )
    }

    fn line(&self, done: u64, what: &str, took: Duration) -> String {
        let seconds = took.as_secs_f64().max(1e-9);
        let by_runs = done as f64 / self.runs.max(1) as f64;
        let by_time = self.deadline.map_or(0.0, |deadline| seconds / deadline.as_secs_f64().max(1e-9));
        let share = by_runs.max(by_time).min(1.0);
        let left = seconds * (1.0 - share) / share.max(1e-9);
        let of = if self.runs == u64::MAX { String::new() } else { format!("/{}", number(self.runs)) };
        let bar = match self.is_terminal {
            true => format!("{}  ", bar(share)),
            false => String::new(),
        };
        let speed = rate(done as f64 / seconds);
        format!("{}  {bar}{}{of}  {speed}/s  {left:.0} s left  {what}", self.title, number(done))
            .trim_end()
            .to_owned()
    }
}

fn bar(share: f64) -> String {
    let full = (share * BAR_CHARS as f64).round() as usize;
    "█".repeat(full) + &"░".repeat(BAR_CHARS - full)
}

/// Ctrl-C ends a hunt after the runs that are under way, with a report of what was done.
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Listens from now on. Where that is not possible, the signal ends the process as ever.
    pub fn listen() -> Self {
        let came = Arc::new(AtomicBool::new(false));
        let tells = Arc::clone(&came);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            if let Ok(runtime) = runtime
                && runtime.block_on(tokio::signal::ctrl_c()).is_ok()
            {
                tells.store(true, Ordering::Relaxed);
            }
        });
        Interrupt(came)
    }

    /// Whether it came.
    pub fn came(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_it_is_and_fits() {
        let mut progress = Progress::new("hunt database", 10_000, None);
        progress.is_terminal = true;
        let line = progress.line(2_500, "violations 1", Duration::from_secs(10));
        assert_eq!(line, "hunt database  ███░░░░░░░░░  2,500/10,000  250/s  30 s left  violations 1");
        assert!(line.chars().count() < 80);
        (progress.is_terminal, progress.runs) = (false, u64::MAX);
        progress.deadline = Some(Duration::from_secs(60));
        let line = progress.line(150, "violations 0", Duration::from_secs(30));
        assert_eq!(line, "hunt database  150  5.0/s  30 s left  violations 0");
        let counts = Counts { states: 12_000_000, waiting: 345_678, depth: 40, ..Counts::default() };
        let line = progress.line_of_counts(&counts, Duration::from_secs(10));
        assert!(line.starts_with("hunt database  12,000,000 states") && line.chars().count() < 80, "{line}");
    }
}
