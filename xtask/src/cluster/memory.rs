//! Bounds on the memory that a server may take of the machine, pages of files that it has read or written among it.
//!
//! The kernel keeps them, by a control group. With the older kind of groups, one is made below this program's own, so what bounds
//! this program goes on to bound the server. With the newer kind systemd is asked for a scope, since a group that has
//! processes may not have bounded groups below it. Where neither is to be had, nothing is measured: a bound that does not hold
//! proves nothing.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, bail};

/// Where the older kind of groups for memory lies.
const GROUPS: &str = "/sys/fs/cgroup/memory";

/// A bound. The group, if it is one of ours, goes with it.
#[derive(Debug)]
pub struct MemoryLimit {
    group: Option<PathBuf>,
    bytes_max: u64,
}

impl MemoryLimit {
    /// A bound of so many bytes for all processes that are started under it together.
    ///
    /// # Errors
    /// The machine has no means to keep it, or does not let this user use them.
    pub fn new(bytes_max: u64) -> anyhow::Result<Self> {
        let groups = fs::read_to_string("/proc/self/cgroup").context("the machine has no control groups")?;
        if let Some(own) = own_memory_group(&groups) {
            let group = make_group(&Path::new(GROUPS).join(own.trim_start_matches('/')), bytes_max)?;
            return Ok(Self { group: Some(group), bytes_max });
        }
        let limit = Self { group: None, bytes_max };
        let mut probe = limit.words();
        let mut command = Command::new(probe.remove(0));
        let output = command.args(probe).arg("true").output();
        match output {
            Ok(output) if output.status.success() => Ok(limit),
            Ok(output) => bail!(
                "memory cannot be bounded: systemd-run said {:?}; this needs root, or a session of systemd",
                String::from_utf8_lossy(&output.stderr).trim()
            ),
            Err(error) => bail!("memory cannot be bounded: no group for memory, and systemd-run: {error}"),
        }
    }

    /// The words to put before a program's, so that it runs under the bound.
    pub fn words(&self) -> Vec<OsString> {
        match &self.group {
            Some(group) => {
                let enter = r#"echo $$ > "$0/cgroup.procs" && exec "$@""#;
                vec!["sh".into(), "-c".into(), enter.into(), group.clone().into_os_string()]
            }
            None => {
                let bound = format!("MemoryMax={}", self.bytes_max);
                ["systemd-run", "--scope", "--quiet", "-p", &bound, "-p", "MemorySwapMax=0"]
                    .map(OsString::from)
                    .into()
            }
        }
    }
}

impl Drop for MemoryLimit {
    fn drop(&mut self) {
        if let Some(group) = &self.group {
            // A process that has just ended may still be counted; what is left then is an empty group.
            let _ = fs::remove_dir(group);
        }
    }
}

/// This program's group of the older kind, from what the system says of its groups.
fn own_memory_group(groups: &str) -> Option<&str> {
    groups.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let is_memory = fields.next()?.split(',').any(|controller| controller == "memory");
        fields.next().filter(|_| is_memory)
    })
}

fn make_group(parent: &Path, bytes_max: u64) -> anyhow::Result<PathBuf> {
    static MADE: AtomicU32 = AtomicU32::new(0);
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    let group = parent.join(format!("synod-xtask-{}-{number}", std::process::id()));
    fs::create_dir(&group).with_context(|| format!("{} cannot be made", group.display()))?;
    let bound = group.join("memory.limit_in_bytes");
    fs::write(&bound, bytes_max.to_string()).with_context(|| format!("{} is refused", bound.display()))?;
    Ok(group)
}

#[cfg(test)]
mod tests {
    use super::own_memory_group;

    #[test]
    fn the_group_for_memory_is_found() {
        assert_eq!(own_memory_group("9:pids:/x\n4:cpu,memory:/a/b:c\n0::/\n"), Some("/a/b:c"));
        assert_eq!(own_memory_group("0::/user.slice/session-1.scope\n"), None);
    }
}
