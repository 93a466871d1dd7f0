//! Consistency checking: was what the clients saw possible, and if not, why not.
//!
//! A [`history::History`] is what clients did and saw: who invoked what and when, and what came back and when, or
//! that nothing ever came back. A [`specification::Specification`] says what the object would do if it were alone
//! in the world with one client. [`linearizability::check`] decides whether the history can be explained by the
//! specification with every operation taking effect at one instant between its invocation and its return, and ends
//! in a [`verdict::Verdict`]: kept, broken with an explanation in words, or unknown with the limit that was met.
//! A limit never turns into a wrong verdict.
//!
//! [`linearizability::Online`] does the same while the run is still going on and holds in memory only what is in
//! flight, so that an hour-long simulation can be judged as it goes.
//!
//! [`model`] names all consistency models and says which follows from which; what a checker finds about one is a
//! [`model::Judgement`], what is found about several a [`model::Summary`].
//!
//! [`read_write`] decides all models of single operations for reads and writes of keys: sequential consistency, causal
//! consistency in its three forms, PRAM, the session guarantees, convergence, bounded staleness. [`sequential`] decides
//! sequential consistency of any object, and [`views`] the weaker models of any object.
//!
//! [`etcd`] holds the properties of an etcd-like store that are not about one answer but about the whole run:
//! acknowledged writes survive, watchers miss nothing, leases keep their promise, replicas agree.
//!
//! [`transactions`] judges histories of transactions: read committed to strict serializable, with the anomalies by their
//! names and the shortest cycle as the reason.
//!
//! [`generate`] makes histories that are correct by construction, and plants one named anomaly in them when asked:
//! the checkers are tested with it, and so can be the checkers of others.
//!
//! [`format`] reads histories from what others wrote, Jepsen among them, and [`judge`] brings all of it together: from a
//! file's content to a verdict that a person understands.
//!
//! The crate knows nothing of machines, simulators or servers, opens no file and reads no clock. Times are
//! [`Duration`](std::time::Duration)s since the beginning of the run that was observed.
//!
//! ```
//! use std::time::Duration;
//! use synod_check::history::{Client, Recorder};
//! use synod_check::linearizability::check;
//! use synod_check::specification::{Register, RegisterInput, RegisterOutput};
//!
//! let at = Duration::from_millis;
//! let mut recorder = Recorder::new();
//! let write = recorder.invoke(Client(1), at(0), RegisterInput::Write(5))?;
//! recorder.complete(write, at(3), RegisterOutput::Written)?;
//! let read = recorder.invoke(Client(2), at(4), RegisterInput::Read)?;
//! recorder.complete(read, at(6), RegisterOutput::Value(0))?;
//!
//! let verdict = check(&Register { initial: 0 }, &recorder.finish());
//! assert!(verdict.is_violation());
//! assert!(verdict.to_string().contains("Where the state was 5, it would have read 5."));
//! # Ok::<(), synod_check::history::HistoryError>(())
//! ```

pub mod etcd;
pub mod format;
pub mod generate;
mod hashing;
pub mod history;
pub mod judge;
pub mod linearizability;
pub mod model;
pub mod ordered_map;
pub mod page;
pub mod read_write;
pub mod sequential;
pub mod specification;
pub mod transactions;
pub mod verdict;
pub mod views;
