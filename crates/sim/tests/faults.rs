//! Each kind of fault takes effect, and has its effect.

mod ledger;

use std::time::Duration;

use ledger::*;
use synod_machine::NodeId;
use synod_sim::*;

const N1: NodeId = NodeId(1);
const N2: NodeId = NodeId(2);
const N3: NodeId = NodeId(3);

#[test]
fn a_calm_world_delivers_all() {
    let (world, run) = sound(plan(1, ""));
    let exercised = &run.exercised;
    assert_eq!(run.vacuous, None);
    assert_eq!(exercised.count("message.dropped.loss"), 0);
    assert!(exercised.count("message.delivered") > 1_000);
    assert!(exercised.count("client.replies") > 2_000);
    assert!(exercised.count("disk.held effects") > 2_000, "replies wait for their writes");
    assert!(
        exercised.count("disk.syncs") < exercised.count("client.commands"),
        "one sync covers several writes"
    );
    let view = world.view();
    assert_eq!(view.machine(N1).expect("up").links_up, 2);
    // Jobs are done in order beside the machine, and the last ones may still be under way.
    let machine = view.machine(N1).expect("up");
    assert!(machine.worked > 0 && machine.worked <= machine.total && machine.total - machine.worked < 100);
}

#[test]
fn fates_are_complete() {
    let mut plan = plan(3, "at 1s partition n1 | n2 n3 for 1s\nat 1.5s crash n2 for 0.2s\nat 2s reset n1 n3");
    plan.network.loss = Odds::percent(5);
    plan.network.duplication = Odds::percent(5);
    plan.network.queue_bytes_max = Some(2_000);
    let subject = Ledger::new(&plan);
    let mut world: World<Ledger> = World::new(plan, subject).expect("a plan");
    world.keep(usize::MAX);
    let run = world.run();
    let (mut sends, mut fates) = (Vec::new(), Vec::new());
    for moment in world.moments() {
        match moment {
            Moment::Record { record, .. } => sends.extend(record.sends().map(|(id, _, _)| id)),
            Moment::Fate { id, .. } => fates.push(*id),
            Moment::World { .. } => {}
        }
    }
    fates.sort_unstable();
    assert_eq!(sends, fates, "each send has exactly one fate");
    for name in ["delivered", "duplicated", "blocked", "dropped.loss", "dropped.receiver down", "in flight"] {
        assert!(run.exercised.count(&format!("message.{name}")) > 0, "{name}: {:?}", run.exercised);
    }
    let counted: u64 =
        run.exercised.iter().filter(|(name, _)| name.starts_with("message.")).map(|(_, count)| count).sum();
    assert_eq!(counted, fates.len() as u64);
}

#[test]
fn loss_duplication_and_reordering() {
    let mut plan = plan(1, "");
    plan.network.loss = Odds::percent(10);
    plan.network.duplication = Odds::percent(10);
    plan.network.delay = Delay::micros(100, 200_000);
    let (world, run) = sound(plan);
    assert!(run.exercised.count("message.dropped.loss") > 100);
    assert!(run.exercised.count("message.duplicated") > 100);
    let view = world.view();
    assert!(view.machines().all(|(_, machine)| machine.disorder > 0));
}

#[test]
fn a_fifo_network_keeps_order() {
    let mut plan = plan(1, "at 1s reset n1 n2 for 0.05s\nat 1s slow n1 -> n3 x50 for 0.5s");
    plan.network.fifo = true;
    plan.network.loss = Odds::percent(10);
    plan.network.delay =
        Delay::Pareto { least: Duration::from_micros(100), shape: 1.0, most: Duration::from_secs(1) };
    let subject = Ledger::<true>::new(&plan);
    let mut world = World::new(plan, subject).expect("the network is fifo");
    assert_eq!(world.run().found, None);
    assert!(world.view().machines().all(|(_, machine)| machine.disorder == 0 && machine.beats_sent > 30));
}

#[test]
fn a_world_that_breaks_a_need_is_refused_or_labelled() {
    let mut plan = plan(1, "");
    let refused = World::new(plan.clone(), Ledger::<true>::new(&plan)).err().expect("the network reorders");
    assert_eq!(
        refused.to_string(),
        "the world breaks what the mechanism needs: needs fifo: the network reorders"
    );
    plan.break_assumptions = true;
    let run = run(plan, Ledger::<true>::new).expect("told to");
    assert_eq!(run.broken_needs.len(), 1);
}

#[test]
fn a_partition_blocks_both_ways_and_ends() {
    let script = "at 1s partition n1 | n2 n3 for 1s";
    let subject = |plan: &Plan| Ledger::<false>::new(plan);
    let plan = plan(1, script);
    let mut world = World::new(plan.clone(), subject(&plan)).expect("a plan");
    world.run_until(Duration::from_millis(1_050));
    let heard = |world: &World<Ledger>, node, from| world.view().machine(node).expect("up").last_beat[&from];
    let before = [heard(&world, N1, N2), heard(&world, N2, N1), heard(&world, N3, N2)];
    world.run_until(Duration::from_millis(1_900));
    let during = [heard(&world, N1, N2), heard(&world, N2, N1), heard(&world, N3, N2)];
    assert_eq!(before[..2], during[..2], "n1 is cut off both ways");
    assert!(during[2] > before[2], "n2 and n3 are not");
    let run = world.run();
    assert!(heard(&world, N1, N2) > during[0]);
    assert!(run.exercised.count("message.blocked") > 0);
    assert!(run.exercised.count("link.down") >= 4, "both ends of two links hear of it");
}

#[test]
fn a_one_way_block_lets_the_other_way_through() {
    let (world, _) = sound(plan(1, "at 0s block n1 -> n2"));
    let view = world.view();
    assert_eq!(view.machine(N2).expect("up").last_beat.get(&N1), None);
    assert!(view.machine(N1).expect("up").last_beat[&N2] > 30);
    assert!(view.machine(N3).expect("up").last_beat[&N1] > 30);
}

#[test]
fn a_bridge_reaches_both_sides() {
    let (world, _) = sound(plan(1, "at 0s partition n1 | n2"));
    let view = world.view();
    assert_eq!(view.machine(N1).expect("up").last_beat.get(&N2), None);
    assert_eq!(view.machine(N3).expect("up").last_beat.len(), 2);
}

#[test]
fn a_flapping_partition_comes_and_goes() {
    let (world, run) = sound(plan(1, "at 0.5s flap 0.3s n1 | n2 n3 for 2s"));
    let heard = world.view().machine(N1).expect("up").last_beat[&N2];
    let all = world.view().machine(N2).expect("up").beats_sent;
    assert!(run.exercised.count("message.blocked") > 20 && heard + 3 >= all);
    assert!(run.exercised.count("link.up") > 10);
}

#[test]
fn slow_and_lossy_links() {
    let (_, calm) = sound(plan(1, ""));
    let (_, slow) = sound(plan(1, "at 0s slow n1 -> n2 x1000"));
    assert!(slow.exercised.count("message.in flight") > calm.exercised.count("message.in flight") + 50);
    let (world, run) = sound(plan(1, "at 0s lose 100% n1 -> n2"));
    assert!(run.exercised.count("message.dropped.loss") > 50);
    assert_eq!(world.view().machine(N2).expect("up").last_beat.get(&N1), None);
}

#[test]
fn a_reset_loses_what_is_under_way_and_is_heard_of() {
    let mut plan = plan(1, "at 1s reset n1 n2 for 0.2s");
    plan.network.delay = Delay::Constant(Duration::from_millis(30));
    let (world, run) = sound(plan);
    assert!(run.exercised.count("message.dropped.link down") > 2);
    let view = world.view();
    assert_eq!((view.machine(N1).expect("up").links_down, view.machine(N3).expect("up").links_down), (1, 0));
    assert_eq!(view.machine(N1).expect("up").links_up, 3);
}

#[test]
fn messages_are_dropped_by_hand() {
    let (_, run) = sound(plan(1, "at 1s drop beat n1 -> n3 x4\nat 1s drop * n2 -> n3 x2"));
    assert_eq!(run.exercised.count("message.dropped.by hand"), 6);
}

#[test]
fn full_queues_overflow_and_bandwidth_delays() {
    let mut plan = plan(1, "");
    plan.network.queue_bytes_max = Some(600);
    plan.network.bytes_per_second = Some(50_000);
    let (_, run) = sound(plan);
    assert!(run.exercised.count("message.dropped.overflow") > 100);
}

#[test]
fn a_killed_process_restarts_with_all_that_was_written() {
    let (world, run) = sound(plan(1, "at 1s kill n1 for 0.5s"));
    assert_eq!(run.exercised.count("fault.kill"), 1);
    assert_eq!(run.exercised.count("disk.sectors lost"), 0);
    assert!(run.exercised.count("client.commands lost") > 10);
    let boot = world.subject().boots.last().expect("booted");
    assert_eq!((boot.0, boot.1), (N1, BootKind::Restart));
    assert!(boot.3.expect("the worker's storage survived") > 0);
    assert!(world.view().machine(N2).expect("up").links_down > 0, "peers hear of it");
}

#[test]
fn power_loss_tears_records_and_the_tail_is_cut() {
    let (mut torn, mut sectors, mut never_left) = (0, 0, 0);
    for seed in 0..20 {
        let mut plan = plan(seed, "at 1s crash-at-sync n1 for 0.1s\nat 1s crash n2 for 0.1s");
        plan.disk.sync = Delay::micros(2_000, 8_000);
        let (_, run) = sound(plan);
        assert_eq!(run.exercised.count("fault.crash-at-sync"), 1);
        torn += run.exercised.count("disk.torn tails cut");
        sectors += run.exercised.count("disk.sectors lost");
        never_left += run.exercised.count("message.dropped.never left");
    }
    assert!(torn > 10 && sectors > 20 && never_left > 10, "{torn} {sectors} {never_left}");
}

#[test]
fn a_failed_sync_kills_the_process() {
    let (world, run) = sound(plan(1, "at 1s fail-sync n1 for 0.3s"));
    assert_eq!(run.exercised.count("fault.fail-sync"), 1);
    assert_eq!(world.subject().boots.last().expect("booted").1, BootKind::Restart);
}

#[test]
fn a_full_disk_kills_the_process_until_there_is_room() {
    let (world, run) = sound(plan(1, "at 1s fill n1 for 0.7s"));
    assert_eq!(run.exercised.count("fault.fill"), 1);
    assert!(world.view().machine(N1).is_some());
}

#[test]
fn a_stalled_disk_delays_syncs_and_all_that_waits_for_them() {
    let (world, stalled) = sound(plan(1, "at 1s stall n1 for 1s"));
    let (_, calm) = sound(plan(1, ""));
    assert!(stalled.exercised.count("disk.syncs") + 50 < calm.exercised.count("disk.syncs"));
    assert_eq!(stalled.exercised.count("fault.stall"), 1);
    assert!(world.view().machine(N1).is_some());
}

#[test]
fn rot_is_refused_at_the_next_start_and_stays_within_the_budget() {
    let (mut refused, mut unnoticed) = (0, 0);
    for seed in 0..30 {
        let script = "at 1s rot n1\nat 1s rot n2\nat 1.1s kill n1 for 0.1s\nat 1.1s kill n2 for 0.1s";
        let (world, run) = sound(plan(seed, script));
        assert_eq!(run.exercised.count("fault.rot"), 1, "the budget is one node");
        refused += run.exercised.count("disk.rot refused");
        unnoticed += run.exercised.count("disk.rot unnoticed");
        assert!(world.view().lost(N1) && world.view().machine(N1).is_none());
        assert!(world.view().machine(N2).is_some());
    }
    assert!(refused > 20 && refused + unnoticed == 30, "refused {refused}, unnoticed {unnoticed}");
}

#[test]
fn a_wiped_node_returns_only_where_that_is_allowed() {
    let mut plan = plan(1, "at 1s wipe n1 for 0.1s\nat 2s wipe n2 for 0.1s");
    plan.tolerance = Tolerance { wipes_max: 1, lost_max: 0 };
    let (world, run) = sound(plan.clone());
    assert_eq!(run.exercised.count("fault.wipe"), 1);
    assert_eq!(
        world.subject().boots.last().map(|boot| (boot.0, boot.1, boot.3)),
        Some((N1, BootKind::Wiped, None))
    );
    plan.tolerance = Tolerance { wipes_max: 0, lost_max: 1 };
    let (world, _) = sound(plan);
    assert!(world.view().lost(N1) && !world.view().lost(N2));
}

#[test]
fn an_upgrade_raises_the_format_version() {
    let (world, run) = sound(plan(1, "at 1s upgrade n1 for 0.1s\nat 2s upgrade n1 for 0.1s"));
    assert_eq!(run.exercised.count("fault.upgrade"), 2);
    assert_eq!(world.view().machine(N1).expect("up").version, 3);
    assert_eq!(world.view().version(N2), Some(1));
}

#[test]
fn a_pause_lets_everything_wait() {
    let plan = plan(1, "at 1s pause n1 for 0.5s");
    let mut world: World<Ledger> = World::new(plan.clone(), Ledger::new(&plan)).expect("a plan");
    world.run_until(Duration::from_millis(1_000));
    let total = world.view().machine(N1).expect("up").total;
    world.run_until(Duration::from_millis(1_499));
    assert_eq!(world.view().machine(N1).expect("up").total, total);
    world.run_until(Duration::from_millis(1_501));
    assert!(world.view().machine(N1).expect("up").total > total, "what waited is done at once");
    assert_eq!(world.run().exercised.count("fault.pause"), 1);
    // Its deadline passed during the pause: late, but once.
    let beats = &world.view().machine(N1).expect("up").beats_at;
    let longest = beats.windows(2).map(|pair| pair[1] - pair[0]).max().expect("beats");
    assert!(longest > Duration::from_millis(450));
}

#[test]
fn clocks_drift_and_jump() {
    let mut plan = plan(1, "at 0.02s drift n1 +100000ppm\nat 0.02s drift n2 -100000ppm\nat 2s jump n3 -60s");
    plan.clock.drift_ppm_max = 0;
    let (world, run) = sound(plan);
    assert_eq!((run.exercised.count("fault.drift"), run.exercised.count("fault.jump")), (2, 1));
    let view = world.view();
    let beats = |node| view.machine(node).expect("up").beats_sent;
    assert_eq!((beats(N1), beats(N3), beats(N2)), (65, 59, 53));
    let walls: Vec<Duration> = view.machines().map(|(_, machine)| machine.wall).collect();
    assert!(walls[0] - walls[2] > Duration::from_secs(59));
    // By its own clock every node beat at least a period apart.
    for (_, machine) in view.machines() {
        assert!(machine.beats_at.windows(2).all(|pair| pair[1] - pair[0] >= BEAT));
    }
}
