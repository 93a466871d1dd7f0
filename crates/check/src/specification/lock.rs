//! A lock whose holders are given fencing tokens, and the resource that checks them.
//!
//! A lock service cannot keep two clients from believing that they hold the lock: one may have been paused while its
//! hold expired. So each hold has a *fencing token* that is larger than all before, and the resource that the lock
//! guards refuses a token that is smaller than one it has seen. This specification has both: mutual exclusion in the
//! holds, and fencing in the uses. An expiry is a release by the holder, recorded by whoever saw it, or left open.

use std::convert::Infallible;
use std::fmt;

use super::{Effect, Specification};

/// The owner in a lock that does not ask who holds it.
pub const ANYBODY: u64 = u64::MAX;

/// A lock that begins free.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lock;

/// What a lock and its resource are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LockInput {
    /// Take the lock for this owner, if it is free.
    Acquire {
        /// Any number that tells owners apart.
        owner: u64,
    },
    /// Give back the lock that this owner holds.
    Release {
        /// The owner.
        owner: u64,
    },
    /// Use the resource with the token of a hold.
    Use {
        /// The token.
        token: u64,
    },
}

/// What a lock and its resource answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LockOutput {
    /// The lock was free and is held now, with this fencing token, if the lock has tokens.
    Acquired(Option<u64>),
    /// The lock was held already.
    Busy,
    /// The lock was given back.
    Released,
    /// The owner did not hold the lock.
    NotHeld,
    /// The resource was used: no larger token had been seen.
    Used,
    /// The resource had seen a larger token.
    Fenced,
}

/// A lock and its resource at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct LockState {
    /// Who holds it.
    pub holder: Option<u64>,
    /// The largest token that was given out. Of an acquisition that was never answered it is not known.
    pub token_max: u64,
    /// The largest token that was used.
    pub used_max: u64,
}

impl Specification for Lock {
    type Input = LockInput;
    type Output = LockOutput;
    type State = LockState;
    type Partition = Infallible;

    fn initial(&self) -> LockState {
        LockState::default()
    }

    fn step(&self, state: &LockState, input: &LockInput, output: Option<&LockOutput>) -> Option<LockState> {
        let mut after = *state;
        let is_right = match *input {
            LockInput::Acquire { owner } if state.holder.is_none() => {
                after.holder = Some(owner);
                match output {
                    None | Some(LockOutput::Acquired(None)) => true,
                    Some(LockOutput::Acquired(Some(token))) => {
                        after.token_max = *token;
                        *token > state.token_max
                    }
                    Some(_) => false,
                }
            }
            LockInput::Acquire { .. } => matches!(output, None | Some(LockOutput::Busy)),
            LockInput::Release { owner } if state.holder == Some(owner) => {
                after.holder = None;
                matches!(output, None | Some(LockOutput::Released))
            }
            LockInput::Release { .. } => matches!(output, None | Some(LockOutput::NotHeld)),
            LockInput::Use { token } if token >= state.used_max => {
                after.used_max = token;
                matches!(output, None | Some(LockOutput::Used))
            }
            LockInput::Use { .. } => matches!(output, None | Some(LockOutput::Fenced)),
        };
        is_right.then_some(after)
    }

    fn effect(&self, _: &LockInput, output: Option<&LockOutput>) -> Effect {
        match output {
            Some(LockOutput::Busy | LockOutput::NotHeld | LockOutput::Fenced) => Effect::ReadOnly,
            _ => Effect::General,
        }
    }

    fn is_source(&self, other: &LockInput, input: &LockInput, output: &LockOutput) -> Option<bool> {
        match (input, output) {
            (LockInput::Acquire { .. }, LockOutput::Busy) => Some(matches!(other, LockInput::Acquire { .. })),
            (LockInput::Release { owner }, LockOutput::Released) => {
                Some(matches!(other, LockInput::Acquire { owner: holder } if holder == owner))
            }
            (LockInput::Use { token }, LockOutput::Fenced) => {
                Some(matches!(other, LockInput::Use { token: larger } if larger > token))
            }
            _ => None,
        }
    }

    fn objection(&self, state: &LockState, input: &LockInput, output: &LockOutput) -> String {
        match (input, state.holder, output) {
            (LockInput::Acquire { .. }, None, LockOutput::Acquired(_)) => {
                format!("its token would have been larger than {}", state.token_max)
            }
            (LockInput::Acquire { .. }, None, _) => "it would have been given the lock".to_owned(),
            (LockInput::Acquire { .. }, Some(holder), _) => format!("the lock was {}", Held(holder)),
            (LockInput::Release { .. }, Some(holder), _) => format!("it was {}", Held(holder)),
            (LockInput::Release { .. }, None, _) => "nobody held the lock".to_owned(),
            (LockInput::Use { .. }, ..) => format!("the largest token that was used was {}", state.used_max),
        }
    }

    fn describe_operation(&self, input: &LockInput, output: Option<&LockOutput>) -> String {
        let asked = match input {
            LockInput::Acquire { owner: ANYBODY } => "acquire".to_owned(),
            LockInput::Release { owner: ANYBODY } => "release".to_owned(),
            LockInput::Acquire { owner } => format!("acquire by {owner}"),
            LockInput::Release { owner } => format!("release by {owner}"),
            LockInput::Use { token } => format!("use with token {token}"),
        };
        match output {
            None => format!("{asked} → ?"),
            Some(LockOutput::Acquired(Some(token))) => format!("{asked} → token {token}"),
            Some(LockOutput::Acquired(None)) => format!("{asked} → held"),
            Some(LockOutput::Busy) => format!("{asked} → busy"),
            Some(LockOutput::NotHeld) => format!("{asked} → not held"),
            Some(LockOutput::Fenced) => format!("{asked} → fenced"),
            Some(LockOutput::Released | LockOutput::Used) => asked,
        }
    }

    fn describe_state(&self, state: &LockState) -> String {
        let holder = state.holder.map_or_else(|| "free".to_owned(), |holder| Held(holder).to_string());
        if (state.token_max, state.used_max) == (0, 0) {
            return holder;
        }
        format!("{holder}, tokens given up to {} and used up to {}", state.token_max, state.used_max)
    }
}

/// By whom a lock is held.
struct Held(u64);

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            ANYBODY => f.write_str("held"),
            holder => write!(f, "held by {holder}"),
        }
    }
}
