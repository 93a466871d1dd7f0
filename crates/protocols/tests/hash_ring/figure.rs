//! The survey's figure: three servers, six virtual nodes in the order A B A C B A, and what a change moves.

use std::error::Error;
use std::fmt::Write as _;

use goldenscript::Command as Line;
use synod_machine::NodeId;
use synod_protocols::routing::hash_ring::*;

struct Script {
    ring: HashRing,
}

type Outcome<T> = Result<T, Box<dyn Error>>;

impl goldenscript::Runner for Script {
    type Command = Line;

    fn run(&mut self, line: &Line, _: &goldenscript::Context) -> Outcome<String> {
        let mut out = String::new();
        let mut args = line.consume_args();
        let before = self.ring.clone();
        match line.name.as_str() {
            "ring" => {
                let seed = args.take_key("seed").unwrap_or("0").parse()?;
                self.ring = HashRing::new(Config { points_per_weight: 1, seed });
            }
            "insert" => {
                let weight = args.take_key("weight").unwrap_or("1").parse()?;
                let zone = args.take_key("zone").unwrap_or("0").parse()?;
                self.ring.insert(server(args.next_pos())?, Member { weight, zone });
            }
            "remove" => {
                self.ring.remove(server(args.next_pos())?);
            }
            "show" => {
                for (place, node) in self.ring.walk(0) {
                    writeln!(out, "{:>5.1} %  Server{}", percent(place), letter(node))?;
                }
            }
            "find" => {
                let key = args.next_pos().ok_or("expected a key")?;
                let count = args.take_key("copies").unwrap_or("1").parse()?;
                let place = self.ring.place(key.as_bytes());
                let replicas = self.ring.replicas(place, count);
                let names: Vec<String> =
                    replicas.iter().map(|node| format!("Server{}", letter(*node))).collect();
                writeln!(out, "{key} at {:.1} %: {}", percent(place), names.join(", "))?;
            }
            other => return Err(format!("no such command: {other}").into()),
        }
        args.reject_next()?;
        if before.config() == self.ring.config() {
            for moved in before.moves_to(&self.ring) {
                let name = |node: Option<NodeId>| {
                    node.map_or("nobody".to_owned(), |n| format!("Server{}", letter(n)))
                };
                let range = if moved.after == moved.upto {
                    "the whole ring".to_owned()
                } else {
                    format!("{:.1} % to {:.1} %", percent(moved.after), percent(moved.upto))
                };
                writeln!(out, "{range}: {} ─▶ {}", name(moved.from), name(moved.to))?;
            }
            invariants::minimal_movement(&before, &self.ring)?;
        }
        Ok(out)
    }
}

fn percent(place: u64) -> f64 {
    place as f64 / u64::MAX as f64 * 100.0
}

fn letter(node: NodeId) -> char {
    char::from(b'A' + (node.0 - 1) as u8)
}

fn server(name: Option<&str>) -> Outcome<NodeId> {
    let byte = name.and_then(|name| name.bytes().next()).filter(u8::is_ascii_uppercase);
    Ok(NodeId(u64::from(byte.ok_or("expected a server, one of A to Z")? - b'A') + 1))
}

#[test]
fn survey_figure() {
    let mut script = Script { ring: HashRing::new(Config { points_per_weight: 1, seed: 0 }) };
    goldenscript::run(&mut script, "tests/hash_ring/scripts/survey_figure").expect("the output as committed");
}

/// The seed of the script was searched for: the first whose ring has the figure's order.
#[test]
fn the_seed_of_the_figure_is_the_first_that_has_its_order() {
    let order = |seed| {
        let mut ring = HashRing::new(Config { points_per_weight: 1, seed });
        for (node, weight) in [(1, 3), (2, 2), (3, 1)] {
            ring.insert(NodeId(node), Member { weight, zone: 0 });
        }
        ring.walk(0).map(|(_, node)| letter(node)).collect::<String>()
    };
    let seed = (0..).find(|seed| order(*seed) == "ABACBA").expect("one in sixty has it");
    let script = std::fs::read_to_string("tests/hash_ring/scripts/survey_figure").expect("the script");
    assert!(script.contains(&format!("ring seed={seed}\n")), "the first seed is {seed}");
}
