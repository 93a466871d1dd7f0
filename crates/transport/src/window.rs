//! How much one peer may have delivered that nobody has digested yet.
//!
//! The layer above takes frames from a callback that must not block, so it queues them. Without a bound that
//! queue would grow as fast as the network. Each delivered frame therefore holds a [`Permit`]; the reader
//! stops reading while the permits alive are worth more than the window, TCP tells the sender, the sender's
//! queue fills, and its caller sees no credit. A node that digests nothing for longer than the silence
//! timeout loses its connections: it is as good as dead.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// Stands for the room that a delivered frame takes. Drop it when the frame has been dealt with.
#[derive(Debug)]
pub struct Permit {
    window: Arc<Window>,
    bytes: usize,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let before = self.window.held_bytes.fetch_sub(self.bytes, Ordering::AcqRel);
        // Wakes on the crossing only: the reader waits for nothing else.
        if before >= self.window.bytes_max && before - self.bytes < self.window.bytes_max {
            self.window.opened.notify_one();
        }
    }
}

#[derive(Debug)]
pub(crate) struct Window {
    held_bytes: AtomicUsize,
    bytes_max: usize,
    opened: Notify,
}

impl Window {
    pub(crate) fn new(bytes_max: usize) -> Arc<Window> {
        Arc::new(Window { held_bytes: AtomicUsize::new(0), bytes_max, opened: Notify::new() })
    }

    /// Takes room for a frame of `bytes`, whether or not there is any: it has been read.
    pub(crate) fn admit(self: &Arc<Self>, bytes: usize) -> Permit {
        // Its header counts too, or frames without payload would be free.
        let bytes = bytes + crate::frame::HEADER_BYTES;
        self.held_bytes.fetch_add(bytes, Ordering::AcqRel);
        Permit { window: Arc::clone(self), bytes }
    }

    /// Resolves once there is room.
    pub(crate) async fn open(&self) {
        while self.held_bytes.load(Ordering::Acquire) >= self.bytes_max {
            self.opened.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::timeout;

    #[tokio::test(start_paused = true)]
    async fn opens_when_permits_are_dropped() {
        let window = Window::new(100);
        window.open().await;
        let first = window.admit(80);
        window.open().await;
        let second = window.admit(80);
        assert!(timeout(Duration::from_secs(1), window.open()).await.is_err());
        drop(first);
        assert!(timeout(Duration::from_secs(1), window.open()).await.is_ok());
        drop(second);
        assert!(timeout(Duration::from_secs(1), window.open()).await.is_ok());
    }
}
