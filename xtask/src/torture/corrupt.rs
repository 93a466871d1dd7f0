//! Damage to the files of a stopped member.
use crate::cluster::{Cluster, ServerKind};
/// Runs it.
pub async fn run(_cluster: Cluster, _seed: u64, _kind: ServerKind) -> anyhow::Result<()> {
    Ok(())
}
