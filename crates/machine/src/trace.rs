//! The record stream as text: JSON lines, one object each. `docs/trace.md` is the format's description.
//!
//! The writer lives here, beside the records, so that every driver writes the same bytes. Bodies are the `Debug` form of the
//! machine's own types: a trace is for people and tools that look at it, a run is reproduced from its seed.

use core::fmt::{self, Debug, Write};

use crate::{Effect, Fate, Input, Loss, Machine, Mono, NodeId, Record, SendId, Stamp};

/// Version of the line format; it is raised when a reader of the old one would go wrong.
pub const TRACE_VERSION: u32 = 1;

/// Writes trace lines.
pub struct TraceWriter<W> {
    out: W,
}

impl<W: Write> TraceWriter<W> {
    /// A writer that begins with the header line.
    pub fn begin(mut out: W, machine: &str, seed: Option<u64>, nodes: &[NodeId]) -> Result<Self, fmt::Error> {
        write!(out, "{{\"synod_trace\":{TRACE_VERSION},\"machine\":{}", Json(machine))?;
        if let Some(seed) = seed {
            // A string: seeds use all 64 bits, JSON numbers are only sure of 53.
            write!(out, ",\"seed\":\"{seed}\"")?;
        }
        write!(out, ",\"nodes\":[")?;
        for (i, node) in nodes.iter().enumerate() {
            write!(out, "{}{}", if i == 0 { "" } else { "," }, node.0)?;
        }
        out.write_str("]}\n")?;
        Ok(TraceWriter { out })
    }

    /// One step.
    pub fn record<M: Machine>(&mut self, record: &Record<M>, stamp: Option<&Stamp>) -> fmt::Result {
        let Record { number, node, time, .. } = record;
        write!(self.out, "{{\"e\":{number},\"t\":{},\"n\":{},\"in\":", nanos(*time), node.0)?;
        self.input(record)?;
        self.out.write_str(",\"out\":[")?;
        let mut send = record.first_send;
        for (i, effect) in record.effects.iter().enumerate() {
            if i > 0 {
                self.out.write_char(',')?;
            }
            self.effect(effect, &mut send)?;
        }
        self.out.write_char(']')?;
        if let Some(stamp) = stamp {
            write!(self.out, ",\"lamport\":{},\"vector\":{:?}", stamp.lamport, stamp.vector)?;
        }
        self.out.write_str("}\n")
    }

    /// What became of a send.
    pub fn fate(&mut self, id: SendId, time: Mono, fate: &Fate) -> fmt::Result {
        write!(self.out, "{{\"m\":{},\"t\":{},\"fate\":", id.0, nanos(time))?;
        match fate {
            Fate::Delivered(record) => write!(self.out, "\"delivered\",\"e\":{record}")?,
            Fate::Dropped(loss) => write!(self.out, "\"dropped\",\"by\":{}", Json(loss_name(*loss)))?,
            Fate::Blocked(fault) => write!(self.out, "\"blocked\",\"by\":\"f{fault}\"")?,
            Fate::Duplicated(records) => write!(self.out, "\"duplicated\",\"e\":{records:?}")?,
            Fate::InFlight => self.out.write_str("\"in flight\"")?,
        }
        self.out.write_str("}\n")
    }

    /// Something the world did: a crash, a partition, a fault that began or ended.
    pub fn world(&mut self, time: Mono, kind: &str, node: Option<NodeId>, what: &str) -> fmt::Result {
        write!(self.out, "{{\"w\":{},\"t\":{}", Json(kind), nanos(time))?;
        if let Some(node) = node {
            write!(self.out, ",\"n\":{}", node.0)?;
        }
        writeln!(self.out, ",\"what\":{}}}", Json(what))
    }

    /// The last line: how many records there were and the run's fingerprint.
    pub fn end(mut self, records: u64, fingerprint: u64) -> Result<W, fmt::Error> {
        writeln!(self.out, "{{\"end\":{records},\"fingerprint\":\"{fingerprint:016x}\"}}")?;
        Ok(self.out)
    }

    fn input<M: Machine>(&mut self, record: &Record<M>) -> fmt::Result {
        let out = &mut self.out;
        match &record.input {
            Input::Start { saved } => write!(out, "{{\"k\":\"start\",\"saved\":{}}}", saved.len()),
            Input::Receive { from, message } => {
                write!(out, "{{\"k\":\"receive\",\"from\":{}", from.0)?;
                if let Some(cause) = record.cause {
                    write!(out, ",\"m\":{}", cause.0)?;
                }
                write!(out, ",\"b\":{}}}", Shown(message))
            }
            Input::Fire(timer) => write!(out, "{{\"k\":\"fire\",\"b\":{}}}", Shown(timer)),
            Input::Command { id, command } => {
                write!(out, "{{\"k\":\"command\",\"id\":{},\"b\":{}}}", id.0, Shown(command))
            }
            Input::Durable(ticket) => write!(out, "{{\"k\":\"durable\",\"ticket\":{}}}", ticket.0),
            Input::Done(done) => write!(out, "{{\"k\":\"done\",\"b\":{}}}", Shown(done)),
            Input::Link { peer, up } => write!(out, "{{\"k\":\"link\",\"peer\":{},\"up\":{up}}}", peer.0),
        }
    }

    fn effect<M: Machine>(&mut self, effect: &Effect<M>, send: &mut SendId) -> fmt::Result {
        let out = &mut self.out;
        match effect {
            Effect::Send { to, message, after } => {
                write!(out, "{{\"k\":\"send\",\"m\":{},\"to\":{}", send.0, to.0)?;
                send.0 += 1;
                held(out, *after)?;
                write!(out, ",\"b\":{}}}", Shown(message))
            }
            Effect::Reply { id, reply, after } => {
                write!(out, "{{\"k\":\"reply\",\"id\":{}", id.0)?;
                held(out, *after)?;
                write!(out, ",\"b\":{}}}", Shown(reply))
            }
            Effect::Emit(event) => write!(out, "{{\"k\":\"event\",\"b\":{}}}", Shown(event)),
            Effect::Arm { timer, least, most } => write!(
                out,
                "{{\"k\":\"arm\",\"b\":{},\"least\":{},\"most\":{}}}",
                Shown(timer),
                least.as_nanos(),
                most.as_nanos()
            ),
            Effect::Disarm(timer) => write!(out, "{{\"k\":\"disarm\",\"b\":{}}}", Shown(timer)),
            Effect::Write { ticket, write } => {
                write!(out, "{{\"k\":\"write\",\"ticket\":{},\"b\":{}}}", ticket.0, Shown(write))
            }
            Effect::Forget { before } => write!(out, "{{\"k\":\"forget\",\"before\":{}}}", before.0),
            Effect::Work(job) => write!(out, "{{\"k\":\"work\",\"b\":{}}}", Shown(job)),
            Effect::Note { name, value } => {
                write!(out, "{{\"k\":\"note\",\"name\":{},\"value\":{value}}}", Json(name))
            }
        }
    }
}

/// The name of a loss in traces and diagrams.
pub fn loss_name(loss: Loss) -> &'static str {
    match loss {
        Loss::Lossy => "loss",
        Loss::LinkDown => "link down",
        Loss::ReceiverDown => "receiver down",
        Loss::NeverLeft => "never left",
        Loss::Overflow => "overflow",
        Loss::ByHand => "by hand",
    }
}

fn held(out: &mut impl Write, after: Option<crate::Ticket>) -> fmt::Result {
    match after {
        Some(ticket) => write!(out, ",\"after\":{}", ticket.0),
        None => Ok(()),
    }
}

fn nanos(time: Mono) -> u128 {
    time.since_start().as_nanos()
}

/// A string as JSON.
struct Json<'a>(&'a str);

impl fmt::Display for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        Escape(f).write_str(self.0)?;
        f.write_char('"')
    }
}

/// A value's `Debug` form as a JSON string, escaped while it is written.
struct Shown<'a, T>(&'a T);

impl<T: Debug> fmt::Display for Shown<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        write!(Escape(f), "{:?}", self.0)?;
        f.write_char('"')
    }
}

struct Escape<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl Write for Escape<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            match c {
                '"' => self.0.write_str("\\\"")?,
                '\\' => self.0.write_str("\\\\")?,
                '\n' => self.0.write_str("\\n")?,
                c if (c as u32) < 0x20 => write!(self.0, "\\u{:04x}", c as u32)?,
                c => self.0.write_char(c)?,
            }
        }
        Ok(())
    }
}
