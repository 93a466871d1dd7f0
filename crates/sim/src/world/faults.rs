//! Faults begin and end.

use synod_machine::NodeId;

use super::{Event, World};
use crate::fault::{Fault, What};
use crate::network::Trouble;
use crate::run::Phase;
use crate::{Crash, Subject, Violation};

impl<S: Subject> World<S> {
    /// Begins a fault. One that finds nothing to happen to (a crash of a node that is down) is not counted.
    pub(super) fn fault(&mut self, number: u32) -> Result<(), Violation> {
        if self.phase != Phase::Safety {
            return Ok(());
        }
        let Fault { what, lasts, .. } = self.faults[number as usize].clone();
        let line = &self.faults[number as usize];
        self.tracer.world(self.now.mono(), "fault", what.node(), || {
            let line = line.to_string();
            // Without its time, which stands at the left.
            let text = line.splitn(3, ' ').nth(2).unwrap_or_default();
            format!("f{number} {text}")
        });
        let took_effect = match what.node() {
            Some(node) => {
                let index = self.index(node).unwrap_or_else(|| panic!("{node} is in this world"));
                self.node_fault(index, &what, lasts)?
            }
            None => self.network_fault(number, &what, lasts),
        };
        if took_effect {
            let name = counted(&what);
            // These count when they strike.
            if !matches!(what, What::CrashAtSync(_) | What::FailSync(_) | What::Fill(_)) {
                self.tally.add(name, 1);
            }
        }
        Ok(())
    }

    fn node_fault(
        &mut self,
        index: usize,
        what: &What,
        lasts: Option<std::time::Duration>,
    ) -> Result<bool, Violation> {
        let lasts_nanos = lasts.map(crate::stream::nanos);
        let node = &mut self.nodes[index];
        let ends = self.now.plus(lasts_nanos.unwrap_or(u64::MAX / 2));
        let up = node.up();
        match what {
            What::Crash(_) | What::Kill(_) | What::Upgrade(_) if !up => return Ok(false),
            What::Crash(_) => {
                self.crash(index, Crash::Power, "power lost")?;
                self.boot_after(index, lasts);
            }
            What::Kill(_) => {
                self.crash(index, Crash::Kill, "killed")?;
                self.boot_after(index, lasts);
            }
            What::Upgrade(_) => {
                self.crash(index, Crash::Kill, "stopped for an upgrade")?;
                self.nodes[index].version += 1;
                self.boot_after(index, lasts.or(Some(std::time::Duration::ZERO)));
            }
            What::CrashAtSync(_) | What::FailSync(_) => {
                match what {
                    What::FailSync(_) => node.disk.fail_next_sync = true,
                    _ => node.crash_at_sync = true,
                }
                node.back_after = lasts;
            }
            What::Restart(_) if up => return Ok(false),
            What::Restart(_) => self.boot(index)?,
            What::Wipe(_) => return self.wipe_fault(index, lasts),
            What::Pause(_) if !up => return Ok(false),
            What::Pause(_) => {
                node.paused_until = node.paused_until.max(Some(ends));
                let event = Event::Resume { node: index as u32, life: node.life };
                self.agenda.put(ends, event);
            }
            What::Fill(_) => {
                node.disk.full_until = ends;
                // Who dies of it comes back when there is room.
                self.boot_after(index, lasts);
            }
            What::Stall(_) => node.disk.stall(self.now, lasts.unwrap_or_default()),
            What::Rot(_) => return Ok(self.rot_fault(index)),
            What::Jump { back, by, .. } => {
                let by = crate::stream::nanos(*by).min(i64::MAX as u64) as i64;
                node.clock.jump_wall(if *back { -by } else { by });
            }
            What::Drift { ppm, .. } => {
                let before = node.clock.drift_ppm();
                self.drift(index, *ppm);
                if lasts.is_some() {
                    self.inject_later(What::Drift { node: NodeId(index as u64 + 1), ppm: before }, ends);
                }
            }
            _ => unreachable!("faults of links name no single node: {what}"),
        }
        Ok(true)
    }

    /// Plans a fault that ends another.
    fn inject_later(&mut self, what: What, at: crate::agenda::Moment) {
        let number = self.faults.len() as u32;
        self.faults.push(Fault { at: at.duration(), what, lasts: None });
        self.agenda.put(at, Event::Fault(number));
    }

    fn wipe_fault(&mut self, index: usize, lasts: Option<std::time::Duration>) -> Result<bool, Violation> {
        let returns = self.wipes < self.plan.tolerance.wipes_max;
        if !returns && !self.may_lose(index) {
            return Ok(false);
        }
        self.crash(index, Crash::Power, "the disk is wiped")?;
        self.wipe(index);
        if returns {
            self.wipes += 1;
            self.boot_after(index, lasts);
        } else {
            self.nodes[index].lost = true;
        }
        Ok(true)
    }

    fn rot_fault(&mut self, index: usize) -> bool {
        let may = self.nodes[index].rotten || self.may_lose(index);
        let node = &mut self.nodes[index];
        if !may || node.lost || !node.disk.rot() {
            return false;
        }
        node.rotten = true;
        true
    }

    /// Whether one more node may lose its durable state for good.
    fn may_lose(&self, index: usize) -> bool {
        let minority = (self.nodes.len() as u64 - 1) / 2;
        let budget = minority.min(self.plan.tolerance.lost_max);
        let gone = self.nodes.iter().filter(|node| node.lost || node.rotten).count() as u64;
        gone < budget && !self.nodes[index].lost && !self.nodes[index].rotten
    }

    fn network_fault(&mut self, number: u32, what: &What, lasts: Option<std::time::Duration>) -> bool {
        let fault = u64::from(number);
        let ends = lasts.map(|lasts| self.now.plus(crate::stream::nanos(lasts)));
        match what {
            What::Partition(groups) => self.cut(fault, groups),
            What::Flap { period, groups } => {
                self.cut(fault, groups);
                let half = (crate::stream::nanos(*period) / 2).max(1);
                self.agenda.put(self.now.plus(half), Event::Flap { fault: number, cut: false });
            }
            What::Block { from, to } => {
                for (from, to) in pairs(from, to) {
                    self.trouble(fault, from, to, Trouble::Block);
                }
            }
            What::Heal => {
                self.network.heal();
                self.look_at_all_links();
            }
            What::Slow { from, to, factor } => self.trouble(fault, *from, *to, Trouble::Slow(*factor)),
            What::Lose { from, to, odds } => self.trouble(fault, *from, *to, Trouble::Lose(*odds)),
            What::Reset(one, other) => {
                let until = ends.unwrap_or(self.now);
                for (from, to) in [(one, other), (other, one)] {
                    let (from, to) = (from.0 as usize - 1, to.0 as usize - 1);
                    self.network.reset(from, to, until);
                    // The node hears of the loss even if the link is back at once.
                    self.agenda.put(self.now, Event::Link { from: from as u32, to: to as u32 });
                }
            }
            What::Drop { kind, from, to, count } => {
                if *count > 0 {
                    self.network.add_drop(from.0 as usize - 1, to.0 as usize - 1, kind, *count);
                }
            }
            _ => unreachable!("faults of nodes name one: {what}"),
        }
        if let Some(ends) = ends {
            self.agenda.put(ends, Event::FaultEnd(number));
        }
        true
    }

    pub(super) fn fault_end(&mut self, number: u32) {
        let what = self.faults[number as usize].what.clone();
        self.tracer.world(self.now.mono(), "fault end", None, || format!("f{number} {what} ends"));
        self.network.end_trouble(u64::from(number));
        self.look_at_all_links();
    }

    pub(super) fn flap(&mut self, number: u32, cut: bool) {
        let Fault { at, what, lasts } = self.faults[number as usize].clone();
        let What::Flap { period, groups } = what else {
            unreachable!("only a flap flaps, found {what}");
        };
        let ended = lasts.is_some_and(|lasts| self.now.duration() >= at + lasts);
        if ended || self.phase != Phase::Safety {
            return;
        }
        match cut {
            true => self.cut(u64::from(number), &groups),
            false => {
                self.network.end_trouble(u64::from(number));
                self.look_at_all_links();
            }
        }
        let half = (crate::stream::nanos(period) / 2).max(1);
        self.agenda.put(self.now.plus(half), Event::Flap { fault: number, cut: !cut });
    }

    fn cut(&mut self, fault: u64, groups: &[Vec<NodeId>]) {
        for (place, group) in groups.iter().enumerate() {
            for (other_place, other) in groups.iter().enumerate() {
                if place != other_place {
                    for (from, to) in pairs(group, other) {
                        self.trouble(fault, from, to, Trouble::Block);
                    }
                }
            }
        }
    }

    fn trouble(&mut self, fault: u64, from: NodeId, to: NodeId, trouble: Trouble) {
        let (from, to) = (from.0 as usize - 1, to.0 as usize - 1);
        self.network.add_trouble(from, to, fault, trouble);
        if trouble == Trouble::Block {
            self.look_at_link(from, to);
            self.look_at_link(to, from);
        }
    }

    pub(super) fn look_at_all_links(&mut self) {
        for from in 0..self.nodes.len() {
            for to in (0..self.nodes.len()).filter(|to| *to != from) {
                self.look_at_link(from, to);
            }
        }
    }
}

fn pairs<'a>(from: &'a [NodeId], to: &'a [NodeId]) -> impl Iterator<Item = (NodeId, NodeId)> + 'a {
    from.iter().flat_map(move |from| to.iter().map(move |to| (*from, *to)))
}

fn counted(what: &What) -> &'static str {
    match what {
        What::Crash(_) => "fault.crash",
        What::Kill(_) => "fault.kill",
        What::CrashAtSync(_) => "fault.crash-at-sync",
        What::Restart(_) => "fault.restart",
        What::Upgrade(_) => "fault.upgrade",
        What::Wipe(_) => "fault.wipe",
        What::Pause(_) => "fault.pause",
        What::Partition(_) => "fault.partition",
        What::Flap { .. } => "fault.flap",
        What::Block { .. } => "fault.block",
        What::Heal => "fault.heal",
        What::Slow { .. } => "fault.slow",
        What::Lose { .. } => "fault.lose",
        What::Reset(..) => "fault.reset",
        What::Drop { .. } => "fault.drop",
        What::FailSync(_) => "fault.fail-sync",
        What::Fill(_) => "fault.fill",
        What::Stall(_) => "fault.stall",
        What::Rot(_) => "fault.rot",
        What::Jump { .. } => "fault.jump",
        What::Drift { .. } => "fault.drift",
    }
}
