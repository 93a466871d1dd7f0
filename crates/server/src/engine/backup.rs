//! Copies of a member's store: taken while it serves, and made into the members of a new cluster.
//!
//! A copy is a header, then chunks, each with its length before it. The chunks are those that replicas send each other
//! ([`synod_storage::mvcc::SnapshotChunk`]): with checksums, numbers and a mark on the last one, so that a copy that was cut off, damaged or
//! put together from two is refused. Zeros up to whole blocks of 512 bytes and a SHA-256 of all before it end the copy: by
//! these etcd's own tools tell that theirs are whole, and `etcdctl snapshot save` keeps no others.
//!
//! A member is restored in a directory of another name, which gets its own when all of it is durable: what a crash leaves is
//! no member, and is removed by the next try.

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use ring::digest;
pub use synod_database::Restored;
use synod_database::{GroupId, Restoring, Write, raft, wire};
use synod_machine::NodeId;
use synod_storage::kv::{FjallKv, FjallOptions, KvError, Reader};
use synod_storage::mvcc::{SnapshotCursor, StoreError, View};
use synod_storage::wal::{Log, LogError, LogOptions};

use super::home;
use super::member::{MemberConfig, StartError};

/// What a copy begins with; the number is that of this form.
const HEADER: &[u8] = b"synod snapshot 1\n";
/// About as many bytes are sent at a time.
const CHUNK_BYTES: usize = 1 << 20;
/// The length without the digest is a multiple of this.
const BLOCK_BYTES: u64 = 512;
const DIGEST_BYTES: u64 = 32;
/// A larger chunk is none of ours: a request is much smaller.
const CHUNK_BYTES_MAX: usize = 256 << 20;

/// Why no member could be restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// There is a member already.
    #[error("{} has a member already: give another data directory, or remove it", .0.display())]
    Exists(PathBuf),
    /// A file or directory cannot be used.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The copy is not whole, or none.
    #[error("{}: {found}; expected a snapshot that `synod snapshot save` or `etcdctl snapshot save` took from Synod", path.display())]
    NoCopy {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        found: String,
    },
    /// The new store cannot be written.
    #[error(transparent)]
    Engine(#[from] KvError),
    /// The new log cannot be written.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The new directory cannot be claimed.
    #[error(transparent)]
    Directory(#[from] StartError),
}

/// Gives a copy of what `view` shows, piece by piece, until `take` wants no more.
///
/// # Errors
/// When the store cannot be read.
pub fn copy<S: Reader>(view: &View<S>, mut take: impl FnMut(Bytes) -> bool) -> Result<(), StoreError> {
    let mut digest = digest::Context::new(&digest::SHA256);
    let mut bytes = 0;
    let mut cursor = Some(SnapshotCursor::default());
    let mut piece = HEADER.to_vec();
    while let Some(at) = cursor {
        let chunk = view.snapshot_chunk(&at, CHUNK_BYTES)?;
        let length = u32::try_from(chunk.bytes.len());
        let length = length.map_err(|_| StoreError::Snapshot("an entry is too large".to_owned()))?;
        piece.extend_from_slice(&length.to_le_bytes());
        piece.extend_from_slice(&chunk.bytes);
        bytes += piece.len() as u64;
        if chunk.next.is_none() {
            piece.resize(piece.len() + padding_bytes(bytes) as usize, 0);
        }
        digest.update(&piece);
        if !take(std::mem::take(&mut piece).into()) {
            return Ok(());
        }
        cursor = chunk.next;
    }
    take(Bytes::copy_from_slice(digest.finish().as_ref()));
    Ok(())
}

/// Zeros behind so many bytes.
fn padding_bytes(bytes: u64) -> u64 {
    bytes.next_multiple_of(BLOCK_BYTES) - bytes
}

/// Makes the member that `config` describes out of a copy.
///
/// # Errors
/// [`RestoreError`]; then there is no member.
pub fn restore(config: &MemberConfig, path: &Path) -> Result<Restored, RestoreError> {
    let member = config.data_dir.join("member");
    if member.exists() {
        return Err(RestoreError::Exists(config.data_dir.clone()));
    }
    let mut copy = Copy::open(path)?;
    let fresh = config.data_dir.join("member.restoring");
    if fresh.exists() {
        fs::remove_dir_all(&fresh).map_err(file(&fresh))?;
    }
    fs::create_dir_all(&fresh).map_err(file(&fresh))?;
    let restored = (|| {
        let engine = FjallKv::open(&fresh.join("store"), FjallOptions::default())?;
        let mut restoring = Restoring::begin(engine).map_err(|error| copy.refused(error))?;
        loop {
            let chunk = copy.next()?;
            let is_last = restoring.accept(&chunk).map_err(|error| copy.refused(error))?;
            if is_last {
                break;
            }
        }
        copy.end()?;
        let voters = config.members.iter().map(|member| NodeId(member.id)).collect();
        let configuration = raft::Configuration { voters, ..raft::Configuration::default() };
        let restored = restoring.finish(configuration).map_err(|error| copy.refused(error))?;
        begin_log(&fresh.join("wal"), &restored)?;
        home::claim(&fresh, config)?;
        fs::rename(&fresh, &member).map_err(file(&member))?;
        File::open(&config.data_dir)
            .and_then(|directory| directory.sync_all())
            .map_err(file(&config.data_dir))?;
        Ok(restored)
    })();
    if restored.is_err() {
        // What stays is removed by the next try.
        let _ = fs::remove_dir_all(&fresh);
    }
    restored
}

/// A log that begins where the copy ends.
fn begin_log(path: &Path, restored: &Restored) -> Result<(), LogError> {
    let (mut log, _) = Log::open(path, LogOptions::default())?;
    let writes = [
        raft::Write::Vote { term: restored.point.term, vote: None },
        raft::Write::Reset(restored.point.clone()),
    ];
    for write in writes {
        let mut record = bytes::BytesMut::new();
        wire::encode_write(&Write::Raft { group: GroupId::default(), write }, &mut record);
        log.append(&[record])?;
    }
    log.sync()?;
    log.close()
}

/// A copy that is read.
struct Copy {
    path: PathBuf,
    file: BufReader<File>,
    read_bytes: u64,
    file_bytes: u64,
    /// Of what was read.
    digest: digest::Context,
}

impl Copy {
    fn open(path: &Path) -> Result<Self, RestoreError> {
        let opened = File::open(path).map_err(file(path))?;
        let file_bytes = opened.metadata().map_err(file(path))?.len();
        let mut copy = Copy {
            path: path.to_owned(),
            file: BufReader::new(opened),
            read_bytes: 0,
            file_bytes,
            digest: digest::Context::new(&digest::SHA256),
        };
        let found = copy.take(HEADER.len() as u64)?;
        if found != HEADER { Err(copy.broken("it begins with something else")) } else { Ok(copy) }
    }

    fn next(&mut self) -> Result<Bytes, RestoreError> {
        let length: [u8; 4] = self.take(4)?.try_into().map_err(|_| self.broken("it is cut off"))?;
        let length = u32::from_le_bytes(length);
        if length as usize > CHUNK_BYTES_MAX {
            return Err(self.broken("a chunk of it is too long"));
        }
        Ok(self.take(length.into())?.into())
    }

    fn end(&mut self) -> Result<(), RestoreError> {
        self.take(padding_bytes(self.read_bytes))?;
        let expected = self.digest.clone().finish();
        if self.take(DIGEST_BYTES)? != expected.as_ref() {
            return Err(self.broken("its SHA-256 does not fit its bytes"));
        }
        match self.file_bytes - self.read_bytes {
            0 => Ok(()),
            more => Err(self.broken(&format!("there are {more} bytes behind its end"))),
        }
    }

    fn take(&mut self, bytes: u64) -> Result<Vec<u8>, RestoreError> {
        if bytes > self.file_bytes - self.read_bytes {
            return Err(self.broken("it is cut off"));
        }
        let mut taken = vec![0; bytes as usize];
        self.file.read_exact(&mut taken).map_err(file(&self.path))?;
        self.read_bytes += bytes;
        self.digest.update(&taken);
        Ok(taken)
    }

    fn broken(&self, found: &str) -> RestoreError {
        RestoreError::NoCopy { path: self.path.clone(), found: found.to_owned() }
    }

    fn refused(&self, error: StoreError) -> RestoreError {
        self.broken(&error.to_string())
    }
}

fn file(path: &Path) -> impl FnOnce(io::Error) -> RestoreError + use<> {
    let path = path.to_owned();
    move |source| RestoreError::File { path, source }
}
