//! Damage to files: what can be done to a data directory, case by case.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::dice::Dice;

/// Files of the store that are damaged, at most; the largest first.
const STORE_FILES_MAX: usize = 6;

/// What is done to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harm {
    /// A bit is flipped in the byte at an offset.
    Flip {
        /// The offset of the byte.
        offset: u64,
        /// Which bit of it.
        bit: u8,
    },
    /// Everything from an offset on is cut off.
    Cut {
        /// The offset.
        offset: u64,
    },
}

/// One case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file, relative to the data directory.
    pub file: PathBuf,
    /// What is done to it.
    pub harm: Harm,
    /// Whether it is a segment of the log, where a refusal has to name file and offset.
    pub in_log: bool,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.harm {
            Harm::Flip { offset, bit } => write!(f, "flip bit {bit} of byte {offset} in ")?,
            Harm::Cut { offset } => write!(f, "cut at byte {offset} ")?,
        }
        write!(f, "{}", self.file.display())
    }
}

impl Damage {
    /// Does it, to the files below a data directory.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn apply(&self, data: &Path) -> anyhow::Result<()> {
        let path = data.join(&self.file);
        let mut bytes = fs::read(&path).with_context(|| path.display().to_string())?;
        match self.harm {
            Harm::Flip { offset, bit } => {
                let byte =
                    bytes.get_mut(usize::try_from(offset)?).context("the file is shorter than that")?;
                *byte ^= 1 << bit;
            }
            Harm::Cut { offset } => bytes.truncate(usize::try_from(offset)?),
        }
        fs::write(&path, bytes).with_context(|| path.display().to_string())
    }
}

/// The cases for a data directory.
#[derive(Debug, Default)]
pub struct Cases {
    /// In each segment of the log: its head, places in what is used of it, and its end.
    pub log: Vec<Damage>,
    /// In the largest files of the store: the middle.
    pub store: Vec<Damage>,
}

/// Finds them.
///
/// # Errors
/// A file cannot be read.
pub fn cases(data: &Path, dice: &mut Dice) -> anyhow::Result<Cases> {
    let (mut log, mut store) = (Vec::new(), Vec::new());
    for file in files_below(data)? {
        let used = used_bytes(&data.join(&file))?;
        let extension = file.extension().and_then(|extension| extension.to_str());
        match extension {
            // Nothing is lost where nothing stands.
            _ if used < 16 => {}
            Some("wal") => log.push((used, file)),
            _ => store.push((used, file)),
        }
    }
    store.sort_by(|one, other| other.cmp(one));
    store.truncate(STORE_FILES_MAX);
    let mut cases = Cases::default();
    for (used, file) in log {
        let mut add = |harm| cases.log.push(Damage { file: file.clone(), harm, in_log: true });
        let bit = |dice: &mut Dice| u8::try_from(dice.below(8)).unwrap_or(0);
        for offset in [0, 9, used / 10, used / 2, used * 9 / 10, used - 1] {
            add(Harm::Flip { offset, bit: bit(dice) });
        }
        for offset in [0, used / 2, used - 1, used - used.min(1 + dice.below(64))] {
            add(Harm::Cut { offset });
        }
    }
    for (used, file) in store {
        let bit = u8::try_from(dice.below(8)).unwrap_or(0);
        for harm in [Harm::Flip { offset: used / 2, bit }, Harm::Cut { offset: used / 2 }] {
            cases.store.push(Damage { file: file.clone(), harm, in_log: false });
        }
    }
    Ok(cases)
}

/// Makes a directory equal to another.
///
/// # Errors
/// A file cannot be read or written.
pub fn copy_directory(from: &Path, to: &Path) -> anyhow::Result<()> {
    if to.exists() {
        fs::remove_dir_all(to)?;
    }
    fs::create_dir_all(to)?;
    for file in files_below(from)? {
        let target = to.join(&file);
        fs::create_dir_all(target.parent().context("a file stands in a directory")?)?;
        fs::copy(from.join(&file), target)?;
    }
    // Empty directories mean something to a store.
    for directory in directories_below(from)? {
        fs::create_dir_all(to.join(directory))?;
    }
    Ok(())
}

/// The files below a directory, relative to it, in the order of their names.
fn files_below(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    Ok(walk(root)?.into_iter().filter(|path| root.join(path).is_file()).collect())
}

fn directories_below(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    Ok(walk(root)?.into_iter().filter(|path| root.join(path).is_dir()).collect())
}

fn walk(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![root.to_path_buf()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                open.push(entry.path());
            }
            found.push(entry.path().strip_prefix(root)?.to_path_buf());
        }
    }
    found.sort();
    Ok(found)
}

/// The length of a file without the zeros at its end, which prewritten segments have.
fn used_bytes(path: &Path) -> anyhow::Result<u64> {
    let bytes = fs::read(path)?;
    Ok(bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_stays_in_what_is_used_and_changes_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        fs::create_dir_all(data.join("wal")).unwrap();
        fs::create_dir_all(data.join("empty")).unwrap();
        let mut segment = vec![7; 100];
        segment.resize(4096, 0);
        fs::write(data.join("wal/1.wal"), &segment).unwrap();
        fs::write(data.join("table"), vec![1; 64]).unwrap();
        let cases = cases(&data, &mut Dice::new(1, 1)).unwrap();
        assert_eq!((cases.log.len(), cases.store.len()), (10, 2));
        let copy = directory.path().join("copy");
        for case in cases.log.into_iter().chain(cases.store) {
            copy_directory(&data, &copy).unwrap();
            assert!(copy.join("empty").is_dir());
            case.apply(&copy).unwrap();
            let (before, after) =
                (fs::read(data.join(&case.file)).unwrap(), fs::read(copy.join(&case.file)).unwrap());
            assert_ne!(before, after, "{case}");
            let (Harm::Flip { offset, .. } | Harm::Cut { offset }) = case.harm;
            assert!(offset < 100, "{case}");
        }
    }
}
