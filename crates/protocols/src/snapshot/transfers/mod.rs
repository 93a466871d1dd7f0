//! Money on its way: the application that snapshots are shown with.
//!
//! # The problem
//!
//! A snapshot is right if what it shows could have been. With money that is easy to see: whatever is moved, the total stays (the single-token system of Chandy and Lamport
//! 1985, section 2.2, with more than one coin).
//!
//! # The rules
//!
//! Each node has a balance and some transfers to make. Now and then it makes one: it takes a part of its balance and sends it to a peer. A transfer may come with the
//! task to make one more; so nodes that were done get work again, as in a diffusing computation (Dijkstra and Scholten 1980), until all tasks are used up. A node is
//! *active* while it has transfers to make.
//!
//! Transfers may be *logged*: the new balance is written first, and the money leaves when that is durable, while other transfers leave at once.
//!
//! # What is guaranteed
//!
//! Balances and money under way add up to what was there at the start. Every computation ends: a task hands on fewer tasks than it was.
//!
//! # What is assumed
//!
//! Messages arrive once; processes do not crash.
//!
//! # What it costs
//!
//! One message a transfer; one write a logged transfer.
//!
//! # What is left out
//!
//! Everything that makes a bank: see the transactions of the database.

use alloc::vec::Vec;
use core::ops::RangeInclusive;
use core::time::Duration;

use synod_machine::{Context, Effects, Input, Machine, Needs, Never, NodeId, View};

use super::chandy_lamport::Recordable;
use super::stable_property::Activity;

/// This file, for the laboratory's description.
pub const SOURCE: &str = include_str!("mod.rs");

/// What a node is given to begin with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Setting {
    /// Whom it may send to, at least one.
    pub peers: Vec<NodeId>,
    /// Its money.
    pub balance: u64,
    /// Transfers to make; each number is how often the task may be handed on.
    pub tasks: Vec<u32>,
    /// Time between two transfers.
    pub pace: RangeInclusive<Duration>,
    /// One transfer in so many is logged before it leaves; zero: none.
    pub logged_one_in: u32,
}

/// Money for the receiver, perhaps with a task.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Transfer {
    /// How much.
    pub amount: u64,
    /// A task for the receiver: to make a transfer, which may be handed on so often.
    pub task: Option<u32>,
}

/// Move some money now.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pay {
    /// To whom.
    pub to: NodeId,
    /// How much; no more than there is.
    pub amount: u64,
    /// Log it first.
    pub logged: bool,
}

/// What is written down of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Account {
    /// Its money.
    pub balance: u64,
    /// Transfers that it has yet to make.
    pub tasks: usize,
}

impl Activity for Account {
    fn is_active(&self) -> bool {
        self.tasks > 0
    }
}

/// One node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Transfers {
    setting: Setting,
    balance: u64,
    tasks: Vec<u32>,
}

impl Transfers {
    /// A node with its setting.
    pub fn new(setting: Setting) -> Self {
        Transfers { balance: setting.balance, tasks: setting.tasks.clone(), setting }
    }

    /// Its money.
    pub fn balance(&self) -> u64 {
        self.balance
    }

    fn pay(&mut self, to: NodeId, amount: u64, task: Option<u32>, logged: bool, fx: &mut Effects<'_, Self>) {
        let amount = amount.min(self.balance);
        self.balance -= amount;
        let transfer = Transfer { amount, task };
        if logged {
            let ticket = fx.write(self.balance);
            fx.hold(ticket, |fx| fx.send(to, transfer));
        } else {
            fx.send(to, transfer);
        }
    }

    fn work(&mut self, fx: &mut Effects<'_, Self>) {
        let Some(task) = self.tasks.pop() else { return };
        let place = fx.choose("receiver", self.setting.peers.len() as u32);
        let share = u64::from(fx.choose("percent", 101));
        let amount = (u128::from(self.balance) * u128::from(share) / 100) as u64;
        let logged = self.setting.logged_one_in > 0 && fx.choose("logged", self.setting.logged_one_in) == 0;
        self.pay(self.setting.peers[place as usize], amount, task.checked_sub(1), logged, fx);
        self.pace(fx);
    }

    fn pace(&self, fx: &mut Effects<'_, Self>) {
        if !self.tasks.is_empty() {
            fx.arm((), self.setting.pace.clone());
        }
    }
}

impl Recordable for Transfers {
    type State = Account;

    fn record(&self) -> Account {
        Account { balance: self.balance, tasks: self.tasks.len() }
    }
}

impl Machine for Transfers {
    type Message = Transfer;
    type Timer = ();
    type Command = Pay;
    type Reply = u64;
    type Event = Never;
    type Write = u64;
    type Job = Never;
    type Done = Never;

    const NEEDS: Needs = Needs {
        fifo: false,
        reliable: true,
        bounded_delay: false,
        bounded_drift: false,
        stable_storage: false,
        wall_clock: false,
    };

    fn step(&mut self, _: &Context<'_>, input: Input<Self>, fx: &mut Effects<'_, Self>) {
        match input {
            Input::Start { .. } => self.pace(fx),
            Input::Fire(()) => self.work(fx),
            Input::Receive { message: Transfer { amount, task }, .. } => {
                self.balance = self.balance.saturating_add(amount);
                if let Some(task) = task {
                    self.tasks.push(task);
                    if self.tasks.len() == 1 {
                        self.pace(fx);
                    }
                }
            }
            Input::Command { id, command: Pay { to, amount, logged } } => {
                self.pay(to, amount, None, logged, fx);
                fx.reply(id, self.balance);
            }
            Input::Durable(_) | Input::Link { .. } => {}
            Input::Done(never) => match never {},
        }
    }

    fn inspect(&self, view: &mut View) {
        view.show("balance", self.balance);
        view.show("tasks", &self.tasks);
    }
}
