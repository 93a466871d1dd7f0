//! What is read from files, and read again when they change: certificates are renewed under a running process.
//!
//! Nothing watches the files. Whoever is about to use what they hold asks for it, and then a few `stat` calls tell whether it
//! is still what was read: that is once a connection, and a handshake costs a thousand times as much. A renewal is
//! seldom one step (first the certificate, then its key), so files that do not fit together are not an error but a reason to
//! go on with what there was; the log says so once for each state of the files.

use std::fmt::Display;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use tracing::{info, warn};

/// A value that was read from files, as new as they are.
pub struct Renewed<T> {
    files: Vec<PathBuf>,
    load: Box<dyn Fn() -> Result<T, String> + Send + Sync>,
    last: Mutex<Last<T>>,
}

struct Last<T> {
    seen: Vec<Option<Stamp>>,
    value: Arc<T>,
}

/// What tells one content of a file from another.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    bytes: u64,
}

impl<T> Renewed<T> {
    /// Reads for the first time.
    ///
    /// # Errors
    /// Those of `load`: there is nothing to go on with yet.
    pub fn read<E: Display>(
        files: Vec<PathBuf>,
        load: impl Fn() -> Result<T, E> + Send + Sync + 'static,
    ) -> Result<Renewed<T>, E> {
        // Before the content: a change in between is then noticed the next time.
        let seen = stamps(&files);
        let last = Mutex::new(Last { seen, value: Arc::new(load()?) });
        Ok(Renewed { files, load: Box::new(move || load().map_err(|error| error.to_string())), last })
    }

    /// What the files hold now, or held when they were last good.
    pub fn current(&self) -> Arc<T> {
        let seen = stamps(&self.files);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.seen != seen {
            last.seen = seen;
            let files = || self.files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>();
            match (self.load)() {
                Ok(value) => {
                    last.value = Arc::new(value);
                    info!(files = files().join(", "), "renewed certificates are in use");
                }
                Err(error) => {
                    warn!(files = files().join(", "), %error, "certificates changed and cannot be used: the old ones stay in use");
                }
            }
        }
        Arc::clone(&last.value)
    }
}

fn stamps(files: &[PathBuf]) -> Vec<Option<Stamp>> {
    let stamp = |file: &PathBuf| {
        let metadata = fs::metadata(file).ok()?;
        Some(Stamp { modified: metadata.modified().ok(), bytes: metadata.len() })
    };
    files.iter().map(stamp).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_again_when_they_change_and_bad_ones_are_not_used() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("number");
        fs::write(&file, "7").unwrap();
        let read = {
            let file = file.clone();
            move || fs::read_to_string(&file).unwrap_or_default().parse::<u32>()
        };
        let number = Renewed::read(vec![file.clone()], read.clone()).unwrap();
        assert_eq!(*number.current(), 7);
        fs::write(&file, "12").unwrap();
        assert_eq!(*number.current(), 12);
        fs::write(&file, "nonsense").unwrap();
        assert_eq!(*number.current(), 12);
        fs::remove_file(&file).unwrap();
        assert_eq!(*number.current(), 12);
        fs::write(&file, "345").unwrap();
        assert_eq!(*number.current(), 345);
        fs::write(&file, "nonsense").unwrap();
        assert!(Renewed::read(vec![file], read).is_err());
    }
}
