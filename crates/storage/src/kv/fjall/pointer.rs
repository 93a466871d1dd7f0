//! Which generation counts: the file `CURRENT`, and the directories beside it.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use super::KvError;

/// The file's name.
pub const POINTER: &str = "CURRENT";
/// What a generation's directory is called before its number.
pub const GENERATION_PREFIX: &str = "generation-";
/// How generations are laid out. Those of another format are not opened.
const FORMAT: &str = "format 2";

/// What the file says.
pub enum Pointer {
    /// There is none.
    Missing,
    /// The first generation was being made.
    Creating,
    /// The number of the one that counts.
    Generation(u64),
}

pub fn read_pointer(directory: &Path) -> Result<Pointer, KvError> {
    let path = directory.join(POINTER);
    let text = match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Pointer::Missing),
        result => result.map_err(failed("reading", &path))?,
    };
    if text == "creating\n" {
        return Ok(Pointer::Creating);
    }
    let number = text.strip_prefix("generation ").and_then(|rest| rest.strip_suffix('\n'));
    let number = number.and_then(|rest| rest.strip_suffix(FORMAT)?.strip_suffix(' '));
    number.and_then(|number| number.parse().ok()).map(Pointer::Generation).ok_or_else(|| KvError::Damaged {
        what: path.display().to_string(),
        cause: format!("expected `generation`, a number and `{FORMAT}`, found {text:?}"),
    })
}

/// Points to a generation: it or the former one counts after a crash, and it does once this has returned.
pub fn point_to(directory: &Path, number: u64) -> Result<(), KvError> {
    write_pointer(directory, &format!("generation {number} {FORMAT}\n"))
}

/// Notes that the first generation is being made.
pub fn point_to_none(directory: &Path) -> Result<(), KvError> {
    write_pointer(directory, "creating\n")
}

fn write_pointer(directory: &Path, text: &str) -> Result<(), KvError> {
    let (path, fresh) = (directory.join(POINTER), directory.join("CURRENT.new"));
    let write = || -> io::Result<()> {
        let mut file = File::create(&fresh)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&fresh, &path)
    };
    write().map_err(failed("writing", &path))?;
    sync_directory(directory)
}

pub fn sync_directory(directory: &Path) -> Result<(), KvError> {
    File::open(directory).and_then(|opened| opened.sync_all()).map_err(failed("syncing", directory))
}

pub fn generation_path(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("{GENERATION_PREFIX}{number}"))
}

pub fn generations(directory: &Path) -> Result<Vec<u64>, KvError> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed("listing", directory))? {
        let name = entry.map_err(failed("listing", directory))?.file_name();
        let number: Option<u64> =
            name.to_str().and_then(|name| name.strip_prefix(GENERATION_PREFIX)?.parse().ok());
        numbers.extend(number);
    }
    numbers.sort_unstable();
    Ok(numbers)
}

pub fn remove_generations(directory: &Path, but: Option<u64>) -> Result<(), KvError> {
    for number in generations(directory)? {
        if Some(number) != but {
            let path = generation_path(directory, number);
            fs::remove_dir_all(&path).map_err(failed("removing", &path))?;
        }
    }
    Ok(())
}

pub fn failed(doing: &'static str, path: &Path) -> impl Fn(io::Error) -> KvError {
    move |error| KvError::Failed { doing: format!("{doing} {}", path.display()), cause: error.to_string() }
}
