//! The adversary on the wire: every packet goes through its hands, and it does what the model of Dolev and Yao allows.
//!
//! It keeps what passes, and may lose, delay, repeat, redirect, damage and recombine it. It opens what it has the keys for, learns the keys inside, and
//! makes what can be made with them. What it does to a packet is a free choice: a hunt draws it, an exploration tries all.

use alloc::collections::{BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::time::Duration;

use synod_machine::{Context, Effects, Input, Machine, Needs, Never, View};

use super::{
    Authenticator, Body, Command, Event, Key, Packet, Principal, Reply, Sealed, Stamp, Ticket, Timer, Usage,
    Write,
};

/// Packets that it keeps; older ones are forgotten first.
pub const RECORDED_MAX: usize = 64;

/// Packets that it holds back at a time; more pass.
pub const HELD_BACK_MAX: usize = 64;

/// What it may do to a packet besides letting it pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Attack {
    /// It does not arrive.
    Lose,
    /// It arrives later, perhaps when clocks have moved on.
    HoldBack,
    /// An earlier packet arrives again, from the client's address.
    Repeat,
    /// A ticket, an authenticator or a reply's part is damaged.
    Damage,
    /// The ticket is replaced by another that has been seen.
    Splice,
    /// What was meant for one service is sent to another.
    Redirect,
    /// The request in the open asks for another service.
    Substitute,
    /// It answers in the service's place, with an earlier answer.
    Reflect,
    /// It makes what its keys allow: an authenticator for a ticket whose session key it knows, or a ticket for a service whose key it knows.
    Impersonate,
}

impl Attack {
    /// All of them.
    pub const ALL: [Attack; 9] = [
        Attack::Lose,
        Attack::HoldBack,
        Attack::Repeat,
        Attack::Damage,
        Attack::Splice,
        Attack::Redirect,
        Attack::Substitute,
        Attack::Reflect,
        Attack::Impersonate,
    ];
}

/// What an adversary can and wants.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AdversaryConfig {
    /// What it may do.
    pub attacks: BTreeSet<Attack>,
    /// To how many of a hundred packets it does something. At 100 doing nothing is one of its choices, and as likely as any.
    pub attacks_percent: u32,
    /// Keys that it has from the start.
    pub keys: BTreeSet<Key>,
    /// For how long it holds back.
    pub delay: Duration,
}

/// Who sits on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Adversary {
    config: AdversaryConfig,
    keys: BTreeSet<Key>,
    recorded: VecDeque<Packet>,
    held_back: VecDeque<Packet>,
}

impl Adversary {
    /// One who has seen nothing yet.
    pub fn new(config: AdversaryConfig) -> Self {
        let keys = config.keys.clone();
        Adversary { config, keys, recorded: VecDeque::new(), held_back: VecDeque::new() }
    }

    /// The keys that it knows by now.
    pub fn keys(&self) -> &BTreeSet<Key> {
        &self.keys
    }

    /// How many packets it has kept.
    pub fn recorded(&self) -> usize {
        self.recorded.len()
    }

    fn meet(&mut self, cx: &Context<'_>, packet: Packet, fx: &mut Effects<'_, Self>) {
        self.learn(&packet.body, fx);
        if packet.destination == cx.me {
            // An answer to what it has made itself.
            return;
        }
        if self.recorded.len() == RECORDED_MAX {
            self.recorded.pop_front();
        }
        self.recorded.push_back(packet.clone());
        let attacks: Vec<Attack> = self.config.attacks.iter().copied().collect();
        let Some(attack) = self.whether(&attacks, fx) else { return forward(packet, fx) };
        self.attack(cx, attack, packet, fx);
    }

    /// One of its attacks, or none.
    fn whether(&self, attacks: &[Attack], fx: &mut Effects<'_, Self>) -> Option<Attack> {
        let count = u32::try_from(attacks.len()).unwrap_or(u32::MAX);
        if count == 0 {
            return None;
        }
        if self.config.attacks_percent >= 100 {
            // Whoever enumerates choices sees none of them a hundred times.
            return attacks.get(fx.choose("kerberos.attack", count + 1) as usize).copied();
        }
        if fx.choose("kerberos.whether", 100) >= self.config.attacks_percent {
            return None;
        }
        attacks.get(fx.choose("kerberos.attack", count) as usize).copied()
    }

    fn attack(&mut self, cx: &Context<'_>, attack: Attack, packet: Packet, fx: &mut Effects<'_, Self>) {
        match attack {
            Attack::Lose => fx.note("kerberos.attack.lose", 1),
            Attack::HoldBack if self.held_back.len() < HELD_BACK_MAX => {
                fx.note("kerberos.attack.hold_back", 1);
                self.held_back.push_back(packet);
                fx.arm(Timer::Release, self.config.delay..=self.config.delay);
            }
            Attack::HoldBack => forward(packet, fx),
            Attack::Repeat => {
                forward(packet, fx);
                let earlier =
                    self.recorded[fx.choose("kerberos.which", self.recorded.len() as u32) as usize].clone();
                fx.note("kerberos.attack.repeat", 1);
                forward(earlier, fx);
            }
            Attack::Damage => {
                fx.note("kerberos.attack.damage", 1);
                let choice = fx.choose("kerberos.damage", 2) == 0;
                forward(Packet { body: damage(packet.body, choice), ..packet }, fx);
            }
            Attack::Splice => {
                let ticket = self.any(fx, |body| ticket_of(body).cloned());
                let body = replace_ticket(packet.body, ticket);
                fx.note("kerberos.attack.splice", 1);
                forward(Packet { body, ..packet }, fx);
            }
            Attack::Redirect => {
                let places: BTreeSet<_> = self.recorded.iter().map(|packet| packet.destination).collect();
                let place = fx.choose("kerberos.where", places.len() as u32) as usize;
                let destination = places.into_iter().nth(place).unwrap_or(packet.destination);
                fx.note("kerberos.attack.redirect", 1);
                forward(Packet { destination, ..packet }, fx);
            }
            Attack::Substitute => {
                let mut packet = packet;
                if let Body::TgsRequest { body, .. } = &mut packet.body {
                    body.server = Principal(body.server.0 ^ 1);
                    fx.note("kerberos.attack.substitute", 1);
                }
                forward(packet, fx);
            }
            Attack::Reflect => self.reflect(packet, fx),
            Attack::Impersonate => self.impersonate(cx, packet, fx),
        }
    }

    /// Answers an AP request in the service's place, with an earlier AP reply, or with one made under a key that it knows.
    fn reflect(&mut self, packet: Packet, fx: &mut Effects<'_, Self>) {
        let Body::ApRequest { ticket, authenticator, mutual: true } = &packet.body else {
            return forward(packet, fx);
        };
        let made = self.keys.iter().find_map(|key| {
            let session = ticket.open(*key, Usage::Ticket).ok()?.session;
            let time = authenticator.open(session, Usage::ApAuthenticator).ok()?.time;
            Some(Body::ApReply { part: Sealed::seal(session, Usage::ApReply, time) })
        });
        let earlier = self.any(fx, |body| matches!(body, Body::ApReply { .. }).then(|| body.clone()));
        let Some(body) = made.or(earlier) else { return forward(packet, fx) };
        fx.note("kerberos.attack.reflect", 1);
        forward(Packet { source: packet.destination, destination: packet.source, body }, fx);
    }

    /// Goes to a service as somebody else.
    fn impersonate(&mut self, cx: &Context<'_>, packet: Packet, fx: &mut Effects<'_, Self>) {
        let now = Stamp::now(cx);
        let Body::ApRequest { ticket, .. } = &packet.body else { return forward(packet, fx) };
        let keys = &self.keys;
        let forged = keys.iter().find_map(|key| {
            let mut known = ticket.open(*key, Usage::Ticket).ok()?.clone();
            known.session = Key::Session(u64::from(known.client.0));
            Some((Sealed::seal(*key, Usage::Ticket, known.clone()), known))
        });
        let stolen = || {
            keys.iter().find_map(|key| {
                let Body::ApRequest { authenticator, .. } = &packet.body else { return None };
                let client = authenticator.open(*key, Usage::ApAuthenticator).ok()?.client;
                let (session, server) = (*key, client);
                Some((ticket.clone(), Ticket { client, server, session, start: now, end: now }))
            })
        };
        let Some((ticket, Ticket { client, session, .. })) = forged.or_else(stolen) else {
            return forward(packet, fx);
        };
        fx.note("kerberos.attack.impersonate", 1);
        let authenticator = Authenticator { client, time: now, request: None };
        let authenticator = Sealed::seal(session, Usage::ApAuthenticator, authenticator);
        let body = Body::ApRequest { ticket, authenticator, mutual: true };
        forward(Packet { source: cx.me, destination: packet.destination, body }, fx);
        forward(packet, fx);
    }

    /// Something of what was recorded, if there is any of that kind.
    fn any<T>(&self, fx: &mut Effects<'_, Self>, pick: impl Fn(&Body) -> Option<T>) -> Option<T> {
        let mut found: Vec<T> = self.recorded.iter().filter_map(|packet| pick(&packet.body)).collect();
        if found.is_empty() {
            return None;
        }
        let which = fx.choose("kerberos.which", found.len() as u32) as usize;
        Some(found.swap_remove(which))
    }

    /// Opens what its keys open, and takes the keys inside.
    fn learn(&mut self, body: &Body, fx: &mut Effects<'_, Self>) {
        let mut found: Vec<Key> = Vec::new();
        for key in &self.keys {
            found.extend(
                ticket_of(body).and_then(|ticket| ticket.open(*key, Usage::Ticket).ok()).map(|t| t.session),
            );
            let part = match body {
                Body::AsReply { part, .. } => part.open(*key, Usage::AsReply).ok(),
                Body::TgsReply { part, .. } => part.open(*key, Usage::TgsReply).ok(),
                _ => None,
            };
            found.extend(part.map(|part| part.session));
        }
        for key in found {
            if self.keys.insert(key) {
                fx.emit(Event::Learnt(key));
            }
        }
    }
}

fn forward(packet: Packet, fx: &mut Effects<'_, Adversary>) {
    fx.send(packet.destination, packet);
}

fn ticket_of(body: &Body) -> Option<&Sealed<Ticket>> {
    match body {
        Body::AsReply { ticket, .. }
        | Body::TgsRequest { ticket, .. }
        | Body::TgsReply { ticket, .. }
        | Body::ApRequest { ticket, .. } => Some(ticket),
        Body::AsRequest { .. } | Body::ApReply { .. } | Body::Error(_) => None,
    }
}

fn replace_ticket(mut body: Body, other: Option<Sealed<Ticket>>) -> Body {
    let Some(other) = other else { return body };
    match &mut body {
        Body::AsReply { ticket, .. }
        | Body::TgsRequest { ticket, .. }
        | Body::TgsReply { ticket, .. }
        | Body::ApRequest { ticket, .. } => *ticket = other,
        Body::AsRequest { .. } | Body::ApReply { .. } | Body::Error(_) => {}
    }
    body
}

fn damage(mut body: Body, first: bool) -> Body {
    match &mut body {
        Body::AsRequest { proof: Some(proof), .. } => *proof = proof.damaged(),
        Body::AsReply { ticket, .. }
        | Body::TgsReply { ticket, .. }
        | Body::TgsRequest { ticket, .. }
        | Body::ApRequest { ticket, .. }
            if first =>
        {
            *ticket = ticket.damaged();
        }
        Body::AsReply { part, .. } | Body::TgsReply { part, .. } => *part = part.damaged(),
        Body::TgsRequest { authenticator, .. } | Body::ApRequest { authenticator, .. } => {
            *authenticator = authenticator.damaged();
        }
        Body::ApReply { part } => *part = part.damaged(),
        Body::AsRequest { .. } | Body::Error(_) => {}
    }
    body
}

impl Machine for Adversary {
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
            Input::Receive { message, .. } => self.meet(cx, message, fx),
            Input::Fire(Timer::Release) => {
                if let Some(packet) = self.held_back.pop_front() {
                    forward(packet, fx);
                }
                if !self.held_back.is_empty() {
                    fx.arm(Timer::Release, self.config.delay..=self.config.delay);
                }
            }
            Input::Command { id, .. } => fx.reply(id, Reply::Busy),
            Input::Start { .. } | Input::Fire(_) | Input::Durable(_) | Input::Link { .. } => {}
            Input::Done(never) => match never {},
        }
    }

    fn inspect(&self, view: &mut View) {
        view.show("keys", &self.keys);
        view.show("recorded", self.recorded.len());
        view.show("held back", self.held_back.len());
    }
}
