//! Those who are asked: the key distribution centre with its two services, and services of applications.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use synod_machine::{Context, Effects, Input, Machine, Needs, Never, Ticket as Written, View};

use super::acceptor::{Accepted, Acceptor, ReplayCache};
use super::{
    Address, Body, Command, ErrorCode, Event, KdcPart, Key, Packet, Principal, Reply, Sealed, Seen, Stamp,
    TICKET_GRANTING, TgsBody, Ticket, Timer, Usage, Write, post,
};

/// Writes of authenticators after which the log is made anew from those that still count.
pub const SEEN_WRITES_MAX: u64 = 1_024;

/// The log of an acceptor: what it has seen survives, if it is told to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Log {
    started: Written,
    ready: bool,
    writes: u64,
}

impl Log {
    fn start<M: Machine<Write = Write>>(
        &mut self,
        cx: &Context<'_>,
        acceptor: &mut Acceptor,
        saved: Vec<Write>,
        fx: &mut Effects<'_, M>,
    ) {
        acceptor.restore(Stamp::now(cx), saved);
        self.started = fx.write(Write::Started);
    }

    /// The write after which what was accepted may be told.
    fn accepted<M: Machine<Write = Write>>(
        &mut self,
        acceptor: &Acceptor,
        seen: Seen,
        fx: &mut Effects<'_, M>,
    ) -> Written {
        if acceptor.cache != ReplayCache::Durable {
            return self.started;
        }
        self.writes += 1;
        if self.writes >= SEEN_WRITES_MAX {
            self.writes = 0;
            let all = fx.write(Write::All(acceptor.seen.iter().copied().collect()));
            fx.forget(all);
            return all;
        }
        fx.write(Write::Seen(seen))
    }
}

/// What the key distribution centre knows of a principal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    /// Its present key's version.
    pub key_version: u32,
    /// Whether it must prove its key before it is given a ticket under it: a ticket part under a weak password can be guessed at leisure otherwise.
    pub requires_proof: bool,
}

/// The key distribution centre: authentication service and ticket-granting service.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Centre {
    principals: BTreeMap<Principal, Entry>,
    lifetime_max: Duration,
    wire: Option<Address>,
    granting: Acceptor,
    log: Log,
}

impl Centre {
    /// A centre with its database. `granting` is the ticket-granting service's side of an exchange.
    pub fn new(
        principals: BTreeMap<Principal, Entry>,
        lifetime_max: Duration,
        granting: Acceptor,
        wire: Option<Address>,
    ) -> Self {
        Centre { principals, lifetime_max, wire, granting, log: Log::default() }
    }

    fn key(&self, owner: Principal) -> Option<Key> {
        if owner == TICKET_GRANTING {
            return Some(self.granting.key());
        }
        self.principals.get(&owner).map(|entry| Key::LongTerm { owner, version: entry.key_version })
    }

    fn answer(&mut self, cx: &Context<'_>, packet: Packet, fx: &mut Effects<'_, Self>) {
        let (now, wire, to) = (Stamp::now(cx), self.wire, packet.source);
        let answered = match packet.body {
            Body::AsRequest { client, server, till, nonce, proof } => {
                let body = TgsBody { server, till, nonce };
                self.first_ticket(now, client, body, proof, fx).map(|body| (body, Written(0)))
            }
            Body::TgsRequest { .. } if !self.log.ready => return fx.note("kerberos.not_ready", 1),
            Body::TgsRequest { ticket, authenticator, body } => self
                .granting
                .accept(now, &ticket, &authenticator, Usage::TgsAuthenticator)
                .and_then(|accepted| self.service_ticket(now, &accepted, body, fx)),
            _ => return fx.note("kerberos.nonsense", 1),
        };
        match answered {
            Ok((body, after)) => fx.hold(after, |fx| post(wire, cx.me, to, body, fx)),
            Err(code) => {
                fx.emit(Event::Refused(code));
                post(wire, cx.me, to, Body::Error(code), fx);
            }
        }
    }

    /// RFC 4120, section 3.1.2 and 3.1.3.
    fn first_ticket(
        &self,
        now: Stamp,
        client: Principal,
        body: TgsBody,
        proof: Option<Sealed<Stamp>>,
        fx: &mut Effects<'_, Self>,
    ) -> Result<Body, ErrorCode> {
        let entry = self.principals.get(&client).ok_or(ErrorCode::ClientUnknown)?;
        let key = Key::LongTerm { owner: client, version: entry.key_version };
        match proof {
            None if entry.requires_proof => return Err(ErrorCode::ProofRequired),
            None => {}
            Some(proof) => {
                let time = proof.open(key, Usage::PreAuthentication).map_err(|_| ErrorCode::ProofFailed)?;
                if time.apart(now) > self.granting.skew {
                    return Err(ErrorCode::Skew);
                }
            }
        }
        let (ticket, part) = self.grant(now, client, body, now.plus(self.lifetime_max), fx)?;
        Ok(Body::AsReply { client, ticket, part: Sealed::seal(key, Usage::AsReply, part) })
    }

    /// RFC 4120, section 3.3.2 and 3.3.3.
    fn service_ticket(
        &mut self,
        now: Stamp,
        accepted: &Accepted,
        body: TgsBody,
        fx: &mut Effects<'_, Self>,
    ) -> Result<(Body, Written), ErrorCode> {
        let Accepted { ticket: first, authenticator } = accepted;
        if authenticator.request != Some(body) {
            return Err(ErrorCode::Modified);
        }
        let client = first.client;
        let seen = Seen { time: authenticator.time, client };
        let (ticket, part) = self.grant(now, client, body, first.end.min(now.plus(self.lifetime_max)), fx)?;
        let part = Sealed::seal(first.session, Usage::TgsReply, part);
        let after = self.log.accepted(&self.granting, seen, fx);
        Ok((Body::TgsReply { client, ticket, part }, after))
    }

    fn grant(
        &self,
        now: Stamp,
        client: Principal,
        body: TgsBody,
        end_most: Stamp,
        fx: &mut Effects<'_, Self>,
    ) -> Result<(Sealed<Ticket>, KdcPart), ErrorCode> {
        let TgsBody { server, till, nonce } = body;
        let key = self.key(server).ok_or(ErrorCode::ServerUnknown)?;
        let end = till.min(end_most);
        if end <= now {
            return Err(ErrorCode::NeverValid);
        }
        let session = Key::Session(fx.entropy());
        let ticket = Ticket { client, server, session, start: now, end };
        Ok((Sealed::seal(key, Usage::Ticket, ticket), KdcPart { session, server, nonce, end }))
    }
}

impl Machine for Centre {
    type Message = Packet;
    type Timer = Timer;
    type Command = Command;
    type Reply = Reply;
    type Event = Event;
    type Write = Write;
    type Job = Never;
    type Done = Never;

    const NEEDS: Needs = super::NEEDS;

    fn step(&mut self, cx: &Context<'_>, input: Input<Self>, fx: &mut Effects<'_, Self>) {
        match input {
            Input::Start { saved } => self.log.start(cx, &mut self.granting, saved, fx),
            Input::Receive { message, .. } => self.answer(cx, message, fx),
            Input::Durable(ticket) => self.log.ready |= ticket >= self.log.started,
            Input::Command { id, .. } => fx.reply(id, Reply::Busy),
            Input::Fire(_) | Input::Link { .. } => {}
            Input::Done(never) => match never {},
        }
    }

    fn inspect(&self, view: &mut View) {
        view.show("principals", self.principals.len());
        view.show("authenticators remembered", self.granting.remembered());
    }
}

/// A service of an application.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Service {
    acceptor: Acceptor,
    wire: Option<Address>,
    log: Log,
    /// Accepted, but not told before the write is durable.
    pending: Vec<(Written, Event)>,
}

impl Service {
    /// A service with its key and its memory.
    pub fn new(acceptor: Acceptor, wire: Option<Address>) -> Self {
        Service { acceptor, wire, log: Log::default(), pending: Vec::new() }
    }

    /// Its side of an exchange.
    pub fn acceptor(&self) -> &Acceptor {
        &self.acceptor
    }

    fn answer(&mut self, cx: &Context<'_>, packet: Packet, fx: &mut Effects<'_, Self>) {
        let Packet { source: to, body: Body::ApRequest { ticket, authenticator, mutual }, .. } = packet
        else {
            return fx.note("kerberos.nonsense", 1);
        };
        if !self.log.ready {
            return fx.note("kerberos.not_ready", 1);
        }
        let now = Stamp::now(cx);
        match self.acceptor.accept(now, &ticket, &authenticator, Usage::ApAuthenticator) {
            Err(code) => {
                fx.emit(Event::Refused(code));
                post(self.wire, cx.me, to, Body::Error(code), fx);
            }
            Ok(Accepted { ticket, authenticator }) => {
                let (client, time, session) = (ticket.client, authenticator.time, ticket.session);
                let after = self.log.accepted(&self.acceptor, Seen { time, client }, fx);
                let accepted = Event::Accepted { server: self.acceptor.me, client, time, session };
                if self.acceptor.cache == ReplayCache::Durable {
                    self.pending.push((after, accepted));
                } else {
                    fx.emit(accepted);
                }
                if mutual {
                    let reply = Body::ApReply { part: Sealed::seal(session, Usage::ApReply, time) };
                    fx.hold(after, |fx| post(self.wire, cx.me, to, reply, fx));
                }
            }
        }
    }

    fn durable(&mut self, ticket: Written, fx: &mut Effects<'_, Self>) {
        self.log.ready |= ticket >= self.log.started;
        let told = self.pending.iter().take_while(|(after, _)| *after <= ticket).count();
        for (_, event) in self.pending.drain(..told) {
            fx.emit(event);
        }
    }
}

impl Machine for Service {
    type Message = Packet;
    type Timer = Timer;
    type Command = Command;
    type Reply = Reply;
    type Event = Event;
    type Write = Write;
    type Job = Never;
    type Done = Never;

    const NEEDS: Needs = super::NEEDS;

    fn step(&mut self, cx: &Context<'_>, input: Input<Self>, fx: &mut Effects<'_, Self>) {
        match input {
            Input::Start { saved } => self.log.start(cx, &mut self.acceptor, saved, fx),
            Input::Receive { message, .. } => self.answer(cx, message, fx),
            Input::Durable(ticket) => self.durable(ticket, fx),
            Input::Command { id, .. } => fx.reply(id, Reply::Busy),
            Input::Fire(_) | Input::Link { .. } => {}
            Input::Done(never) => match never {},
        }
    }

    fn inspect(&self, view: &mut View) {
        view.show("service", self.acceptor.me);
        view.show("authenticators remembered", self.acceptor.remembered());
    }
}
