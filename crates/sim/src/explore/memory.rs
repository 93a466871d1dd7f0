//! How much memory this process takes, as far as the system says.

/// Resident memory. None where the system does not say so in `/proc`.
pub(super) fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    #[test]
    fn memory_that_is_taken_shows() {
        const TAKEN: usize = 64 << 20;
        let Some(before) = super::resident_bytes() else { return };
        let taken = vec![1u8; TAKEN];
        let after = super::resident_bytes().expect("it was told before");
        assert!(taken.iter().all(|byte| *byte == 1));
        assert!(after > before + TAKEN as u64 / 2, "{before} bytes, then {after}");
    }
}
