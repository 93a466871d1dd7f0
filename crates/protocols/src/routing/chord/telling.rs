//! How messages read beside their kinds' names: a question's number, then what it is about.

use alloc::vec::Vec;
use core::fmt;

use super::{Advice, Answer, Message, Peer, Question};

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Message::Ask { call, question } => {
                write!(f, "#{}", call.0)?;
                asked(question, f)
            }
            Message::Answer { call, answer } => {
                write!(f, "#{} ", call.0)?;
                answered(answer, f)
            }
            Message::Notify { peer, wants_keys } => {
                write!(f, "I am {peer}{}", if *wants_keys { ", and wait for my keys" } else { "" })
            }
            Message::Arrived { lookup, found } => {
                write!(f, "#{} {} has {}, after {} hops", lookup.0, found.owner, found.key, found.hops)
            }
        }
    }
}

fn asked(question: &Question, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match question {
        Question::Neighbours => Ok(()),
        Question::Route { key, joining: None } => write!(f, " to {key}"),
        Question::Route { key, joining: Some(peer) } => write!(f, " to {key}, where {peer} joins"),
        Question::Forward { origin, lookup, key, hops, .. } => {
            write!(f, " to {key} for {origin}#{}, hop {hops}", lookup.0)
        }
        Question::Put { key, value } => write!(f, " {key} = {value:?}"),
        Question::Get { key } => write!(f, " {key}"),
        Question::Take { keys, after, leaving } => {
            let names: Vec<u64> = keys.iter().map(|(key, _)| key.0).collect();
            write!(f, " {names:?}")?;
            if let Some(after) = after {
                write!(f, ", all after {after}")?;
            }
            leaving.map_or(Ok(()), |departure| write!(f, "; {} leaves", departure.peer))
        }
    }
}

fn answered(answer: &Answer, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match answer {
        Answer::Neighbours { predecessor, successors } => {
            write!(f, "{} before me, {successors:?} after", Perhaps(predecessor))
        }
        Answer::Advice(Advice { preceding, successors, .. }) => {
            write!(f, "nearer are {preceding:?}; after me {successors:?}")
        }
        Answer::Accepted => f.write_str("accepted"),
        Answer::Stored => f.write_str("stored"),
        Answer::Value(Some(value)) => write!(f, "{value:?}"),
        Answer::Value(None) => f.write_str("no such key"),
        Answer::Taken => f.write_str("taken"),
        Answer::NotMine(nearer) => write!(f, "not mine: ask {}", Perhaps(nearer)),
        Answer::NotAMember { left } => f.write_str(if *left { "I have left" } else { "I am no member" }),
    }
}

/// A peer, or nobody.
struct Perhaps<'a>(&'a Option<Peer>);

impl fmt::Display for Perhaps<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(peer) => peer.fmt(f),
            None => f.write_str("nobody"),
        }
    }
}
