//! Whose a data directory is: a file in it names the cluster, the member and the directory itself.
//!
//! The directory's own number is drawn when it is founded, published to the cluster with the member's name, and said to every peer. A member
//! that comes back on an empty disk has the right name and none of its votes; its number gives it away, and the others refuse it.

use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::Path;

use super::member::{MemberConfig, StartError};

/// The file.
const IDENTITY: &str = "identity";
/// What stands in it before the directory's number.
const DIRECTORY: &str = " directory ";

/// The directory's number if it is this member's already; an error if it is someone else's.
pub(super) fn claimed(directory: &Path, config: &MemberConfig) -> Result<Option<u64>, StartError> {
    let expected = identity(config);
    let found = match fs::read_to_string(directory.join(IDENTITY)) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(StartError::Directory { path: directory.to_owned(), source }),
    };
    let (whose, home) = found.trim().split_once(DIRECTORY).unwrap_or((found.trim(), ""));
    match u64::from_str_radix(home, 16) {
        Ok(home) if whose == expected => Ok(Some(home)),
        _ => Err(StartError::Foreign { path: config.data_dir.clone(), found: whose.to_owned(), expected }),
    }
}

/// Makes the directory this member's, durably, and gives it its number.
pub(super) fn claim(directory: &Path, config: &MemberConfig) -> Result<u64, StartError> {
    let failed = |source| StartError::Directory { path: directory.to_owned(), source };
    // The standard library seeds its hasher from the system's random source.
    let home = RandomState::new().hash_one((config.cluster_id, config.member_id)).max(1);
    let fresh = directory.join("identity.new");
    fs::write(&fresh, format!("{}{DIRECTORY}{home:x}\n", identity(config))).map_err(failed)?;
    fs::File::open(&fresh).and_then(|file| file.sync_all()).map_err(failed)?;
    fs::rename(&fresh, directory.join(IDENTITY)).map_err(failed)?;
    fs::File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed)?;
    Ok(home)
}

fn identity(config: &MemberConfig) -> String {
    format!("cluster {:x} member {:x}", config.cluster_id, config.member_id)
}
