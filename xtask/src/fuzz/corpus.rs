//! Inputs that are kept in the repository: `fuzz/corpus/<target>.txt`, a line each, as hexadecimal digits with a reason.
//!
//! Text, so that a reviewer sees what comes in, and the repository holds no binary file.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};

use crate::repository;

/// Longest input that is kept, in bytes. What is longer can be made smaller.
const KEPT_BYTES_MAX: usize = 4096;

/// Appends the content of `file` to what is kept for `target`.
pub fn keep(target: &str, file: &Path, because: &str) -> anyhow::Result<()> {
    let input = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let length = input.len();
    ensure!(
        length <= KEPT_BYTES_MAX,
        "{length} bytes are too many to keep; at most {KEPT_BYTES_MAX} are sensible"
    );
    let path = path(target);
    fs::create_dir_all(path.parent().expect("a file of the corpus lies in a folder"))?;
    let mut text = OpenOptions::new().create(true).append(true).open(&path)?;
    writeln!(text, "{}  # {because}", to_hexadecimal(&input))?;
    println!("kept in {}", path.display());
    Ok(())
}

/// Writes what is kept for `target` as files into `folder`.
pub fn unpack(target: &str, folder: &Path) -> anyhow::Result<()> {
    let path = path(target);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    for (number, line) in (1..).zip(text.lines()) {
        let input = parse(line)
            .with_context(|| format!("{}:{number}: expected pairs of hexadecimal digits", path.display()))?;
        fs::write(folder.join(format!("kept-{number}")), input)?;
    }
    Ok(())
}

fn path(target: &str) -> PathBuf {
    repository::root().join("fuzz/corpus").join(target).with_extension("txt")
}

fn to_hexadecimal(input: &[u8]) -> String {
    input.iter().fold(String::with_capacity(2 * input.len()), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
        text
    })
}

/// The bytes of a line; what follows a `#` is for the reader.
fn parse(line: &str) -> Option<Vec<u8>> {
    let digits = line.split('#').next().unwrap_or_default().trim();
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    let byte = |pair: &[u8; 2]| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok();
    rest.is_empty().then(|| pairs.iter().map(byte).collect())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_come_back_from_their_line() {
        let input: Vec<u8> = (0..=255).collect();
        assert_eq!(parse(&format!("{}  # all bytes", to_hexadecimal(&input))), Some(input));
        assert_eq!(parse("# nothing but a remark"), Some(Vec::new()));
        assert_eq!(parse("abc"), None);
        assert_eq!(parse("zz"), None);
    }
}
