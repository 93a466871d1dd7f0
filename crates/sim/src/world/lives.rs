//! How processes start, pause and end, and what the others hear of it.

use std::collections::VecDeque;
use std::time::Duration;

use synod_machine::{Buffer, Input, NodeId, Output, Ticket};

use super::{Event, Held, Process, World, world_violation};
use crate::disk::{Disk, Recovered, RecoveryError};
use crate::stream::NodeChoices;
use crate::subject::{Boot, BootKind};
use crate::timers::{Rang, Timers};
use crate::{Crash, Stream, Subject, Violation};

impl<S: Subject> World<S> {
    /// A process starts on what its disk holds, unless the node is up or lost.
    pub(super) fn boot(&mut self, index: usize) -> Result<(), Violation> {
        let node = &mut self.nodes[index];
        if node.up() || node.lost {
            return Ok(());
        }
        let id = node.id;
        let recovered = match node.disk.recover(&*self.format) {
            Ok(recovered) => recovered,
            Err(RecoveryError::Broken(sentence)) => {
                return Err(world_violation("log integrity", id, format!("at {id} {sentence}")));
            }
            Err(RecoveryError::Refused(corruption)) => {
                if !std::mem::take(&mut node.rotten) {
                    let sentence = format!("{id} refused a log that was not damaged: {corruption}");
                    return Err(world_violation("log integrity", id, sentence));
                }
                node.lost = true;
                self.tally.add("disk.rot refused", 1);
                self.tracer.world(self.now.mono(), "lost", Some(id), || corruption.to_string());
                return Ok(());
            }
        };
        if recovered.unnoticed {
            // The window that no format can close: an operator cannot see it either, so it counts as lost.
            node.lost = true;
            self.tally.add("disk.rot unnoticed", 1);
            return Ok(());
        }
        if recovered.cut {
            self.tally.add("disk.torn tails cut", 1);
        }
        self.start(index, recovered)
    }

    fn start(&mut self, index: usize, recovered: Recovered) -> Result<(), Violation> {
        let node = &mut self.nodes[index];
        let id = node.id;
        let decoded: Result<Vec<_>, String> =
            recovered.payloads.iter().map(|payload| self.subject.decode(payload)).collect();
        let saved = decoded.map_err(|error| {
            world_violation("log integrity", id, format!("a write of {id} cannot be read back: {error}"))
        })?;
        node.clock.restart(self.now);
        let kind = match (node.wiped, node.blank) {
            (true, true) => BootKind::Wiped,
            (_, true) => BootKind::First,
            _ => BootKind::Restart,
        };
        (node.blank, node.wiped) = (false, false);
        let life = u64::from(node.life);
        let persisted = node.persisted.take();
        let (machine, worker) =
            self.subject.boot(Boot { node: id, kind, version: node.version, life, persisted });
        let choices = NodeChoices::new(self.plan.seed, id.0, life);
        node.process = Some(Process {
            machine,
            worker,
            buffer: Buffer::new(choices, Ticket(recovered.next)),
            timers: Timers::new(),
            held: VecDeque::new(),
            jobs: VecDeque::new(),
            output: Output::default(),
            working: false,
            more_work: false,
        });
        let name = match kind {
            BootKind::First => "node.first start",
            BootKind::Restart => "node.restart",
            BootKind::Wiped => "node.start on a wiped disk",
        };
        self.tally.add(name, 1);
        let writes = saved.len();
        self.tracer.world(self.now.mono(), "start", Some(id), || format!("start with {writes} writes"));
        self.step(index, Input::Start { saved }, None)?;
        for peer in 0..self.nodes.len() {
            if peer != index {
                self.network.tell(index, peer, false);
                self.look_at_link(index, peer);
                self.look_at_link(peer, index);
            }
        }
        Ok(())
    }

    /// The process is gone, with its memory; power loss takes of the disk what was not synced.
    pub(super) fn crash(&mut self, index: usize, crash: Crash, why: &str) -> Result<(), Violation> {
        let node = &mut self.nodes[index];
        let id = node.id;
        let Some(process) = node.process.take() else { return Ok(()) };
        self.tracer.world(self.now.mono(), "crash", Some(id), || why.to_owned());
        node.life += 1;
        node.paused_until = None;
        node.forgetting.clear();
        let lost_sectors = match crash {
            Crash::Kill => {
                node.disk.kill();
                0
            }
            Crash::Power => node.disk.lose_power(),
        };
        let persisted = self.subject.crash_worker(id, process.worker, crash, &mut node.crash_draw);
        node.persisted = Some(persisted);
        let backlog = std::mem::take(&mut node.backlog);
        self.tally.add("disk.sectors lost", lost_sectors);
        for (_, held) in process.held {
            match held {
                Held::Send { id: send, to, .. } => self.never_left(send, id, to),
                Held::Reply { .. } => self.tally.add("client.replies never left", 1),
            }
        }
        for peer in 0..self.nodes.len() {
            if peer != index {
                self.look_at_link(peer, index);
            }
        }
        // What waited while it was paused finds nobody.
        for event in backlog {
            self.dispatch(event)?;
        }
        Ok(())
    }

    /// An empty disk in the place of the old one.
    pub(super) fn wipe(&mut self, index: usize) {
        let seed = self.plan.seed;
        let node = &mut self.nodes[index];
        assert!(!node.up(), "only the disk of a node that is down is wiped, {} is up", node.id);
        let label = u64::from(node.life) << 32 | node.id.0;
        node.disk = Disk::new(Stream::numbered(seed, "wiped disk", label));
        node.persisted = None;
        (node.blank, node.wiped, node.rotten) = (true, true, false);
    }

    pub(super) fn boot_after(&mut self, index: usize, lasts: Option<Duration>) {
        if let Some(lasts) = lasts {
            self.agenda.put(self.now.plus(crate::stream::nanos(lasts)), Event::Boot(index as u32));
        }
    }

    /// The process goes on: first with what came meanwhile.
    pub(super) fn resume(&mut self, index: usize) -> Result<(), Violation> {
        let node = &mut self.nodes[index];
        if node.paused_until.take().is_none() {
            return Ok(());
        }
        let id = node.id;
        let backlog = std::mem::take(&mut node.backlog);
        self.tracer.world(self.now.mono(), "resume", Some(id), || format!("{id} goes on"));
        backlog.into_iter().try_for_each(|event| self.dispatch(event))
    }

    pub(super) fn timer(&mut self, index: usize, place: u32) -> Result<(), Violation> {
        let node = &mut self.nodes[index];
        let Some(process) = &mut node.process else { return Ok(()) };
        match process.timers.ring(place, self.now, &node.clock) {
            Rang::Fire(timer) => self.step(index, Input::Fire(timer), None),
            Rang::Later(at) => {
                let event = Event::Timer { node: index as u32, life: node.life, place };
                self.agenda.put(at, event);
                Ok(())
            }
            Rang::Stale => Ok(()),
        }
    }

    /// The clock of a node changed its rate.
    pub(super) fn drift(&mut self, index: usize, ppm: i32) {
        let node = &mut self.nodes[index];
        node.clock.set_drift(self.now, ppm);
        let Some(process) = &mut node.process else { return };
        for (place, at) in process.timers.reschedule(&node.clock) {
            self.agenda.put(at, Event::Timer { node: index as u32, life: node.life, place });
        }
    }

    /// Soon, a node may have to hear of a link.
    pub(super) fn look_at_link(&mut self, from: usize, to: usize) {
        if let Some(notice) = &self.network.shape().link_notice {
            let delay = notice.draw_nanos(self.notice_draw.bits());
            self.agenda.put(self.now.plus(delay), Event::Link { from: from as u32, to: to as u32 });
        }
    }

    /// Tells a node how its link is, if that is news.
    pub(super) fn link(&mut self, from: usize, to: usize) -> Result<(), Violation> {
        if !self.nodes[from].up() {
            return Ok(());
        }
        let up = self.nodes[to].up()
            && self.network.open(from, to, self.now)
            && self.network.open(to, from, self.now);
        if !self.network.tell(from, to, up) {
            return Ok(());
        }
        self.tally.add(if up { "link.up" } else { "link.down" }, 1);
        self.step(from, Input::Link { peer: NodeId(to as u64 + 1), up }, None)
    }
}
