//! A flag by which tasks are told to end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The flag; its copies are one.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Tells them.
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether they have been told.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
