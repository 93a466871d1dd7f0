//! Keeps a log readable: the same complaint again only after a while, with the number of times it was left
//! out.

use std::time::Duration;

use tokio::time::Instant;

#[derive(Debug)]
pub(crate) struct Sparing {
    interval: Duration,
    last: Option<(Instant, String)>,
    suppressed: u64,
}

impl Sparing {
    pub(crate) fn new(interval: Duration) -> Sparing {
        Sparing { interval, last: None, suppressed: 0 }
    }

    /// Whether to log this: the number of complaints left out since the last one that was logged.
    pub(crate) fn admit(&mut self, complaint: &str) -> Option<u64> {
        let now = Instant::now();
        if let Some((at, text)) = &self.last
            && text == complaint
            && now - *at < self.interval
        {
            self.suppressed += 1;
            return None;
        }
        self.last = Some((now, complaint.to_owned()));
        Some(std::mem::take(&mut self.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn repeats_only_after_the_interval() {
        let mut sparing = Sparing::new(Duration::from_secs(30));
        assert_eq!(sparing.admit("a"), Some(0));
        assert_eq!(sparing.admit("a"), None);
        assert_eq!(sparing.admit("a"), None);
        assert_eq!(sparing.admit("b"), Some(2));
        tokio::time::advance(Duration::from_secs(31)).await;
        assert_eq!(sparing.admit("b"), Some(0));
    }
}
