//! Stock clients.
/// Runs it.
#[derive(clap::Args, Debug)]
pub struct Interop {}
impl Interop {
    /// Runs it.
    pub fn run(self) -> anyhow::Result<()> {
        Ok(())
    }
}
