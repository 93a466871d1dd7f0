//! What judgements about several models say together.

use std::fmt;

use super::{Finding, Judgement, Model};

/// Judgements about one history, and what is most worth knowing of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// All judgements, in the order in which they were given.
    pub judgements: Vec<Judgement>,
    /// Models that are kept, and that no other kept model implies.
    pub strongest_kept: Vec<Model>,
    /// Models that are broken, and that imply no other broken model.
    pub weakest_broken: Vec<Model>,
    /// Models about which there is no answer.
    pub unknown: Vec<Model>,
}

impl Summary {
    /// Sums up. Of models that imply each other (three names of linearizability) the first stands for all.
    pub fn new(judgements: Vec<Judgement>) -> Self {
        let models = |wanted: fn(&Judgement) -> bool| -> Vec<Model> {
            judgements.iter().filter(|judgement| wanted(judgement)).map(|judgement| judgement.model).collect()
        };
        let (kept, broken) = (models(Judgement::is_kept), models(Judgement::is_broken));
        let strongest_kept = extremes(&kept, |model, other| other.implies(model));
        let weakest_broken = extremes(&broken, |model, other| model.implies(other));
        let unknown = models(|judgement| !judgement.is_kept() && !judgement.is_broken());
        Self { judgements, strongest_kept, weakest_broken, unknown }
    }

    /// Two models of which the first was found kept and the second broken although the first implies the second: a
    /// checker that says so is wrong somewhere.
    pub fn contradiction(&self) -> Option<(Model, Model)> {
        let kept = self.judgements.iter().filter(|judgement| judgement.is_kept());
        kept.flat_map(|kept| {
            let broken = self.judgements.iter().filter(|judgement| judgement.is_broken());
            broken.map(move |broken| (kept.model, broken.model))
        })
        .find(|(kept, broken)| kept.implies(*broken))
    }
}

/// What some judgements say of another model: what a kept model implies is kept, and what implies a broken one is
/// broken, for the same reason.
pub(crate) fn implied(model: Model, judged: &[Judgement]) -> Option<Finding> {
    let settles = |judgement: &&Judgement| {
        (judgement.is_kept() && judgement.model.implies(model))
            || (judgement.is_broken() && model.implies(judgement.model))
    };
    judged.iter().find(settles).map(|judgement| judgement.finding.clone())
}

/// The models that no other is beyond; `beyond(model, other)` says that `other` makes `model` superfluous.
fn extremes(models: &[Model], beyond: impl Fn(Model, Model) -> bool) -> Vec<Model> {
    let superfluous = |(index, model): (usize, Model)| {
        models.iter().enumerate().any(|(place, &other)| {
            place != index && beyond(model, other) && (place < index || !beyond(other, model))
        })
    };
    let all = models.iter().copied().enumerate();
    all.filter(|&each| !superfluous(each)).map(|(_, model)| model).collect()
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |models: &[Model]| {
            let names: Vec<_> = models.iter().map(|model| model.title()).collect();
            names.join(", ")
        };
        let lines = [
            ("Strongest kept", &self.strongest_kept),
            ("Weakest broken", &self.weakest_broken),
            ("Unknown", &self.unknown),
        ];
        let mut first = true;
        for (head, models) in lines {
            if !models.is_empty() {
                write!(f, "{}{head}: {}.", if first { "" } else { "\n" }, list(models))?;
                first = false;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Breach;

    fn broken(model: Model) -> Judgement {
        let breach = Breach { anomaly: None, sentence: "so".into(), witness: Vec::new(), steps: Vec::new() };
        Judgement::broken(model, breach)
    }

    #[test]
    fn only_the_edge_of_what_is_kept_and_broken_is_named() {
        let summary = Summary::new(vec![
            broken(Model::Linearizable),
            broken(Model::StalenessVersions { versions: 1 }),
            broken(Model::Sequential),
            broken(Model::CausalConvergence),
            Judgement::kept(Model::CausalMemory),
            Judgement::kept(Model::Causal),
            Judgement::kept(Model::Pram),
            Judgement::unknown(Model::StalenessVersions { versions: 2 }, "too much"),
        ]);
        assert_eq!(summary.strongest_kept, [Model::CausalMemory]);
        assert_eq!(summary.weakest_broken, [Model::CausalConvergence]);
        assert_eq!(summary.contradiction(), None);
        assert_eq!(
            summary.to_string(),
            "Strongest kept: causal memory.\nWeakest broken: causal convergence.\nUnknown: bounded staleness (2 versions)."
        );
    }

    #[test]
    fn models_that_are_the_same_are_named_once() {
        let summary = Summary::new(vec![
            Judgement::kept(Model::Linearizable),
            Judgement::kept(Model::StalenessVersions { versions: 1 }),
        ]);
        assert_eq!(summary.strongest_kept, [Model::Linearizable]);
    }

    #[test]
    fn a_contradiction_is_noticed() {
        let summary = Summary::new(vec![broken(Model::Causal), Judgement::kept(Model::Sequential)]);
        assert_eq!(summary.contradiction(), Some((Model::Sequential, Model::Causal)));
    }
}
