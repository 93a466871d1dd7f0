//! A disk in memory that does what a disk may do, and no more than it must.
//!
//! What was synced survives a crash. Of what was not, any subset of sectors survives, and any subset of the
//! changes to names. On demand it fails a write or a sync, writes short, or is full.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use synod_storage::wal::directory::{Directory, File};

const SECTOR_BYTES: usize = 512;

#[derive(Debug, Default)]
pub struct MemoryDirectory {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    files: Vec<FileState>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    name_changes: Vec<NameChange>,
    faults: Faults,
}

/// What goes wrong from now on.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// File syncs fail.
    pub sync_fails: bool,
    /// File writes fail.
    pub write_fails: bool,
    /// Every write takes at most this many bytes.
    pub write_bytes_max: Option<usize>,
    /// Files together cannot grow beyond this.
    pub capacity_bytes: Option<usize>,
    /// Directory syncs fail.
    pub directory_sync_fails: bool,
    /// The file of this name can neither be renamed nor removed.
    pub stuck_name: Option<String>,
}

#[derive(Clone, Debug, Default)]
struct FileState {
    durable: Vec<u8>,
    current: Vec<u8>,
    unsynced: Vec<Change>,
}

#[derive(Clone, Debug)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Size(usize),
}

#[derive(Clone, Debug)]
enum NameChange {
    Bind(String, usize),
    Rename(String, String),
    Remove(String),
}

impl MemoryDirectory {
    pub fn new() -> Arc<MemoryDirectory> {
        Arc::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub fn set_faults(&self, faults: Faults) {
        self.state().faults = faults;
    }

    /// The power goes: `survives` is asked for each unsynced sector, each change of size and each change of a
    /// name.
    pub fn crash(&self, mut survives: impl FnMut() -> bool) {
        let mut state = self.state();
        let changes = std::mem::take(&mut state.name_changes);
        for change in changes {
            if survives() {
                change.apply(&mut state.durable_names);
            }
        }
        state.names = state.durable_names.clone();
        for file in &mut state.files {
            file.crash(&mut survives);
        }
    }

    /// A copy with the contents and names as they are seen now, all durable.
    pub fn image(&self) -> Arc<MemoryDirectory> {
        let copy = MemoryDirectory::new();
        for name in self.names() {
            copy.put(&name, self.get(&name));
        }
        copy
    }

    pub fn names(&self) -> Vec<String> {
        self.state().names.keys().cloned().collect()
    }

    pub fn get(&self, name: &str) -> Vec<u8> {
        let state = self.state();
        state.files[state.names[name]].current.clone()
    }

    pub fn put(&self, name: &str, bytes: Vec<u8>) {
        let mut state = self.state();
        let id = state.files.len();
        state.files.push(FileState { durable: bytes.clone(), current: bytes, unsynced: Vec::new() });
        state.names.insert(name.into(), id);
        state.durable_names.insert(name.into(), id);
    }

    pub fn remove_now(&self, name: &str) {
        let mut state = self.state();
        state.names.remove(name);
        state.durable_names.remove(name);
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn File>> {
        let state = self.state();
        let id = *state.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(MemoryFile { state: self.state.clone(), id }))
    }

    fn check_name(&self, name: &str) -> io::Result<()> {
        if self.state().faults.stuck_name.as_deref() == Some(name) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        self.open(name).map(|_| ())
    }

    fn change_name(&self, change: NameChange) {
        let mut state = self.state();
        change.apply(&mut state.names);
        state.name_changes.push(change);
    }
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            NameChange::Bind(name, id) => {
                names.insert(name.clone(), *id);
            }
            NameChange::Rename(from, to) => {
                // In a crash, the creation of the file may have been lost before.
                if let Some(id) = names.remove(from) {
                    names.insert(to.clone(), id);
                }
            }
            NameChange::Remove(name) => {
                names.remove(name);
            }
        }
    }
}

impl FileState {
    fn crash(&mut self, survives: &mut impl FnMut() -> bool) {
        for change in std::mem::take(&mut self.unsynced) {
            match change {
                Change::Size(bytes) => {
                    if survives() {
                        self.durable.resize(bytes, 0);
                    }
                }
                Change::Write { offset, bytes } => {
                    let mut done = 0;
                    while done < bytes.len() {
                        let at = offset + done;
                        let piece = (SECTOR_BYTES - at % SECTOR_BYTES).min(bytes.len() - done);
                        if survives() {
                            overwrite(&mut self.durable, at, &bytes[done..done + piece]);
                        }
                        done += piece;
                    }
                }
            }
        }
        self.current = self.durable.clone();
    }
}

fn overwrite(file: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if file.len() < end {
        file.resize(end, 0);
    }
    file[offset..end].copy_from_slice(bytes);
}

impl Directory for MemoryDirectory {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.names())
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn File>> {
        let id = {
            let mut state = self.state();
            state.files.push(FileState::default());
            state.files.len() - 1
        };
        self.change_name(NameChange::Bind(name.into(), id));
        self.open(name)
    }

    fn open_to_write(&self, name: &str) -> io::Result<Box<dyn File>> {
        self.open(name)
    }

    fn open_to_read(&self, name: &str) -> io::Result<Box<dyn File>> {
        self.open(name)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.check_name(from)?;
        self.change_name(NameChange::Rename(from.into(), to.into()));
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.check_name(name)?;
        self.change_name(NameChange::Remove(name.into()));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.state();
        if state.faults.directory_sync_fails {
            return Err(io::Error::other("the directory could not be synced"));
        }
        state.name_changes.clear();
        state.durable_names = state.names.clone();
        Ok(())
    }
}

#[derive(Debug)]
struct MemoryFile {
    state: Arc<Mutex<State>>,
    id: usize,
}

impl MemoryFile {
    fn with<T>(&self, action: impl FnOnce(&mut FileState) -> T) -> T {
        action(&mut self.state.lock().unwrap().files[self.id])
    }
}

impl File for MemoryFile {
    fn size(&self) -> io::Result<u64> {
        Ok(self.with(|file| file.current.len() as u64))
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.with(|file| {
            let rest = file.current.get(offset as usize..).unwrap_or_default();
            let bytes = rest.len().min(buffer.len());
            buffer[..bytes].copy_from_slice(&rest[..bytes]);
            Ok(bytes)
        })
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        assert!(offset.is_multiple_of(4096) && bytes.len().is_multiple_of(4096), "writes are whole blocks");
        assert_eq!(bytes.as_ptr().align_offset(4096), 0, "writes come from aligned memory");
        let (faults, held) = {
            let state = self.state.lock().unwrap();
            let held: usize = state.names.values().map(|id| state.files[*id].current.len()).sum();
            (state.faults.clone(), held)
        };
        if faults.write_fails {
            return Err(io::Error::other("the disk refuses the write"));
        }
        let bytes = &bytes[..bytes.len().min(faults.write_bytes_max.unwrap_or(usize::MAX))];
        let offset = offset as usize;
        self.with(|file| {
            let growth = (offset + bytes.len()).saturating_sub(file.current.len());
            if growth > 0 && faults.capacity_bytes.is_some_and(|capacity| held + growth > capacity) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            overwrite(&mut file.current, offset, bytes);
            file.unsynced.push(Change::Write { offset, bytes: bytes.to_vec() });
            Ok(bytes.len())
        })
    }

    fn set_size(&self, bytes: u64) -> io::Result<()> {
        self.with(|file| {
            file.current.resize(bytes as usize, 0);
            file.unsynced.push(Change::Size(bytes as usize));
        });
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        if self.state.lock().unwrap().faults.sync_fails {
            return Err(io::Error::other("the disk could not sync"));
        }
        self.with(|file| {
            for change in std::mem::take(&mut file.unsynced) {
                match change {
                    Change::Write { offset, bytes } => overwrite(&mut file.durable, offset, &bytes),
                    Change::Size(bytes) => file.durable.resize(bytes, 0),
                }
            }
        });
        Ok(())
    }
}
