//! Free ports on the loopback interface.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::bail;

/// Ports below those that Linux gives to outgoing connections, and above those that services are known by.
const PORTS: std::ops::Range<u16> = 15_000..32_000;

/// That many neighbouring ports, of which the first is even. They were free a moment ago; nobody has reserved them.
///
/// # Errors
/// There are none.
pub fn free_ports(count: usize) -> anyhow::Result<Vec<u16>> {
    let count = u16::try_from(count)?;
    // Two tests at one time should not begin at one place.
    let room = PORTS.end - PORTS.start - count;
    let begin = u16::try_from(std::process::id().wrapping_mul(61) % u32::from(room))? & !1;
    let steps = (0..room).step_by(usize::from(count.next_multiple_of(2)));
    for step in steps {
        let first = PORTS.start + (begin + step) % room;
        let ports: Vec<u16> = (first..first + count).collect();
        if ports.iter().all(|&port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()) {
            return Ok(ports);
        }
    }
    bail!("no {count} neighbouring ports are free on the loopback interface in {PORTS:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_ports_are_neighbours_and_can_be_bound() {
        let ports = free_ports(6).unwrap();
        assert_eq!(ports.len(), 6);
        assert!(ports.windows(2).all(|pair| pair[0] + 1 == pair[1]));
        let held: Vec<TcpListener> =
            ports.iter().map(|&port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap()).collect();
        assert!(free_ports(6).unwrap().iter().all(|port| !ports.contains(port)));
        drop(held);
    }
}
