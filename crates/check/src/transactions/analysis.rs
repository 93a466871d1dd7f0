//! From facts and graphs to judgements.
//!
//! The strictest order comes first: where reads, writes, sessions and real time together are in no circle, every model is
//! kept, and one walk over the graph has shown it. Otherwise all circles lie within the components that were found, and
//! what follows looks at these alone.

use std::collections::BTreeMap;

use super::anomaly::{Anomaly, Dependency, Order, Witness};
use super::causal::{self, Demands};
use super::cycles::{self, Class, Cycle};
use super::edges;
use super::facts::Facts;
use super::graph::{Edge, Graph, Kinds, Label, Points, View, components};
use super::history::History;
use super::operation::{Kind, TransactionId};
use super::search::{self, Answer, Question};
use super::{Effort, Report, words};
use crate::history::OperationId;
use crate::model::{Breach, Judgement, Model, Step};
use crate::verdict::OperationSummary;

/// What is found out about a history, model by model.
pub(super) struct Analysis<'a> {
    history: &'a History,
    facts: Facts,
    effort: Effort<'a>,
    witnesses: Vec<Witness>,
    broken: Vec<Model>,
    unknown: BTreeMap<Model, String>,
}

/// The view in which a model is kept exactly if there is no circle, where there is one.
fn view_of(model: Model) -> Option<(Kinds, Points)> {
    let sessions = Kinds::DATA.and(Kinds::PROCESS);
    match model {
        Model::ReadCommitted => Some((Kinds::WRITES.and(Kinds::READS), Points::One)),
        Model::SnapshotIsolation => Some((Kinds::DATA, Points::Two)),
        Model::StrongSessionSnapshotIsolation => Some((sessions, Points::Two)),
        Model::Serializable => Some((Kinds::DATA, Points::One)),
        Model::StrongSessionSerializable => Some((sessions, Points::One)),
        Model::StrictSerializable => Some((sessions.and(Kinds::REAL_TIME), Points::One)),
        _ => None,
    }
}

/// Judges a history by some models, and lists the anomalies that were met on the way.
pub(super) fn judge(history: &History, models: &[Model], effort: Effort<'_>) -> Report {
    let facts = Facts::new(history);
    if let Some((key, value)) = facts.ambiguous {
        let reason = format!(
            "{} was written to {} twice, so it cannot be told whose write was read",
            history.value_name(value),
            history.key_name(key)
        );
        let judgements = models.iter().map(|model| Judgement::unknown(*model, reason.clone())).collect();
        return Report { judgements, witnesses: Vec::new() };
    }
    let mut analysis = Analysis {
        history,
        facts,
        effort,
        witnesses: Vec::new(),
        broken: Vec::new(),
        unknown: BTreeMap::new(),
    };
    analysis.oddities();
    match history.kind() {
        Some(Kind::Register) => analysis.registers(models),
        _ => analysis.lists(models),
    }
    analysis.report(models)
}

impl Analysis<'_> {
    fn oddities(&mut self) {
        for oddity in &self.facts.oddities {
            let witness = words::oddity(self.history, oddity);
            self.broken.push(witness.breaks);
            self.witnesses.push(witness);
        }
    }

    fn is_broken(&self, model: Model) -> bool {
        self.broken.iter().any(|broken| model.implies(*broken))
    }

    fn lists(&mut self, models: &[Model]) {
        let graph = edges::graph(self.history, &self.facts);
        let (kinds, points) = view_of(Model::StrictSerializable).expect("it has a view");
        let strict = View { graph: &graph, kinds, points };
        let nodes: Vec<u32> = components(&strict).concat();
        if nodes.is_empty() {
            return;
        }
        let (circles, names) = graph.restricted(&nodes);
        drop(graph);
        self.cycles(&circles, &names, None);
        for model in Model::TRANSACTIONS.into_iter().rev() {
            if self.is_broken(model) {
                continue;
            }
            match model {
                Model::ReadAtomic => {
                    let demands = causal::atomic_demands(self.history, &self.facts);
                    self.skips(model, &demands);
                }
                Model::TransactionalCausal => {
                    let kinds = Kinds::WRITES.and(Kinds::READS).and(Kinds::PROCESS);
                    self.circle(model, &View { graph: &circles, kinds, points: Points::One }, &names);
                    if !self.is_broken(model)
                        && let Some(demands) = causal::causal_demands(self.history, &self.facts)
                    {
                        self.skips(model, &demands);
                    }
                }
                _ => {
                    let (kinds, points) = view_of(model).expect("all but the demanding models have a view");
                    self.circle(model, &View { graph: &circles, kinds, points }, &names);
                }
            }
        }
        // Writes that nobody saw exclude one another under snapshot isolation, in an order that is to be found.
        let is_undecided = (0..self.facts.loose.len()).any(|key| self.facts.loose.get(key).len() > 1);
        for (model, stronger) in [
            (Model::StrongSessionSnapshotIsolation, Model::StrongSessionSerializable),
            (Model::SnapshotIsolation, Model::Serializable),
        ] {
            if is_undecided && models.contains(&model) && !self.is_broken(model) && self.is_broken(stronger) {
                self.search(model);
            }
        }
    }

    /// Names the short cycles of a graph.
    fn cycles(&mut self, graph: &Graph, names: &[u32], breaks: Option<Model>) {
        let found = cycles::find(self.history, graph, names);
        for (class, cycle) in found {
            let class = breaks.map_or(class, |breaks| (class.0, class.1, breaks));
            self.witness(class, &cycle);
        }
    }

    fn witness(&mut self, class: Class, cycle: &Cycle) {
        let history = self.history;
        let justify = |dependency: Dependency, key, from: TransactionId, to: TransactionId| {
            words::justification(history, dependency, key, from, to)
        };
        let (anomaly, order, breaks) = class;
        // An order that only a stronger model demands shows no case that a weaker one forbids by its name.
        let is_case = breaks == cycles::classify(history, cycle).2 || cycles::is_certain(history, cycle);
        let anomaly = if is_case { anomaly } else { anomaly.class() };
        self.broken.push(breaks);
        self.witnesses.push(words::cycle(history, (anomaly, order, breaks), cycle, &justify));
    }

    /// Looks for a circle that breaks a model.
    fn circle(&mut self, model: Model, view: &View<'_>, names: &[u32]) {
        if components(view).is_empty() {
            return;
        }
        match cycles::any(view, names) {
            Some(cycle) => {
                let (anomaly, order, _) = cycles::classify(self.history, &cycle);
                self.witness((anomaly, order, model), &cycle);
            }
            None => self.broken.push(model),
        }
    }

    /// Reads of older versions than the reader had seen to be replaced.
    fn skips(&mut self, model: Model, demands: &Demands) {
        let Some(&(reader, seen, key)) = demands.skips.first() else { return };
        self.skip(model, reader, seen, key);
    }

    fn skip(&mut self, model: Model, reader: u32, seen: u32, key: u32) {
        let graph = edges::graph(self.history, &self.facts);
        let sessions = if model == Model::ReadAtomic { Kinds::NO_ORDER } else { Kinds::PROCESS };
        let view = View { graph: &graph, kinds: Kinds::READS.and(sessions), points: Points::One };
        let edge = Edge { to: seen, label: Label::new(Dependency::ReadWrite, key) };
        match cycles::Search::new(&graph).cycle(&view, reader, edge) {
            Some(cycle) => {
                let (anomaly, order, _) = cycles::classify(self.history, &cycle);
                self.witness((anomaly, order, model), &cycle);
            }
            None => self.broken.push(model),
        }
    }

    fn registers(&mut self, models: &[Model]) {
        let graph = edges::graph(self.history, &self.facts);
        let reads = View { graph: &graph, kinds: Kinds::READS, points: Points::One };
        let circles = components(&reads).concat();
        if !circles.is_empty() {
            let (circles, names) = graph.restricted(&circles);
            self.cycles(&circles, &names, None);
            let view = View { graph: &circles, kinds: Kinds::READS, points: Points::One };
            self.circle(Model::ReadCommitted, &view, &names);
            return;
        }
        let demands = causal::atomic_demands(self.history, &self.facts);
        self.demanded(Model::ReadAtomic, &demands, Kinds::READS);
        if !self.is_broken(Model::TransactionalCausal) {
            match causal::causal_demands(self.history, &self.facts) {
                Some(demands) => {
                    self.demanded(Model::TransactionalCausal, &demands, Kinds::READS.and(Kinds::PROCESS));
                }
                None => {
                    let kinds = Kinds::READS.and(Kinds::PROCESS);
                    let view = View { graph: &graph, kinds, points: Points::One };
                    self.circle(Model::TransactionalCausal, &view, &(0..graph.nodes()).collect::<Vec<_>>());
                }
            }
        }
        drop(graph);
        self.searched(models);
    }

    /// Decides the models for which an order of the versions must be searched for: the strongest first, for what
    /// explains a history there explains it for weaker models, too.
    fn searched(&mut self, models: &[Model]) {
        let strongest_first: Vec<Model> = Model::TRANSACTIONS
            .into_iter()
            .filter(|model| view_of(*model).is_some() && *model != Model::ReadCommitted)
            .filter(|model| models.iter().any(|asked| asked == model))
            .collect();
        for (index, model) in strongest_first.iter().copied().enumerate() {
            if self.is_broken(model) {
                continue;
            }
            if strongest_first[..index].iter().any(|stronger| {
                stronger.implies(model) && !self.is_broken(*stronger) && !self.unknown.contains_key(stronger)
            }) {
                continue;
            }
            self.search(model);
        }
    }

    /// Reads demand an order of some writers: is there a circle?
    fn demanded(&mut self, model: Model, demands: &Demands, seen: Kinds) {
        if self.is_broken(model) {
            return;
        }
        if let Some(&(reader, seen, key)) = demands.skips.first() {
            return self.skip(model, reader, seen, key);
        }
        let mut builder = edges::builder(self.history, &self.facts);
        for demand in &demands.orders {
            builder.edge(demand.before, demand.after, Label::new(Dependency::WriteWrite, demand.key));
        }
        let graph = builder.finish();
        let view = View { graph: &graph, kinds: Kinds::WRITES.and(seen), points: Points::One };
        let nodes = components(&view).concat();
        if nodes.is_empty() {
            return;
        }
        self.broken.push(model);
        let witness = self.demanding_reader(model, demands, &graph);
        match witness {
            Some(cycle) => {
                let (anomaly, order, _) = cycles::classify(self.history, &cycle);
                self.witness((anomaly, order, model), &cycle);
            }
            None => {
                let (circles, names) = graph.restricted(&nodes);
                self.circle(model, &View { graph: &circles, ..view }, &names);
            }
        }
    }

    /// A reader that had seen a newer version than it read, newer because whoever wrote it had seen the older.
    fn demanding_reader(&self, model: Model, demands: &Demands, graph: &Graph) -> Option<Cycle> {
        let sessions = if model == Model::ReadAtomic { Kinds::NO_ORDER } else { Kinds::PROCESS };
        let view = View { graph, kinds: Kinds::READS.and(sessions), points: Points::One };
        let mut search = cycles::Search::new(graph);
        let mut readers: BTreeMap<(u32, u32), Vec<u32>> = BTreeMap::new();
        for read in &self.facts.reads {
            if let Some(writer) = self.facts.writer_of(read) {
                readers.entry((writer, read.key)).or_default().push(read.transaction);
            }
        }
        demands.orders.iter().find_map(|demand| {
            // The demand says that `before` comes first; that `before` had seen `after` says the contrary.
            let label = Label::new(Dependency::WriteWrite, demand.key);
            search.cycle(&view, demand.before, Edge { to: demand.after, label })?;
            let readers = readers.get(&(demand.after, demand.key))?;
            readers.iter().filter(|reader| **reader != demand.before).find_map(|&reader| {
                let label = Label::new(Dependency::ReadWrite, demand.key);
                search.cycle(&view, reader, Edge { to: demand.before, label })
            })
        })
    }

    /// Searches an order of the versions that explains everything.
    fn search(&mut self, model: Model) {
        let (kinds, points) = view_of(model).expect("only models with a view are searched");
        let question = Question { history: self.history, facts: &self.facts, kinds, points };
        match search::answer(&question, &self.effort) {
            Answer::Explained => {}
            Answer::Unknown(reason) => {
                self.unknown.insert(model, reason);
            }
            Answer::Impossible(graph) => {
                let view = View { graph: &graph, kinds, points };
                let nodes: Vec<u32> =
                    components(&view).concat().into_iter().map(|point| view.node(point)).collect();
                let (circles, names) = graph.restricted(&distinct(nodes));
                let before = self.witnesses.len();
                let found = cycles::find(self.history, &circles, &names);
                // A missed update tells more than a circle of inferred orders. What was inferred under this model proves
                // nothing about weaker ones.
                let telling = |(class, cycle): &(Class, Cycle)| {
                    (matches!(class.0, Anomaly::G0 | Anomaly::G1c), class.1, cycle.len())
                };
                let fitting = found.into_iter().filter(|(class, _)| model.implies(class.2));
                if let Some((class, cycle)) = fitting.min_by_key(telling) {
                    self.witness((class.0, class.1, model), &cycle);
                }
                if self.witnesses.len() == before {
                    self.circle(model, &View { graph: &circles, ..view }, &names);
                }
                self.broken.push(model);
            }
            Answer::NoOrder => {
                self.broken.push(model);
                self.witnesses.push(Witness {
                    anomaly: Anomaly::NoVersionOrder,
                    order: Order::Data,
                    breaks: model,
                    transactions: Vec::new(),
                    descriptions: Vec::new(),
                    steps: Vec::new(),
                    sentence: Anomaly::NoVersionOrder.meaning().into(),
                });
            }
        }
    }

    fn report(mut self, models: &[Model]) -> Report {
        // What breaks a weaker model under the same name says all that the other says. Simple reasons come first.
        let all: Vec<Class> =
            self.witnesses.iter().map(|witness| (witness.anomaly, witness.order, witness.breaks)).collect();
        self.witnesses.retain(|witness| {
            !all.iter().any(|&(anomaly, order, weaker)| {
                (anomaly, order) == (witness.anomaly, witness.order)
                    && weaker != witness.breaks
                    && witness.breaks.implies(weaker)
            })
        });
        self.witnesses.sort_by_key(|witness| (witness.order, witness.anomaly, witness.transactions.len()));
        let judgements = models.iter().map(|&model| self.judgement(model)).collect();
        Report { judgements, witnesses: self.witnesses }
    }

    fn judgement(&self, model: Model) -> Judgement {
        if self.is_broken(model) {
            let proofs = self.witnesses.iter().filter(|witness| model.implies(witness.breaks));
            let best = proofs.min_by_key(|witness| {
                let weaker =
                    Model::TRANSACTIONS.iter().filter(|other| witness.breaks.implies(**other)).count();
                (weaker, witness.transactions.len())
            });
            let breach = best.map_or_else(
                || Breach {
                    anomaly: None,
                    sentence: "its dependencies are in a circle".into(),
                    witness: Vec::new(),
                    steps: Vec::new(),
                },
                breach,
            );
            return Judgement::broken(model, breach);
        }
        match self.unknown.get(&model) {
            Some(reason) => Judgement::unknown(model, reason.clone()),
            None => Judgement::kept(model),
        }
    }
}

fn distinct(mut nodes: Vec<u32>) -> Vec<u32> {
    nodes.sort_unstable();
    nodes.dedup();
    nodes
}

/// A witness in the terms that all models share; the id of a transaction is its number.
fn breach(witness: &Witness) -> Breach {
    let id = |transaction: &TransactionId| OperationId(u64::from(transaction.0));
    let described = witness.transactions.iter().zip(&witness.descriptions);
    let steps = witness.steps.iter().map(|step| Step {
        text: format!(
            "{} is before {} ({}): {}.",
            step.from,
            step.to,
            step.dependency.name(),
            step.justification
        ),
        operations: vec![id(&step.from), id(&step.to)],
    });
    Breach {
        anomaly: Some(witness.name()),
        sentence: witness.sentence.clone(),
        witness: described
            .map(|(transaction, text)| OperationSummary { id: id(transaction), text: text.clone() })
            .collect(),
        steps: steps.collect(),
    }
}
