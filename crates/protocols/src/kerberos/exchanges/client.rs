//! The client: gets what tickets it needs, and shows services who it is.

use alloc::collections::{BTreeMap, VecDeque};
use core::time::Duration;

use synod_machine::{Context, Effects, Input, Machine, Needs, Never, RequestId, View};

use super::types::Waiting;
use super::{
    Address, Authenticator, Body, Command, ErrorCode, Event, KdcPart, Key, Packet, Principal, Reply, Sealed,
    Stamp, TICKET_GRANTING, TgsBody, Ticket, Timer, Usage, Write, post,
};
use crate::retry::RetryPolicy;

/// Commands that wait at one client; more are refused.
pub const ACCESSES_MAX: usize = 64;

/// Who a client is and whom it knows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClientConfig {
    /// Who it is.
    pub me: Principal,
    /// Its key: from the password.
    pub key: Key,
    /// Where the key distribution centre is.
    pub centre: Address,
    /// Where services are.
    pub services: BTreeMap<Principal, Address>,
    /// Through whose hands all packets go, if through anybody's.
    pub wire: Option<Address>,
    /// How long to wait for answers.
    pub retry: RetryPolicy,
    /// Send the proof of the key with the first request, without being asked.
    pub proves: bool,
    /// For how long tickets are wanted.
    pub lifetime: Duration,
}

/// A user's side.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Client {
    config: ClientConfig,
    credentials: BTreeMap<Principal, Credential>,
    current: Option<Access>,
    waiting: VecDeque<Waiting>,
    /// The last authenticator's time: each has one of its own.
    last: Stamp,
}

/// A ticket with the key that goes with it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Credential {
    ticket: Sealed<Ticket>,
    session: Key,
    end: Stamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Access {
    id: RequestId,
    service: Principal,
    mutual: bool,
    attempts: u32,
    stage: Stage,
}

/// What was asked last, and by what the answer is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Stage {
    FirstTicket { nonce: u64 },
    ServiceTicket { nonce: u64 },
    Service { time: Stamp },
}

impl Client {
    /// A client without tickets.
    pub fn new(config: ClientConfig) -> Self {
        let (credentials, waiting) = (BTreeMap::new(), VecDeque::new());
        Client { config, credentials, current: None, waiting, last: Stamp::default() }
    }

    /// Who it is.
    pub fn principal(&self) -> Principal {
        self.config.me
    }

    /// For whom it has tickets, and until when.
    pub fn tickets(&self) -> impl Iterator<Item = (Principal, Stamp)> + '_ {
        self.credentials.iter().map(|(server, credential)| (*server, credential.end))
    }

    /// Whether somebody waits for it.
    pub fn is_busy(&self) -> bool {
        self.current.is_some()
    }

    fn command(&mut self, cx: &Context<'_>, id: RequestId, command: Command, fx: &mut Effects<'_, Self>) {
        match command {
            Command::Destroy => {
                self.credentials.clear();
                fx.reply(id, Reply::Destroyed);
            }
            Command::Access { .. } if self.waiting.len() >= ACCESSES_MAX => fx.reply(id, Reply::Busy),
            Command::Access { .. } => {
                self.waiting.push_back((id, command));
                self.begin(cx, fx);
            }
        }
    }

    fn begin(&mut self, cx: &Context<'_>, fx: &mut Effects<'_, Self>) {
        while self.current.is_none() {
            let Some((id, Command::Access { service, mutual })) = self.waiting.pop_front() else { return };
            let stage = Stage::FirstTicket { nonce: 0 };
            self.current = Some(Access { id, service, mutual, attempts: 0, stage });
            self.advance(cx, fx);
        }
    }

    /// Asks for what is missing next.
    fn advance(&mut self, cx: &Context<'_>, fx: &mut Effects<'_, Self>) {
        let now = Stamp::now(cx);
        self.credentials.retain(|_, credential| credential.end > now);
        let Some(access) = &mut self.current else { return };
        access.attempts += 1;
        let (service, mutual, attempts) = (access.service, access.mutual, access.attempts);
        let Some(address) = self.config.services.get(&service).copied() else {
            return self.finish(cx, Reply::Failed(ErrorCode::ServerUnknown), fx);
        };
        if let Some(credential) = self.credentials.get(&service).cloned() {
            let authenticator = self.authenticator(now, &credential, service, None, fx);
            let (stage, ticket) = (Stage::Service { time: self.last }, credential.ticket);
            post(self.config.wire, cx.me, address, Body::ApRequest { ticket, authenticator, mutual }, fx);
            self.asked(stage);
            if !mutual {
                let reply =
                    Reply::Authenticated { time: self.last, session: credential.session, mutual: false };
                return self.finish(cx, reply, fx);
            }
        } else if let Some(credential) = self.credentials.get(&TICKET_GRANTING).cloned() {
            let nonce = fx.entropy();
            let body = TgsBody { server: service, till: now.plus(self.config.lifetime), nonce };
            let authenticator = self.authenticator(now, &credential, TICKET_GRANTING, Some(body), fx);
            let request = Body::TgsRequest { ticket: credential.ticket, authenticator, body };
            post(self.config.wire, cx.me, self.config.centre, request, fx);
            self.asked(Stage::ServiceTicket { nonce });
        } else {
            let (nonce, key) = (fx.entropy(), self.config.key);
            let proof = self.config.proves.then(|| Sealed::seal(key, Usage::PreAuthentication, now));
            let till = now.plus(self.config.lifetime);
            let request =
                Body::AsRequest { client: self.config.me, server: TICKET_GRANTING, till, nonce, proof };
            post(self.config.wire, cx.me, self.config.centre, request, fx);
            self.asked(Stage::FirstTicket { nonce });
        }
        match self.config.retry.wait(attempts) {
            Some(wait) => fx.arm(Timer::Retry, wait),
            None => self.finish(cx, Reply::NoAnswer, fx),
        }
    }

    fn asked(&mut self, stage: Stage) {
        if let Some(access) = &mut self.current {
            access.stage = stage;
        }
    }

    /// A fresh one: also for a repetition, for a copy would be refused.
    fn authenticator(
        &mut self,
        now: Stamp,
        credential: &Credential,
        server: Principal,
        request: Option<TgsBody>,
        fx: &mut Effects<'_, Self>,
    ) -> Sealed<Authenticator> {
        self.last = now.max(Stamp(self.last.0 + 1));
        let (client, time) = (self.config.me, self.last);
        fx.emit(Event::Made { client, server, time });
        let usage = if request.is_some() { Usage::TgsAuthenticator } else { Usage::ApAuthenticator };
        Sealed::seal(credential.session, usage, Authenticator { client, time, request })
    }

    fn receive(&mut self, cx: &Context<'_>, body: Body, fx: &mut Effects<'_, Self>) {
        let Some(Access { stage, service, .. }) = self.current else {
            return fx.note("kerberos.unasked", 1);
        };
        match (stage, body) {
            (Stage::FirstTicket { nonce }, Body::AsReply { ticket, part, .. }) => {
                let part = part.open(self.config.key, Usage::AsReply).ok().cloned();
                self.granted(cx, ticket, part, (TICKET_GRANTING, nonce), fx);
            }
            (Stage::ServiceTicket { nonce }, Body::TgsReply { ticket, part, .. }) => {
                let session = self.credentials.get(&TICKET_GRANTING).map(|credential| credential.session);
                let part = session.and_then(|session| part.open(session, Usage::TgsReply).ok().cloned());
                self.granted(cx, ticket, part, (service, nonce), fx);
            }
            (Stage::Service { time }, Body::ApReply { part }) => {
                let session = self.credentials.get(&service).map(|credential| credential.session);
                match session.filter(|session| part.open(*session, Usage::ApReply) == Ok(&time)) {
                    Some(session) => {
                        self.finish(cx, Reply::Authenticated { time, session, mutual: true }, fx)
                    }
                    // Somebody who could not read the authenticator.
                    None => fx.note("kerberos.unproven_reply", 1),
                }
            }
            (_, Body::Error(code)) => self.refused(cx, code, fx),
            _ => fx.note("kerberos.unasked", 1),
        }
    }

    fn granted(
        &mut self,
        cx: &Context<'_>,
        ticket: Sealed<Ticket>,
        part: Option<KdcPart>,
        asked: (Principal, u64),
        fx: &mut Effects<'_, Self>,
    ) {
        let Some(KdcPart { session, server, nonce, end }) = part else {
            return fx.note("kerberos.unreadable_reply", 1);
        };
        if (server, nonce) != asked {
            return fx.note("kerberos.other_reply", 1);
        }
        self.credentials.insert(server, Credential { ticket, session, end });
        if let Some(access) = &mut self.current {
            access.attempts = 0;
        }
        self.advance(cx, fx);
    }

    /// Nobody vouches for an error: what it can do is end an access, as losing a packet can.
    fn refused(&mut self, cx: &Context<'_>, code: ErrorCode, fx: &mut Effects<'_, Self>) {
        let Some(access) = &self.current else { return };
        match code {
            ErrorCode::ProofRequired if !self.config.proves => {
                self.config.proves = true;
                self.advance(cx, fx);
            }
            // A copy was refused; the answer to the original is what counts.
            ErrorCode::Repeat => fx.note("kerberos.repeat_refused", 1),
            _ => {
                // The next access begins with a new ticket: this one may be under an old key.
                self.credentials.remove(&access.service);
                if matches!(access.stage, Stage::ServiceTicket { .. }) {
                    self.credentials.remove(&TICKET_GRANTING);
                }
                self.finish(cx, Reply::Failed(code), fx);
            }
        }
    }

    fn finish(&mut self, cx: &Context<'_>, reply: Reply, fx: &mut Effects<'_, Self>) {
        if let Some(access) = self.current.take() {
            fx.disarm(Timer::Retry);
            fx.reply(access.id, reply);
        }
        self.begin(cx, fx);
    }
}

impl Machine for Client {
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
            Input::Command { id, command } => self.command(cx, id, command, fx),
            Input::Receive { message, .. } => self.receive(cx, message.body, fx),
            Input::Fire(Timer::Retry) => self.advance(cx, fx),
            Input::Start { .. } | Input::Fire(_) | Input::Durable(_) | Input::Link { .. } => {}
            Input::Done(never) => match never {},
        }
    }

    fn inspect(&self, view: &mut View) {
        view.show("principal", self.config.me);
        for (server, end) in self.tickets() {
            view.show(&alloc::format!("ticket for {server:?} until"), end);
        }
        if let Some(access) = &self.current {
            view.show("asks", (access.service, access.stage, access.attempts));
        }
    }
}
