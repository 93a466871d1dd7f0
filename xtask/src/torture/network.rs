//! A network of its own for each member, so that it can be cut.
//!
//! Each member gets a network namespace with one address, joined by a bridge that stands in a further namespace, the hub.
//! The program that tests runs in the hub itself (it starts itself again there), so nothing is added to the machine's own
//! network: the addresses exist only inside these namespaces.
//!
//! # How it is cut
//! - *Alone*: the member's interface goes down. Its connections are not reset; they fall silent.
//! - *From one to another*: a route in the member's namespace drops what it would send to the other. One way, that is a
//!   link that answers nobody; both ways, it is a cut between two members that the third does not share.
//!
//! Clients reach a member that is cut off from the others only in the second way: there, reads that an old leader
//! should not answer come to light.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::cluster::Place;

/// What all names of namespaces begin with that this program makes.
const NAME: &str = "synod-torture-";
/// The addresses are 10.197.83.1 and so on; they mean something inside the namespaces only.
const NETWORK: [u8; 3] = [10, 197, 83];
const HUB_HOST: u8 = 254;
const CLIENT_PORT: u16 = 2379;
const PEER_PORT: u16 = 2380;

/// The namespaces. They go when it is dropped.
#[derive(Debug)]
pub struct Network {
    id: u32,
    members: usize,
}

impl Network {
    /// Makes the hub and a namespace for each member. Needs the right to do that: root's.
    ///
    /// # Errors
    /// The system refuses, or `ip` is not installed.
    pub fn make(members: usize) -> anyhow::Result<Self> {
        sweep()?;
        let network = Self { id: std::process::id(), members };
        network.build().context("the network namespaces cannot be made (this needs root and iproute2)")?;
        Ok(network)
    }

    /// The network that a parent process has made and will remove: for the process inside the hub.
    pub fn inside(id: u32, members: usize) -> Cuts {
        Cuts { network: std::mem::ManuallyDrop::new(Self { id, members }), open: Vec::new() }
    }

    /// The number by which a process inside finds it.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The name of the namespace in which the tests run.
    pub fn hub(&self) -> String {
        format!("{NAME}{}-hub", self.id)
    }

    fn name(&self, member: usize) -> String {
        format!("{NAME}{}-m{}", self.id, member + 1)
    }

    fn build(&self) -> anyhow::Result<()> {
        let hub = self.hub();
        ip(&["netns", "add", &hub])?;
        ip(&["-n", &hub, "link", "set", "lo", "up"])?;
        ip(&["-n", &hub, "link", "add", "bridge", "type", "bridge"])?;
        let address = |host| format!("{}/24", self::address(host));
        ip(&["-n", &hub, "address", "add", &address(HUB_HOST), "dev", "bridge"])?;
        ip(&["-n", &hub, "link", "set", "bridge", "up"])?;
        for member in 0..self.members {
            let (name, port) = (self.name(member), format!("port{}", member + 1));
            ip(&["netns", "add", &name])?;
            ip(&["-n", &name, "link", "set", "lo", "up"])?;
            ip(&["-n", &hub, "link", "add", &port, "type", "veth", "peer", "name", "eth0", "netns", &name])?;
            ip(&["-n", &hub, "link", "set", &port, "master", "bridge", "up"])?;
            ip(&["-n", &name, "address", "add", &address(host(member)), "dev", "eth0"])?;
            ip(&["-n", &name, "link", "set", "eth0", "up"])?;
        }
        Ok(())
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let names = (0..self.members).map(|member| self.name(member)).chain([self.hub()]);
        for name in names {
            // One that was never made cannot be removed.
            let _ = Command::new("ip").args(["netns", "delete", &name]).output();
        }
    }
}

/// The ways in which the network is cut at the moment.
#[derive(Debug)]
pub struct Cuts {
    // The parent removes it.
    network: std::mem::ManuallyDrop<Network>,
    open: Vec<Cut>,
}

/// One cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// A member from everybody, clients too.
    Alone(usize),
    /// What the first sends to the second is lost.
    OneWay(usize, usize),
}

impl Cuts {
    /// Where the members run.
    pub fn places(&self) -> Vec<Place> {
        let place = |member| Place {
            client: SocketAddr::from((address(host(member)), CLIENT_PORT)),
            peer: SocketAddr::from((address(host(member)), PEER_PORT)),
            namespace: Some(self.network.name(member)),
        };
        (0..self.network.members).map(place).collect()
    }

    /// Makes a cut, unless it is there.
    ///
    /// # Errors
    /// The system refuses.
    pub fn make(&mut self, cut: Cut) -> anyhow::Result<()> {
        if self.open.contains(&cut) {
            return Ok(());
        }
        self.change(cut, true)?;
        self.open.push(cut);
        Ok(())
    }

    /// Heals everything.
    ///
    /// # Errors
    /// The system refuses.
    pub fn heal(&mut self) -> anyhow::Result<()> {
        while let Some(cut) = self.open.pop() {
            self.change(cut, false)?;
        }
        Ok(())
    }

    /// Whether anything is cut.
    pub fn any(&self) -> bool {
        !self.open.is_empty()
    }

    fn change(&self, cut: Cut, make: bool) -> anyhow::Result<()> {
        match cut {
            Cut::Alone(member) => {
                let port = format!("port{}", member + 1);
                ip(&["-n", &self.network.hub(), "link", "set", &port, if make { "down" } else { "up" }])
            }
            Cut::OneWay(from, to) => {
                let to = format!("{}/32", address(host(to)));
                let verb = if make { "add" } else { "delete" };
                ip(&["-n", &self.network.name(from), "route", verb, "blackhole", &to])
            }
        }
    }
}

fn host(member: usize) -> u8 {
    u8::try_from(member + 1).expect("a test cluster has few members")
}

fn address(host: u8) -> Ipv4Addr {
    let [a, b, c] = NETWORK;
    Ipv4Addr::new(a, b, c, host)
}

/// Removes the namespaces of processes that were killed before they could.
fn sweep() -> anyhow::Result<()> {
    let output = Command::new("ip").args(["netns", "list"]).output().context("ip does not run")?;
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let Some(name) = line.split_whitespace().next().filter(|name| name.starts_with(NAME)) else {
            continue;
        };
        if maker_of(name).is_some_and(|id| !Path::new("/proc").join(id.to_string()).exists()) {
            ip(&["netns", "delete", name])?;
        }
    }
    Ok(())
}

/// The process that made a namespace, by the namespace's name.
fn maker_of(name: &str) -> Option<u32> {
    name.strip_prefix(NAME)?.split_once('-')?.0.parse().ok()
}

fn ip(arguments: &[&str]) -> anyhow::Result<()> {
    let output = Command::new("ip").args(arguments).output().context("ip does not run")?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        bail!("ip {} failed: {}", arguments.join(" "), complaint.trim());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_tells_who_made_it() {
        assert_eq!(maker_of("synod-torture-4711-m1"), Some(4711));
        assert_eq!(maker_of("synod-torture-x-m1"), None);
        assert_eq!(maker_of("somebody-elses"), None);
    }
}
