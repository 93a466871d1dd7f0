//! A real etcd on loopback ports, with a directory of its own, for as long as its value lives.

use std::fs::File;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

const START_TIME_MAX: Duration = Duration::from_secs(15);
const POLL_PAUSE: Duration = Duration::from_millis(50);

/// A running etcd.
pub struct Etcd {
    process: Child,
    directory: PathBuf,
    client_port: u16,
}

/// Two ports that are free now.
pub fn free_ports() -> anyhow::Result<[u16; 2]> {
    let listeners = [TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?];
    Ok([listeners[0].local_addr()?.port(), listeners[1].local_addr()?.port()])
}

impl Etcd {
    /// Starts a cluster of one and waits until it serves.
    pub fn start([client_port, peer_port]: [u16; 2]) -> anyhow::Result<Self> {
        let directory =
            std::env::temp_dir().join(format!("synod-compare-{}-{client_port}", std::process::id()));
        std::fs::create_dir_all(&directory)?;
        let log = File::create(directory.join("log"))?;
        let (client, peer) =
            (format!("http://127.0.0.1:{client_port}"), format!("http://127.0.0.1:{peer_port}"));
        let process = Command::new("etcd")
            .args(["--name", "n1", "--data-dir"])
            .arg(directory.join("data"))
            .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &format!("n1={peer}")])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .context("etcd cannot be started; is it installed?")?;
        let etcd = Self { process, directory, client_port };
        etcd.wait_until_ready()?;
        Ok(etcd)
    }

    /// The client endpoint.
    pub fn endpoint(&self) -> String {
        format!("127.0.0.1:{}", self.client_port)
    }

    fn wait_until_ready(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + START_TIME_MAX;
        while Instant::now() < deadline {
            let health = Command::new("etcdctl")
                .env("ETCDCTL_API", "3")
                .args(["--endpoints", &self.endpoint(), "--command-timeout=1s", "endpoint", "health"])
                .output()
                .context("etcdctl cannot be started; is it installed?")?;
            if health.status.success() {
                return Ok(());
            }
            std::thread::sleep(POLL_PAUSE);
        }
        bail!(
            "etcd was not ready within {} s; its log is in {}",
            START_TIME_MAX.as_secs(),
            self.directory.display()
        )
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        // It may have ended by itself, and its files may be gone; neither matters any more.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}
