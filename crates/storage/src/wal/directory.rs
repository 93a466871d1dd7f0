//! What the log needs of a file system, as two small traits, and the real one behind them.
//!
//! The traits are the seam where tests put a disk that loses unsynced sectors, fails a sync or is full. They
//! promise no more than a file system does: a write is durable after [`File::sync`] of that file, a name
//! after [`Directory::sync`].

use super::error::LogError;
use super::format::BLOCK_BYTES;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A flat directory of files.
pub trait Directory: Send + Sync + fmt::Debug {
    /// The names of all files, in any order.
    fn list(&self) -> io::Result<Vec<String>>;
    /// Creates a file, empty, open for writing. A file of that name is emptied.
    fn create(&self, name: &str) -> io::Result<Box<dyn File>>;
    /// Opens a file for writing in place. Writes are of whole blocks at multiples of [`BLOCK_BYTES`], from
    /// memory that is aligned so too.
    fn open_to_write(&self, name: &str) -> io::Result<Box<dyn File>>;
    /// Opens a file for reading.
    fn open_to_read(&self, name: &str) -> io::Result<Box<dyn File>>;
    /// Gives a file another name; a file of that name is replaced.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Makes all names durable.
    fn sync(&self) -> io::Result<()>;
}

/// An open file.
pub trait File: Send + Sync + fmt::Debug {
    /// The size in bytes.
    fn size(&self) -> io::Result<u64>;
    /// Reads up to `buffer.len()` bytes; 0 at the end of the file.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes some of `bytes`, and says how many.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;
    /// Cuts or extends the file.
    fn set_size(&self, bytes: u64) -> io::Result<()>;
    /// Makes all writes so far durable, and the size if it changed.
    fn sync(&self) -> io::Result<()>;
}

/// Writes all of `bytes`, which are whole blocks. A short write goes on from the last whole block, so that
/// direct writes stay aligned.
pub(super) fn write_blocks(file: &dyn File, bytes: &[u8], offset: u64) -> io::Result<()> {
    let mut done = 0;
    while done < bytes.len() {
        match file.write_at(&bytes[done..], offset + done as u64) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
            Ok(written) if written == bytes.len() - done => return Ok(()),
            Ok(written) if written < BLOCK_BYTES => {
                return Err(io::Error::new(io::ErrorKind::WriteZero, "the file took less than a block"));
            }
            Ok(written) => done += written / BLOCK_BYTES * BLOCK_BYTES,
        }
    }
    Ok(())
}

/// Reads up to `bytes_max` bytes from the beginning of the file.
pub(super) fn read_start(file: &dyn File, bytes_max: usize) -> io::Result<Vec<u8>> {
    let size = file.size()?.min(bytes_max as u64) as usize;
    let mut bytes = vec![0u8; size];
    let mut done = 0;
    while done < size {
        match file.read_at(&mut bytes[done..], done as u64) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
            Ok(0) => break,
            Ok(read) => done += read,
        }
    }
    bytes.truncate(done);
    Ok(bytes)
}

/// A directory of the operating system, locked for this process for as long as this value lives.
#[derive(Debug)]
pub struct DiskDirectory {
    path: PathBuf,
    /// Keeps the lock; the operating system drops it when the process ends, however it ends.
    _lock: fs::File,
    direct: bool,
}

const LOCK_NAME: &str = "LOCK";

impl DiskDirectory {
    /// Opens the directory, creates it if it is missing, and locks it.
    pub fn open(path: &Path) -> Result<DiskDirectory, LogError> {
        let shown = path.display();
        create_durably(path).map_err(LogError::io(format!("creating the log directory {shown}")))?;
        let lock = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path.join(LOCK_NAME))
            .map_err(LogError::io(format!("opening the lock file in {shown}")))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Err(LogError::Locked { directory: path.to_owned() }),
            Err(fs::TryLockError::Error(error)) => {
                return Err(LogError::io(format!("locking the log directory {shown}"))(error));
            }
        }
        let direct = direct::works(&path.join(LOCK_NAME));
        Ok(DiskDirectory { path: path.to_owned(), _lock: lock, direct })
    }

    fn writing(&self) -> fs::OpenOptions {
        let mut options = fs::OpenOptions::new();
        options.write(true);
        if self.direct {
            direct::request(&mut options);
        }
        options
    }
}

impl Directory for DiskDirectory {
    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            names.extend(entry?.file_name().into_string());
        }
        Ok(names)
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn File>> {
        Ok(Box::new(DiskFile(self.writing().create(true).truncate(true).open(self.path.join(name))?)))
    }

    fn open_to_write(&self, name: &str) -> io::Result<Box<dyn File>> {
        Ok(Box::new(DiskFile(self.writing().open(self.path.join(name))?)))
    }

    fn open_to_read(&self, name: &str) -> io::Result<Box<dyn File>> {
        Ok(Box::new(DiskFile(fs::File::open(self.path.join(name))?)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path.join(name))
    }

    fn sync(&self) -> io::Result<()> {
        sync_directory(&self.path)
    }
}

#[derive(Debug)]
struct DiskFile(fs::File);

impl File for DiskFile {
    fn size(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        std::os::unix::fs::FileExt::read_at(&self.0, buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        std::os::unix::fs::FileExt::write_at(&self.0, bytes, offset)
    }

    fn set_size(&self, bytes: u64) -> io::Result<()> {
        self.0.set_len(bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}

/// Creates the directory and its missing parents, and makes each new name durable in the directory above it.
fn create_durably(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => return Err(io::Error::new(io::ErrorKind::NotFound, "the path has no parent")),
    };
    create_durably(parent)?;
    match fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => sync_directory(parent),
    }
}

fn sync_directory(path: &Path) -> io::Result<()> {
    fs::File::open(path)?.sync_all()
}

/// Writes past the page cache, where system and file system know how.
mod direct {
    use crate::wal::buffer::AlignedBuffer;
    use std::fs;
    use std::path::Path;

    /// Whether a direct write to this file succeeds. Some file systems refuse the open, others only the
    /// write.
    #[cfg(target_os = "linux")]
    pub fn works(probe: &Path) -> bool {
        let mut options = fs::OpenOptions::new();
        request(options.write(true));
        let zeros = AlignedBuffer::zeroed(super::BLOCK_BYTES);
        options
            .open(probe)
            .and_then(|file| std::os::unix::fs::FileExt::write_at(&file, zeros.bytes(), 0))
            .is_ok_and(|written| written == zeros.bytes().len())
    }

    #[cfg(target_os = "linux")]
    pub fn request(options: &mut fs::OpenOptions) {
        std::os::unix::fs::OpenOptionsExt::custom_flags(options, libc::O_DIRECT);
    }

    #[cfg(not(target_os = "linux"))]
    pub fn works(_: &Path) -> bool {
        false
    }

    #[cfg(not(target_os = "linux"))]
    pub fn request(_: &mut fs::OpenOptions) {}
}
